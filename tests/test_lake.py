"""A day is visible by its manifest and in no other way; what is not named can be swept."""

import json
import os
import subprocess
import sys
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hinet_core.lake import (
    Lake,
    LakeError,
    connect,
    content_hash,
    is_older,
    parquet_list,
    quote_identifier,
    quote_literal,
    replace_text,
)

D1, D2 = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def put(lake, con, day, value, step="ingest", table="impressions"):
    with lake.begin(step, day) as draft:
        draft.write(table, f"SELECT {value} AS x, DATE '{day}' AS day", con)
        return draft.commit({"note": "n"})


def test_uncommitted_is_invisible_and_leaves_nothing(lake, con):
    with lake.begin("ingest", D1) as draft:
        draft.write("impressions", "SELECT 1 AS x", con)
        assert lake.files("impressions") == []
    assert lake.manifest("ingest", D1) is None
    assert list(lake.root.rglob("*.parquet")) == []


def test_commit_shows_all_tables_of_the_day_at_once(lake, con):
    with lake.begin("ingest", D1) as draft:
        draft.write("impressions", "SELECT 1 AS x", con)
        draft.write_rows("quarantine", [{"y": "a"}], pa.schema([("y", pa.string())]))
        manifest = draft.commit({"counts": {"rows_read": 2}})
    assert manifest.rows == {"impressions": 1, "quarantine": 1}
    assert lake.manifest("ingest", D1).info == {"counts": {"rows_read": 2}}
    assert lake.tables() == ["impressions", "quarantine"]


def test_second_commit_replaces_and_sweep_removes_the_first(lake, con):
    put(lake, con, D1, 1)
    put(lake, con, D2, 5)
    put(lake, con, D1, 2)
    assert sorted(lake.scan(con, "impressions").project("x").fetchall()) == [(2,), (5,)]
    assert len(lake.sweep(older_than_s=-1)) == 1
    assert sorted(lake.scan(con, "impressions").project("x").fetchall()) == [(2,), (5,)]
    assert lake.sweep(older_than_s=-1) == []


def test_days_filter_and_order(lake, con):
    for day, value in ((D2, 2), (D1, 1)):
        put(lake, con, day, value)
    assert lake.days("ingest") == [D1, D2]
    assert lake.scan(con, "impressions", [D2]).project("x").fetchall() == [(2,)]


def test_days_asked_for_read_no_manifest_of_another_day(lake, con):
    put(lake, con, D1, 1)
    put(lake, con, D2, 2)
    put(lake, con, D2, 3, step="train/deep", table="metrics")
    assert lake.steps() == ["ingest", "train/deep"]
    lake.manifest_path("ingest", D1).write_text("torn")
    assert lake.scan(con, "impressions", [D2, D2]).project("x").fetchall() == [(2,)]
    with pytest.raises(json.JSONDecodeError):
        lake.files("impressions", [D1])


def test_empty_table_has_its_columns_or_says_what_to_do(lake, con):
    empty = lake.scan(con, "entity_daily", schema="key VARCHAR, impressions BIGINT")
    assert (empty.columns, empty.fetchall()) == (["key", "impressions"], [])
    with pytest.raises(LakeError, match="has no committed rows .* Materialize it first"):
        lake.scan(con, "entity_daily")


def test_blocked_day_is_kept_aside_and_the_old_commit_stays(lake, con):
    put(lake, con, D1, 1)
    with lake.begin("ingest", D1) as draft:
        draft.write("impressions", "SELECT 99 AS x", con)
        draft.abandon(keep=True)
    assert lake.scan(con, "impressions").project("x").fetchall() == [(1,)]
    folder = lake.blocked("ingest")[D1]
    assert con.sql(f"FROM '{folder}/impressions.parquet'").fetchall() == [(99,)]
    put(lake, con, D1, 3)
    assert lake.blocked("ingest") == {}


def test_content_hash_is_of_rows_not_of_files(lake, con):
    first, second = put(lake, con, D1, 1), put(lake, con, D1, 1)
    assert first.tables["impressions"][0].path != second.tables["impressions"][0].path
    assert first.content_hash == second.content_hash
    assert put(lake, con, D1, 2).content_hash != first.content_hash


def test_content_hash_sees_order_nulls_lists_and_types(lake, con):
    queries = [
        "SELECT * FROM (VALUES (1), (2)) t(x)",
        "SELECT * FROM (VALUES (2), (1)) t(x)",
        "SELECT * FROM (VALUES (1), (NULL)) t(x)",
        "SELECT * FROM (VALUES (1::BIGINT), (2)) t(x)",
        "SELECT [x] AS x FROM (VALUES (1), (2)) t(x)",
        "SELECT x AS file_row_number FROM (VALUES (1), (2)) t(x)",
        "SELECT x AS file_row_number FROM (VALUES (2), (1)) t(x)",
    ]
    hashes = set()
    for query in queries:
        with lake.begin("s", D1) as draft:
            hashes.add(draft.write("t", query, con).content_hash)
    assert len(hashes) == len(queries)


@pytest.mark.parametrize("rows", [0, 5, 3000])
def test_arrow_batches_are_the_rows_that_copy_writes(lake, con, rows):
    query = (
        "SELECT CAST(i AS TINYINT) AS t, i AS b, CAST(i / 3 AS FLOAT) AS f, i / 7 AS d, i % 2 = 0 AS yes, "
        "nullif('ü' || i % 9, 'ü3') AS s, DATE '2026-03-01' + CAST(i AS INTEGER) AS on_day, "
        "TIMESTAMP '2026-03-01 00:00:00.000001' + to_seconds(i) AS at, [i, NULL] AS n, ['a', '' || i] AS w, "
        f"CAST(NULL AS VARCHAR) AS gone FROM (SELECT r % 100 AS i FROM range({rows}) AS t(r))"
    )
    with lake.begin("step", D1) as draft:
        copied = draft.write("t", query, con)
    rows_of = con.sql(query).to_arrow_table()
    with lake.begin("step", D1) as draft:
        written = draft.write_batches("t", iter([rows_of.slice(0, 700), rows_of.slice(700)]), con)
        found = con.execute(f"SELECT * FROM {parquet_list([draft.path('t')])}").fetchall()
        assert found == con.execute(query).fetchall()
    assert (written.rows, written.content_hash) == (rows, copied.content_hash)


def test_content_hash_is_the_same_however_many_threads_and_row_groups(tmp_path):
    table = pa.table({"x": range(300_000), "y": [f"text {n % 97}" for n in range(300_000)]})
    found = set()
    for threads, rows in (("1", 300_000), ("2", 1000), ("4", 70_001)):
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=rows)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HINET_THREADS", threads)
            found.add(content_hash(tmp_path / "t.parquet"))
    assert len(found) == 1


def test_catalog_opens_in_plain_duckdb(lake, con, tmp_path):
    put(lake, con, D1, 7)
    lake.rebuild_catalog(tmp_path / "catalog.duckdb")
    lake.rebuild_catalog(tmp_path / "catalog.duckdb")
    plain = duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True)
    assert plain.sql("SELECT x FROM impressions").fetchall() == [(7,)]
    plain.close()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.slow
def test_a_catalog_that_does_not_fit_leaves_the_one_before(lake, con, tmp_path):
    put(lake, con, D1, 7)
    lake.rebuild_catalog(tmp_path / "catalog.duckdb")
    before = (tmp_path / "catalog.duckdb").read_bytes()
    script = f"""
import resource, signal
from pathlib import Path
from hinet_core.lake import Lake, LakeError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
try:
    Lake(Path({str(lake.root)!r})).rebuild_catalog(Path({str(tmp_path / "catalog.duckdb")!r}))
except LakeError as error:
    print("refused:", error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "refused: could not write" in run.stdout, run.stdout + run.stderr
    assert "run again" in run.stdout
    assert (tmp_path / "catalog.duckdb").read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_failed_write_commits_nothing(lake, con):
    put(lake, con, D1, 1)
    with pytest.raises(duckdb.Error), lake.begin("ingest", D1) as draft:
        draft.write("impressions", "SELECT CAST('x' AS INTEGER) AS x", con)
    assert lake.scan(con, "impressions").project("x").fetchall() == [(1,)]
    assert len(list(lake.root.rglob("*.parquet"))) == 1


@pytest.mark.slow
def test_full_disk_is_a_sentence_and_commits_nothing(tmp_path):
    """A file size limit stands in for a full disk: the same error path of the same write call."""
    script = f"""
import resource, signal
from datetime import date
from pathlib import Path
from hinet_core.lake import Lake, LakeError, connect
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
lake = Lake(Path({str(tmp_path / "lake")!r}))
try:
    with lake.begin("ingest", date(2026, 3, 1)) as draft:
        draft.write("impressions", "SELECT random() AS x FROM range(100000)", connect())
        draft.commit()
except LakeError as error:
    print("refused:", error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "refused: could not write ingest of 2026-03-01" in run.stdout
    assert "run again" in run.stdout
    assert list((tmp_path / "lake").rglob("*.parquet")) == []


@pytest.mark.parametrize("point", ["after-file", "before-commit", "after-commit"])
def test_killed_at_a_boundary_the_day_is_old_or_new_never_torn(tmp_path, con, point):
    lake = Lake(tmp_path / "lake")
    put(lake, con, D1, 1)
    script = f"""
from datetime import date
from pathlib import Path
from hinet_core.lake import Lake, connect
lake = Lake(Path({str(lake.root)!r}))
with lake.begin("ingest", date(2026, 3, 1)) as draft:
    draft.write("impressions", "SELECT 2 AS x", connect())
    draft.commit()
"""
    env = os.environ | {"HINET_CRASH_AT": point}
    run = subprocess.run([sys.executable, "-c", script], env=env, check=False)
    assert run.returncode == -9
    expected = 2 if point == "after-commit" else 1
    assert lake.scan(con, "impressions").project("x").fetchall() == [(expected,)]
    lake.sweep(older_than_s=-1)
    assert len(list(lake.root.rglob("*.parquet"))) == 1


def test_the_age_of_a_folder_is_that_of_the_youngest_in_it(tmp_path):
    folder, file = tmp_path / "folder", tmp_path / "folder" / "file"
    folder.mkdir()
    file.touch()
    os.utime(folder, (0, 0))
    assert not is_older(folder, 60)
    os.utime(file, (0, 0))
    assert is_older(file, 60) and is_older(folder, 60)
    (folder / "listed and gone").symlink_to(tmp_path / "nothing")
    os.utime(folder, (0, 0))
    assert not is_older(folder, 60)
    assert not is_older(tmp_path / "nothing", 60)


def test_quoting_is_safe(con):
    evil = 'x"; DROP TABLE t; --'
    con.execute(f"CREATE TABLE t AS SELECT 1 AS {quote_identifier(evil)}")
    assert con.sql(f"SELECT {quote_literal(chr(39) + evil)}").fetchall() == [("'" + evil,)]
    assert con.sql(f"SELECT {quote_identifier(evil)} FROM t").fetchall() == [(1,)]


def test_no_network_and_utc():
    con = connect()
    assert con.sql("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
    with pytest.raises(duckdb.Error):
        con.execute("INSTALL httpfs; LOAD httpfs")


def test_replace_text_is_whole(tmp_path):
    file = tmp_path / "a" / "pointer.json"
    for number in range(3):
        replace_text(file, json.dumps({"n": number}))
    assert json.loads(file.read_text()) == {"n": 2}
    assert [one.name for one in file.parent.iterdir()] == ["pointer.json"]


@pytest.mark.parametrize("visible", [False, True])
def test_ctrl_c_in_a_commit_leaves_the_old_day_or_the_new_one(lake, con, monkeypatch, visible):
    put(lake, con, D1, 1)

    def interrupted(path, text):
        if visible:
            replace_text(path, text)
        raise KeyboardInterrupt

    monkeypatch.setattr("hinet_core.lake.draft.replace_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(lake, con, D1, 2)
    assert lake.scan(con, "impressions").project("x").fetchall() == [(2 if visible else 1,)]
    assert len(list(lake.root.rglob("*.parquet"))) == (2 if visible else 1)


def test_batches_become_one_file_in_their_order(lake, con):
    with lake.begin("ingest", D1) as draft:
        entry = draft.write_batches("rows", iter([pa.table({"n": [3, 1]}), pa.table({"n": [2]})]), con)
        draft.commit()
    assert (entry.rows, lake.scan(con, "rows").fetchall()) == (3, [(3,), (1,), (2,)])


def test_batches_that_break_off_leave_no_file(lake, con):
    def broken():
        yield pa.table({"n": [1]})
        raise OSError(28, "No space left on device")

    with pytest.raises(LakeError, match="could not write ingest of 2026-03-01"), lake.begin("ingest", D1) as draft:
        draft.write_batches("rows", broken(), con)
    assert not list(lake.root.rglob("*.parquet"))
