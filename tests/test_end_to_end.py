"""`make run` as people call it: a small simulated log from nothing to the snapshot, undisturbed, again, and killed."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import duckdb
import pytest
from small_log import small_contract_file

from hinet_core.lake import Lake, connect, parquet_list

ROOT = Path(__file__).parents[1]
# When and how long a run took is told, and is never the same twice.
VOLATILE = {"runs": ["started_at", "finished_at", "duration_s", "rows_per_s"], "train_curves": ["wall_s"]}
OURS = ("CONTRACT", "DATA", "FRESH", "PRESET", "HINET_CONTRACTS", "HINET_DEVICE", "DAGSTER_HOME", "HINET_CRASH_AT")


def start(home, contract, **given):
    environment = {name: value for name, value in os.environ.items() if name not in OURS} | {
        "HINET_HOME": str(home), "CONTRACT": str(contract), "SERVE": "0", "OMP_NUM_THREADS": "1",
        **{name: str(value) for name, value in given.items()},
    }  # fmt: skip
    command = [sys.executable, "-m", "orchestration.run"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(home, contract, **given):
    process = start(home, contract, **given)
    output, _ = process.communicate(timeout=900)
    return process.returncode, output


def contents(root: Path) -> dict[str, tuple]:
    """Every table's rows and every model's weights as hashes."""
    lake, con = Lake(root / "lake"), connect()
    found: dict[str, tuple] = {}
    for table in lake.tables():
        skipped = ", ".join(VOLATILE.get(table, ()))
        columns = f"* EXCLUDE ({skipped})" if skipped else "*"
        source = parquet_list(lake.files(table))
        found[table] = con.execute(
            f"SELECT count(*), sum(hash(t)) FROM (SELECT {columns} FROM {source}) AS t"
        ).fetchone()
    con.close()
    for path in sorted((root / "models").rglob("*.safetensors")):
        found[path.relative_to(root).as_posix()] = (hashlib.sha256(path.read_bytes()).hexdigest(),)
    return found


def snapshot_contents(root: Path) -> dict[str, str]:
    pointer = json.loads((root / "published" / "current.json").read_text())
    with duckdb.connect(str(root / "published" / pointer["file"]), read_only=True) as con:
        rows = con.execute("SELECT table_name, content_hash FROM table_manifest").fetchall()
    return {name: content for name, content in rows if name not in VOLATILE}


@pytest.fixture(scope="module")
def contract(tmp_path_factory):
    return small_contract_file(tmp_path_factory.mktemp("contract"))


@pytest.fixture(scope="module")
def undisturbed(contract, tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed")
    status, output = run(home, contract)
    assert status == 0, output
    return home, output


@pytest.mark.slow
def test_from_nothing_to_the_result_table(undisturbed):
    _, output = undisturbed
    for words in ("Click: AUC as of 2025-03-09", "Order: AUC", "Lift in orders per request, hinet over shared_bottom"):
        assert words in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_hinet_sql_answers_on_the_tables(undisturbed, contract):
    home, _ = undisturbed
    counted = {}
    for table in ("impressions", "quarantine", "entity_daily", "examples", "eval_metrics"):
        command = [str(Path(sys.executable).with_name("hinet")), "sql", "--csv", f"select count(*) as n from {table}"]
        environment = {**os.environ, "HINET_HOME": str(home), "CONTRACT": str(contract)}
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        counted[table] = int(ended.stdout.split()[1])
    assert counted["quarantine"] == 0
    assert counted["impressions"] == counted["examples"] == 11_400
    assert counted["entity_daily"] > 1000


@pytest.mark.slow
def test_the_snapshot_opens_in_plain_duckdb(undisturbed):
    home, _ = undisturbed
    pointer = json.loads((home / "small" / "published" / "current.json").read_text())
    with duckdb.connect(str(home / "small" / "published" / pointer["file"]), read_only=True) as con:
        models = con.execute("SELECT DISTINCT model FROM eval_metrics ORDER BY 1").fetchall()
        (lifts,) = con.execute("SELECT count(*) FROM lift WHERE status = 'estimated'").fetchone()
        tested = con.execute("SELECT estimator, count(*) FROM lift_test GROUP BY ALL ORDER BY ALL").fetchall()
        (days,) = con.execute("SELECT count(*) FROM lift_days").fetchone()
    assert [one for (one,) in models] == ["hinet", "mmoe", "shared_bottom"]
    assert lifts == 7
    assert (tested, days) == ([("L2", 7), ("L3", 14)], 3)


@pytest.mark.slow
def test_a_second_run_does_nothing_again(undisturbed, contract):
    home, _ = undisturbed
    root = home / "small"
    files = {
        path: path.stat().st_mtime_ns for path in root.rglob("*") if path.suffix in (".json", ".parquet", ".duckdb")
    }
    status, output = run(home, contract)
    assert status == 0, output
    changed = [path.name for path, when in files.items() if path.stat().st_mtime_ns != when]
    # The views are written anew, and landing is looked at anew; nothing else is touched.
    assert set(changed) <= {"catalog.duckdb", "_landing.json"}


# A run costs eleven seconds, so `make test` has fewer of them.
SOME_DEATHS = ("after-file:13", "after-commit:10", "before-catalog:2", "before-pointer")
DEATHS = (
    "after-file:13",  # inside the third ingested day
    "before-commit:4",
    "after-commit:10",  # among the daily aggregates
    "before-catalog:2",
    "after-file:5",  # between two models
    "before-commit:2",
    "after-commit:2",
    "before-pointer",
)


@pytest.mark.parametrize(
    "deaths", [pytest.param(SOME_DEATHS, marks=pytest.mark.slow), pytest.param(DEATHS, marks=pytest.mark.long)]
)
def test_killed_at_boundaries_in_turn_it_ends_where_the_undisturbed_run_does(deaths, undisturbed, contract, tmp_path):
    interrupt(tmp_path, contract)
    for death in deaths:
        status, output = run(tmp_path, contract, HINET_CRASH_AT=death)
        assert status == -signal.SIGKILL, f"{death}: {output}"
        contents(tmp_path / "small")  # every committed table can be read at any moment
    finish_and_compare(undisturbed, contract, tmp_path)


def interrupt(home, contract):
    """Ctrl-C while days are being ingested: one sentence, at once."""
    process = start(home, contract)
    while "impressions of" not in (line := process.stdout.readline()):
        assert line, "ended before it began"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert output.strip().endswith("stopped; what was committed stays, and the same command goes on from there")


@pytest.mark.long
def test_killed_at_random_moments_it_ends_where_the_undisturbed_run_does(undisturbed, contract, tmp_path):
    draw = random.Random(2)
    for _ in range(12):
        process = start(tmp_path, contract)
        time.sleep(draw.uniform(1.0, 25.0))
        process.kill()
        process.communicate()
    finish_and_compare(undisturbed, contract, tmp_path)


def finish_and_compare(undisturbed, contract, home):
    status, output = run(home, contract)
    assert status == 0, output
    assert contents(home / "small") == contents(undisturbed[0] / "small")
    assert snapshot_contents(home / "small") == snapshot_contents(undisturbed[0] / "small")


@pytest.mark.long
def test_the_real_log_end_to_end(kuairand_data, tmp_path):
    status, output = run(tmp_path, "kuairand", DATA=kuairand_data)
    assert status == 0, output
    con = duckdb.connect(str(tmp_path / "kuairand" / "catalog.duckdb"), read_only=True)
    cells = con.execute(
        "SELECT model, task, scope, scenario_id, value, n FROM eval_metrics WHERE metric = 'auc' AND split = 'judged'"
    ).fetchall()
    per_scenario = {(model, task, scenario): (value, n) for model, task, scope, scenario, value, n in cells
                    if scope == "scenario"}  # fmt: skip
    assert set(per_scenario) == {
        (model, task, scenario)
        for model in ("hinet", "mmoe", "shared_bottom")
        for task in ("click", "long_view")
        for scenario in ("0", "1", "2", "4", "6")
    }
    clicks = [per_scenario["hinet", "click", scenario] for scenario in ("0", "1", "2", "4", "6")]
    assert sum(value * n for value, n in clicks) / sum(n for _, n in clicks) > 0.67
    (pooled,) = [
        value for model, task, scope, _, value, _ in cells if (model, task, scope) == ("hinet", "click", "pooled")
    ]
    assert pooled > 0.71
    assert {row[0] for row in con.execute("SELECT DISTINCT as_of FROM eval_metrics").fetchall()} == {date(2022, 5, 6)}
    (duplicates,) = con.execute("SELECT sum(rows_duplicate) FROM ingest_files").fetchone()
    (views,) = con.execute("SELECT sum(rows) FROM ingest_counters WHERE counter = 'funnel_violation'").fetchone()
    assert (duplicates, views) == (5_608, 221)
    (open_books,) = con.execute(
        "SELECT count(*) FROM ingest_files WHERE rows_read <> rows_kept + rows_duplicate + rows_quarantined"
    ).fetchone()
    assert open_books == 0
    statuses = con.execute("SELECT DISTINCT status, reason FROM lift").fetchall()
    assert [status for status, _ in statuses] == ["not_estimable"]
    assert "propensit" in statuses[0][1]
    con.close()
