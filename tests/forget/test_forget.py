"""After forgetting a user, no file of the lake has the id, every other row is as it was, and nothing brings it back."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import duckdb
import pyarrow.parquet as pq
import pytest
from three_days import DAYS, HEADER, WHO, ingest, line, write_log

from hinet_core import quality
from hinet_core.contract import parse_contract
from hinet_core.forget import ForgetError, forget, holdings, user_text
from hinet_core.forget.matching import is_raw_of
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.forgotten import Forgotten
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake, connect
from hinet_core.quality.docs import page_of, write_docs
from hinet_core.quality.hashed_ids import hash_of, key_of
from hinet_core.settings import Paths

pytestmark = pytest.mark.slow


def texts_of(root):
    """Every value of every Parquet file under a folder and every other file's text."""
    for path in sorted(root.rglob("*")):
        if path.suffix == ".parquet":
            yield path, json.dumps(pq.read_table(path).to_pylist(), default=str)
        elif path.is_file():
            yield path, path.read_bytes().decode("utf-8", "replace")


def where_it_stands(root, folders=("lake", "models", "published")):
    return [path for folder in folders if (root / folder).exists() for path, text in texts_of(root / folder)
            if WHO in text]  # fmt: skip


def others(lake, table):
    con = connect()
    rows = lake.scan(con, table).filter(f"CAST(user AS VARCHAR) <> '{WHO}'").order("day, source_file, record_number")
    found = rows.fetchall()
    con.close()
    return found


def test_no_file_has_the_id_and_all_other_rows_are_as_they_were(home):
    contract, paths, lake = home
    assert list(lake.blocked("ingest")) == [DAYS[2]]
    before = others(lake, "impressions")
    tables = {path.relative_to(paths.lake).parts[0] for path in where_it_stands(paths.root)}
    rewritten = {"impressions", "quarantine", "examples", "entity_daily", "entity_recent", "entity_state"}
    assert rewritten | {"_blocked"} <= tables
    said = forget(contract, paths, lake, WHO, delete_models=False)
    assert where_it_stands(paths.root) == []
    assert others(lake, "impressions") == before and len(before) == 12
    counted = {(one.table, one.kept_out): one.rows for one in said.held}
    assert counted["impressions", False] == 4 and counted["quarantine", False] == 2
    assert counted["quarantine", True] == 1
    assert said.landed == ["log_1.csv", "log_2.csv", "log_3.csv"]
    assert said.rewritten["ingest"] == DAYS[:2]
    assert [one for one in holdings(contract, lake, WHO) if one.rows] == []


def test_the_books_balance_and_the_users_rows_are_quarantined_without_their_text(home):
    contract, paths, lake = home
    forget(contract, paths, lake, WHO, delete_models=False)
    con = connect()
    refused = lake.scan(con, "quarantine").order("day, record_number").fetchall()
    mine = [row for row in refused if row[3] == ["user: forgotten"]]
    assert len(mine) == 6 and all(row[4] is None for row in mine)
    assert [row[4] is None for row in refused if row[3] != ["user: forgotten"]] == [False, False]
    for day in DAYS[:2]:
        counts = lake.manifest("ingest", day).info["counts"]
        assert counts["rows_read"] == sum(counts[f"rows_{one}"] for one in ("kept", "duplicate", "quarantined"))
        books = lake.scan(con, "ingest_files", [day]).fetchall()
        assert [sum(row[place] for row in books) for place in (2, 3, 4, 5)] == [
            counts[f"rows_{one}"] for one in ("read", "kept", "duplicate", "quarantined")]  # fmt: skip
    counters = dict(lake.scan(con, "ingest_counters", DAYS[:1]).project("counter || detail, rows").fetchall())
    con.close()
    assert counters["scenario_rowshome"] == 6 and counters["reasonuser: forgotten"] == 2


def test_reading_the_log_again_does_not_bring_the_user_back(home):
    contract, paths, lake = home
    before = others(lake, "impressions")
    forget(contract, paths, lake, WHO, delete_models=False)
    shutil.rmtree(paths.lake)
    again = ingest(contract, paths, lake)
    assert where_it_stands(paths.root) == []
    # The user's repeat is refused like the others now. What kept the third day out was a row of the user.
    assert [row for row in others(lake, "impressions") if row[3].date() < DAYS[2]] == before
    assert lake.days("ingest") == DAYS
    assert [one.counts["rows_forgotten"] for one in again] == [3, 4, 1]
    assert [one.counts["rows_quarantined"] for one in again[:2]] == [3, 7]
    for counts in (one.counts for one in again):
        assert counts["rows_read"] == sum(counts[f"rows_{part}"] for part in ("kept", "duplicate", "quarantined"))
    assert (paths.root / "forgotten.json").stat().st_mode & 0o777 == 0o600
    assert WHO not in (paths.root / "forgotten.json").read_text()


KILLED = """
import json, sys
from pathlib import Path
from hinet_core.contract import parse_contract
from hinet_core.forget import forget
from hinet_core.lake import Lake
from hinet_core.settings import Paths
paths = Paths(Path(sys.argv[1]))
forget(parse_contract(json.loads(sys.argv[2])), paths, Lake(paths.lake), sys.argv[3], delete_models=False)
"""


@pytest.mark.parametrize("death", ["before-replace:1", "after-file:9", "after-commit:4"])
def test_a_kill_in_the_middle_is_repaired_by_the_same_call(home, tiny_raw, death):
    contract, paths, lake = home
    before = others(lake, "impressions")
    arguments = [sys.executable, "-c", KILLED, str(paths.root), json.dumps(tiny_raw), WHO]
    environment = os.environ | {"HINET_CRASH_AT": death, "HINET_HOME": str(paths.root.parent)}
    assert subprocess.run(arguments, env=environment, check=False).returncode == -signal.SIGKILL
    assert where_it_stands(paths.root) != []
    forget(contract, paths, lake, WHO, delete_models=False)
    assert where_it_stands(paths.root) == []
    assert others(lake, "impressions") == before


def test_a_landed_file_that_only_repeats_the_users_rows_is_named(home):
    contract, paths, lake = home
    (paths.landing / "log_4.csv").write_text("\n".join([HEADER, line(WHO, DAYS[0], 8), line(WHO, DAYS[0], 9, "b")]))
    (paths.landing / "log_5.csv").write_text("\n".join([HEADER, line(5, DAYS[0], 8), line(6, DAYS[0], 9, "b")]))
    ingest(contract, paths, lake)
    assert forget(contract, paths, lake, WHO, delete_models=False).landed == [f"log_{n}.csv" for n in (1, 2, 3, 4)]


class Strict:
    """An auditor with a rule that every row breaks, and which keeps days out or only tells."""

    def __init__(self, keeps_out):
        self.keeps_out = keeps_out

    def audit(self, con, contract, *rest):
        found = quality.audit(con, strict(contract), *rest)
        return found if self.keeps_out else replace(found, findings=[])


def strict(contract):
    columns = [one.model_copy(update={"max": 5.0}) if one.name == "price" else one for one in contract.columns]
    return contract.model_copy(update={"columns": tuple(columns)})


def test_rows_that_findings_sampled_go_from_tables_and_pages(tiny_raw, tmp_path):
    contract, paths = parse_contract(tiny_raw), Paths(tmp_path / "tiny")
    write_log(paths)
    for number, day in enumerate(DAYS[:2], 1):  # the first rows are those that are shown
        rows = [line(user, day, hour) for user in (WHO, 5) for hour in (8, 9)]
        (paths.landing / f"log_{number}.csv").write_text("\n".join([HEADER, *rows]))
    lake, landed = Lake(paths.lake), index(contract, paths)
    list(ingest_days(contract, lake, landed, DAYS[:1], Strict(False)))
    (kept_out,) = ingest_days(contract, lake, landed, DAYS[1:2], Strict(True))
    write_docs(strict(contract), lake, paths.docs, [kept_out])
    mine, other = (hash_of(key_of(paths.root), user) for user in (WHO, 5))

    def standing(hashed):
        return [path.name for path, text in texts_of(paths.root) if hashed in text]

    assert len(standing(mine)) == 3  # a page, a committed day and one that is kept out
    assert len(standing(other)) == 3
    counts = lake.blocked_info("ingest", DAYS[1])["counts"]
    assert (counts["rows_read"], counts["rows_kept"], counts["rows_quarantined"]) == (4, 4, 0)
    page = page_of(paths.docs, DAYS[1])
    samples = page.read_text().count("&quot;source_file&quot;")
    done = forget(contract, paths, lake, WHO, delete_models=False)
    assert standing(mine) == [] and len(standing(other)) == 3
    assert page.read_text().count("&quot;source_file&quot;") == samples - 2 and "(forgotten)" in page.read_text()
    assert done.rewritten["pages about data quality"] == done.rewritten["ingest, kept out"] == [DAYS[1]]
    counts = lake.blocked_info("ingest", DAYS[1])["counts"]
    names = ("rows_read", "rows_kept", "rows_quarantined", "rows_forgotten")
    assert [counts[name] for name in names] == [4, 2, 2, 2]
    (book,) = pq.read_table(lake.blocked_folder("ingest", DAYS[1]) / "ingest_files.parquet").to_pylist()
    assert (book["rows_read"], book["rows_kept"], book["rows_quarantined"]) == (4, 2, 2)
    assert {(one.table, one.kept_out) for one in done.held} >= {("dq_results", False), ("dq_results", True)}
    assert holdings(contract, lake, WHO) == []


def test_an_id_is_said_as_people_write_it(home):
    contract = home[0]
    assert user_text(contract, "0047") == "47"
    with pytest.raises(ForgetError, match="a whole number"):
        user_text(contract, "anna")


@pytest.mark.parametrize(
    ("raw", "mine"),
    [
        ('{"user": 12.0, "item": null}', True),
        ('{"user": "12", "item": null}', True),
        ('{"user": 12.5}', False),
        ('{"user": 112.0}', False),
        ('{"user": 12.0, "item', True),
        ('{"user": 112.0, "item', False),
    ],
)
def test_a_refused_line_is_of_the_user_however_its_number_is_written(tiny_raw, con, raw, mine):
    user = next(one for one in tiny_raw["columns"] if one.get("role") == "user")
    del user["min"]
    user["type"] = "string"
    contract = parse_contract(tiny_raw)
    found = con.execute(f"SELECT {is_raw_of(contract, '12')} FROM (SELECT ? AS raw)", [raw]).fetchone()
    assert found == (mine,)
    kept = Forgotten("salt", frozenset([sha256(b"salt12").hexdigest()]))
    if not raw.endswith("}"):
        assert con.execute(f"SELECT {kept.is_in('raw')} FROM (SELECT ? AS raw)", [raw]).fetchone() == (mine,)


def test_the_verb_lists_first_and_changes_nothing_without_yes(tiny_raw, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from hinet_core import cli

    monkeypatch.setenv("HINET_HOME", str(tmp_path))
    paths = Paths(tmp_path / "tiny")
    write_log(paths)
    contract, lake = parse_contract(tiny_raw), Lake(paths.lake)
    ingest(contract, paths, lake, auditor=None)
    monkeypatch.setattr("hinet_core.cli.group.load_contract", lambda name: contract)
    held = where_it_stands(paths.root)
    listed = CliRunner().invoke(cli.main, ["forget", WHO, "--contract", "tiny"])
    assert listed.exit_code == 0 and "impressions" in listed.output and "nothing was changed" in listed.output
    assert where_it_stands(paths.root) == held
    done = CliRunner().invoke(cli.main, ["forget", WHO, "--contract", "tiny", "--yes"])
    assert done.exit_code == 0, done.output
    assert "rewritten: ingest, 3 days" in done.output and "3 landed files may still hold the user" in done.output
    assert where_it_stands(paths.root) == []
    again = CliRunner().invoke(cli.main, ["forget", WHO, "--contract", "tiny"])
    assert f"no table holds user {WHO}" in again.output


def test_a_hash_in_the_scan_is_the_hash_in_python():
    from hinet_core.ingest.forgotten import Forgotten

    known = Forgotten("salt")
    known = Forgotten("salt", frozenset([known.hash_of("a|b 7")]))
    con = duckdb.connect()
    assert con.execute(f"SELECT {known.is_one('v')} FROM (VALUES ('a|b 7'), ('a'), (NULL)) AS t(v)").fetchall() == [
        (True,), (False,), (False,)]  # fmt: skip
