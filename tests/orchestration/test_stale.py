"""Dagster calls exactly those days stale whose inputs have other rows than those that they were made from."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from late_log import late_raw, part_of, write_csv
from stale import Pages

from hinet_core.contract import Contract, parse_contract
from hinet_core.features.history import step_hashes
from hinet_core.features.tables import day_tables
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from orchestration.instance import adopt_commits
from orchestration.materialize import RANGE_END, RANGE_START, Materializer
from orchestration.reporting import key_of
from orchestration.resources import Home

# See orchestration/definitions.py: no backfill is ever asked of the job itself. The second is Dagster's own.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Asset job"),
    pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning"),
]
DAYS = [date(2026, 3, 3) + timedelta(days=n) for n in range(7)]
NAMES = [day.isoformat() for day in DAYS]
TABLES = ["impressions", "entity_daily", "entity_state", "examples", "drift"]


@pytest.fixture
def raw():
    raw = late_raw()
    part_of(raw, "tasks", "order")["matures_after"] = "24h"
    raw["features"]["entities"][0]["lifetime"] = True
    raw["quality"] = {"scenario_min_rows": {"search": 0}}
    return raw


@pytest.fixture
def late(raw) -> Contract:
    return parse_contract(raw)


@pytest.fixture
def landed(late: Contract, home: Home) -> Path:
    """Seven days with one exposure each; outcomes of the second are known on the third."""
    paths = home.paths(late)
    paths.landing.mkdir(parents=True)
    paths.lake.mkdir()
    for number, day in enumerate(DAYS, 1):
        write_csv(paths.landing, f"log_{number}.csv", [f"{number},7,a,home,{day}T21:00:00Z,1"])
    return paths.landing


@pytest.fixture
def instance():
    """A Dagster home in a folder, which the pages' workspace asks for."""
    with dg.DagsterInstance.local_temp() as found:
        yield found


@pytest.fixture
def pages(tmp_path: Path, raw, instance: dg.DagsterInstance) -> Pages:
    return Pages(tmp_path, raw, instance)


def up_to_date(late: Contract, home: Home, instance: dg.DagsterInstance) -> None:
    worker = Materializer(late, home, instance)
    worker.days()
    worker.champion()
    assert worker.problems == []


def test_stale_is_what_a_late_outcome_touched_and_nothing_else(late, home, landed, instance, pages, materialize):
    lake = home.lake(late)
    up_to_date(late, home, instance)
    assert pages.said(TABLES, NAMES) == {table: dict.fromkeys(NAMES, "FRESH") for table in TABLES}
    # Shown on the second day, ordered three hours later.
    write_csv(landed, "orders_1.csv", [f"2,a,1,{DAYS[2]}T00:00:00Z,5"])
    assert materialize(late, ["impressions"], partition_key=NAMES[1]).success
    # Orders settle in a day, with a day more for a change of clock; the label of the second day itself is another.
    assert pages.stale(TABLES, NAMES) == {"entity_daily": NAMES[1:4], "examples": [NAMES[1]]}
    assert materialize(late, ["entity_daily"], tags={RANGE_START: NAMES[1], RANGE_END: NAMES[3]}).success
    # Of these three only the aggregates of the third day have other rows: the order became known on it.
    assert pages.stale(TABLES, NAMES) == {"entity_state": [NAMES[2]], "examples": [NAMES[1], *NAMES[3:6]]}
    tables = {table.name: table for table in day_tables(late)}
    assert [str(day) for day in tables["examples"].pending(late, lake)] == [NAMES[1], *NAMES[3:6]]
    assert materialize(late, ["entity_state"], partition_key=NAMES[2]).success
    assert pages.stale(["entity_state"], NAMES) == {"entity_state": [NAMES[3]]}
    up_to_date(late, home, instance)
    assert pages.stale(TABLES, NAMES) == {}


def test_the_same_rows_again_make_nothing_stale_and_each_day_is_recorded_once(
    late, home, landed, instance, pages, materialize
):
    for n_times in (1, 2):
        span = {RANGE_START: NAMES[0], RANGE_END: NAMES[-1]}
        assert materialize(late, TABLES, tags=span).success
        assert pages.said(TABLES, NAMES) == {table: dict.fromkeys(NAMES, "FRESH") for table in TABLES}
        for table in TABLES:
            records = instance.fetch_materializations(key_of(late, table), limit=99).records
            assert sorted(one.partition_key for one in records) == sorted(NAMES * n_times)
    assert materialize(late, ["impressions"], partition_key=NAMES[0]).success
    assert pages.stale(TABLES, NAMES) == {}


def test_days_committed_without_dagster_are_told_with_what_they_were_made_from(
    late, raw, home, landed, instance, pages, con, tmp_path
):
    lake = home.lake(late)
    assert len(list(ingest_days(late, lake, index(late, home.paths(late)), DAYS, None))) == len(DAYS)
    for table in day_tables(late):
        table.write(con, late, lake, DAYS)
    assert adopt_commits(instance, late, lake) == 4 * len(DAYS)
    assert pages.stale(TABLES, NAMES) == {}
    write_csv(landed, "orders_1.csv", [f"2,a,1,{DAYS[2]}T00:00:00Z,5"])
    assert len(list(ingest_days(late, lake, index(late, home.paths(late)), [DAYS[1]], None))) == 1
    assert adopt_commits(instance, late, lake) == 1
    assert pages.stale(TABLES, NAMES) == {"entity_daily": NAMES[1:4], "examples": [NAMES[1]]}
    # Another window asks for all features again, and for no row of the log.
    raw["features"]["windows_days"] = [1, 2]
    other = parse_contract(raw)
    of_features = {table.name: table for table in day_tables(other)}
    assert Pages(tmp_path / "other", raw, instance).stale(TABLES, NAMES) == dict.fromkeys(of_features, NAMES)
    assert [table.pending(other, lake) for table in of_features.values()] == [DAYS] * 3
    # A new home of Dagster learns all of it as well.
    with dg.DagsterInstance.local_temp() as anew:
        assert adopt_commits(anew, late, lake) == 4 * len(DAYS)
        pages.instance = anew
        assert pages.stale(TABLES, NAMES) == {"entity_daily": NAMES[1:4], "examples": [NAMES[1]]}


def test_a_model_that_learned_from_other_examples_is_told_as_stale(late, home, landed, instance, pages, con):
    lake = home.lake(late)
    list(ingest_days(late, lake, index(late, home.paths(late)), DAYS, None))
    for table in day_tables(late):
        table.write(con, late, lake, DAYS)
    now = step_hashes(lake, "examples", DAYS[1:4])
    for as_of, learned_from in ((DAYS[5], now), (DAYS[6], now | {NAMES[2]: "other rows"})):
        with lake.begin("train/hinet", as_of) as draft:
            draft.write_rows("runs", [{"model": "hinet"}], pa.schema([("model", pa.string())]))
            draft.commit({"examples": learned_from, "version": f"hinet-{as_of}"})
    adopt_commits(instance, late, lake)
    assert pages.stale(["hinet", *TABLES], NAMES) == {"hinet": [NAMES[6]]}
