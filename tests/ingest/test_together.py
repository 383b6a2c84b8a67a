"""Several processes ingest the same and different days at once, and are killed: every day ends as it would alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from test_damage import LOG, csv, line

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake, spill_folder, sweep_spill
from hinet_core.settings import Paths

SCRIPT = """
import json, sys
from datetime import date
from pathlib import Path
from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake
from hinet_core.settings import Paths
raw, home, days, times = json.loads(sys.argv[1])
contract, paths = parse_contract(raw), Paths(Path(home))
for _ in range(times):
    landed = index(contract, paths)
    list(ingest_days(contract, Lake(paths.lake), landed, [date.fromisoformat(day) for day in days], None))
"""
DAYS = ["2026-03-01", "2026-03-02", "2026-03-03"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A log of three days, one of them in a file that is read line by line, and the hashes that it ends in."""
    monkeypatch.setenv("HINET_HOME", str(tmp_path))
    paths = Paths(tmp_path / "damaged")
    paths.landing.mkdir(parents=True)
    for number, day in enumerate(DAYS):
        lines = [line(n, f"i{n % 50}").replace("2026-03-01", day) for n in range(400)] + ["1,a"] * number
        (paths.landing / f"log_{number}.csv").write_text(csv(*lines))
    return paths


def alone(paths):
    contract, lake = parse_contract(LOG), Lake(paths.root / "alone")
    landed = index(contract, paths)
    list(ingest_days(contract, lake, landed, landed.days, None))
    return hashes(lake)


def hashes(lake):
    return {day.isoformat(): lake.manifest("ingest", day).content_hash for day in lake.days("ingest")}


def start(paths, days, times=1, **environment):
    arguments = json.dumps([LOG, str(paths.root), days, times])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, arguments], env=os.environ | {"HINET_THREADS": "1"} | environment,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_processes_that_ingest_the_same_and_other_days_at_once(home, con):
    expected, lake = alone(home), Lake(home.lake)
    running = [start(home, days, 3) for days in (DAYS, DAYS[::-1], DAYS[1:])]
    seen = 0
    while any(one.poll() is None for one in running):
        for day in lake.days("ingest"):  # a reader meanwhile sees whole days
            manifest = lake.manifest("ingest", day)
            counted = lake.scan(con, "impressions", [day]).count("*").fetchall()[0][0]
            assert counted == manifest.info["counts"]["rows_kept"] == 400
            seen += 1
    assert [(one.wait(), one.stderr.read()) for one in running] == [(0, "")] * 3
    assert hashes(lake) == expected and seen > 0


@pytest.mark.parametrize("rounds", [pytest.param(3, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.long)])
def test_killed_at_random_no_day_is_torn_and_nothing_is_left(home, con, rounds):
    expected, lake = alone(home), Lake(home.lake)
    draw = random.Random(rounds)
    for number in range(rounds):
        one = start(home, DAYS, 50, **({"HINET_CRASH_AT": f"after-file:{number % 13 + 1}"} if number % 2 else {}))
        time.sleep(draw.uniform(0.8, 2.5))
        one.kill()
        assert one.wait() == -signal.SIGKILL
        for day, found in hashes(lake).items():
            assert found == expected[day]
    assert start(home, DAYS).wait() == 0
    assert hashes(lake) == expected
    sweep_spill()
    assert list(spill_folder().glob("*-*-*")) == []
    lake.sweep(older_than_s=-1)
    named = [one for table in lake.tables() for one in lake.files(table)]
    assert sorted(lake.root.rglob("*.parquet")) == sorted(named)


def with_files_of_at_most_4_kb(home, before):
    """A limit on the size of files stands in for a full disk: the same error of the same write call."""
    lines = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + SCRIPT.replace(
        before, f"    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n{before}"
    )
    arguments = json.dumps([LOG, str(home.root), DAYS, 1])
    run = subprocess.run([sys.executable, "-c", lines, arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert list(spill_folder().glob("*-*-*")) == []
    return run.stderr


@pytest.mark.slow
def test_a_full_disk_under_the_spill_folder_is_a_sentence(home):
    said = with_files_of_at_most_4_kb(home, before="    list(ingest_days")
    assert "LakeError: could not write under" in said and "free some space" in said
    assert Lake(home.lake).days("ingest") == [] and list(home.lake.rglob("*.parquet")) == []


@pytest.mark.slow
def test_a_disk_full_while_an_archive_is_unpacked_is_no_damage_of_the_archive(home):
    """Or the index would remember the archive as refused until it is delivered again."""
    log = home.landing / "log_0.csv"
    with zipfile.ZipFile(home.landing / "log_9.csv", "w") as archive:
        archive.write(log, "log_9.csv")
    said = with_files_of_at_most_4_kb(home, before="    landed = index")
    assert "LakeError: could not unpack" in said and "free some space" in said
    assert index(parse_contract(LOG), home).refused == {}
