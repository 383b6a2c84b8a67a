"""A late file makes Dagster run the days that it touches and what follows from them, and nothing else."""

from datetime import date, timedelta

import dagster as dg
import pytest
from late_log import late_raw, part_of, write_csv

from hinet_core.contract import parse_contract
from hinet_core.features.tables import day_tables
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.pending import pending_days
from orchestration.graph import assets_of
from orchestration.materialize import Materializer
from orchestration.pending import later_days
from orchestration.reporting import key_of
from orchestration.resources import Home
from orchestration.schedules import requests_now

TABLES = ("impressions", "entity_daily", "examples")
DAYS = [date(2026, 3, 3) + timedelta(days=n) for n in range(7)]


@pytest.fixture
def late():
    raw = late_raw()
    part_of(raw, "tasks", "order")["matures_after"] = "24h"
    raw["quality"] = {"scenario_min_rows": {"search": 0}}
    return parse_contract(raw)


@pytest.fixture
def landed(late, paths):
    """Seven days with one exposure each, at 22:00 in Berlin."""
    home = Home(folder=str(paths.root.parent))
    found = home.paths(late)
    found.landing.mkdir(parents=True)
    found.lake.mkdir()
    for number, day in enumerate(DAYS, 1):
        write_csv(found.landing, f"log_{number}.csv", [f"{number},7,a,home,{day}T21:00:00Z,1"])
    return home


def test_what_follows_from_days_that_are_read_again(late):
    # Outcomes are settled a day later, with one day more for a change of clock; windows reach three days back.
    assert later_days(late, DAYS, [DAYS[1]]) == [DAYS[2:4], [], DAYS[2:7]]
    assert later_days(late, DAYS, [DAYS[-1]]) == [[], [], []]
    assert later_days(late, DAYS[:4], DAYS[4:]) == [[], [], []]
    # Day 5 is read before the aggregates of day 2 are there, and so is computed again.
    assert later_days(late, DAYS[:6], [DAYS[1], DAYS[5]]) == [DAYS[2:4], [], DAYS[2:6]]


def runs_of(instance, contract):
    """Table -> day -> how often it was materialized."""
    found = {}
    for table in TABLES:
        records = instance.fetch_materializations(key_of(contract, table), limit=1000).records
        keys = [record.partition_key for record in records]
        found[table] = {date.fromisoformat(key): keys.count(key) for key in keys}
    return found


@pytest.mark.slow
def test_make_run_materializes_what_a_late_file_touches_and_what_changed_after_it(late, landed, instance):
    lake, paths = landed.lake(late), landed.paths(late)
    first = Materializer(late, landed, instance)
    first.days()
    assert first.problems == []
    assert lake.days("examples") == DAYS
    before = runs_of(instance, late)
    hashes = {day: lake.manifest("examples", day).content_hash for day in DAYS}

    # Shown on the second day, ordered three hours later: known on the third.
    write_csv(paths.landing, "orders_1.csv", [f"2,a,1,{DAYS[2]}T00:00:00Z,5", "99,a,1,2026-03-05T00:00:00Z,"])
    again = Materializer(late, landed, instance)
    again.days()
    assert again.problems == []
    after = runs_of(instance, late)
    ran = {table: [day for day in DAYS if after[table][day] > before[table][day]] for table in TABLES}
    assert ran["impressions"] == [DAYS[1]]
    # The aggregates of two days more may hold its outcomes, and its day's examples have another label; features
    # change from the day after it became known, while a window of three days sees it.
    assert ran["entity_daily"] == DAYS[1:4]
    assert ran["examples"] == [DAYS[1], *DAYS[3:6]]
    changed = [day for day in DAYS if lake.manifest("examples", day).content_hash != hashes[day]]
    assert changed == ran["examples"]

    (books,) = instance.fetch_materializations(key_of(late, "outcome_files"), limit=10).records
    metadata = books.asset_materialization.metadata
    assert [metadata[f"rows_{name}"].value for name in ("read", "matched", "unmatched")] == [2, 1, 1]
    listed = [record.data for record in metadata["books"].records]
    assert [(row["day"], row["source_file"], row["rows_read"], row["rows_matched"]) for row in listed] == [
        (DAYS[2].isoformat(), "orders_1.csv", 2, 1)]  # fmt: skip
    newest = instance.fetch_materializations(key_of(late, "impressions"), limit=1).records[0]
    assert newest.asset_materialization.metadata["late_outcomes"].value == 1
    runs = len(instance.get_runs())
    Materializer(late, landed, instance).days()
    assert len(instance.get_runs()) == runs


@pytest.mark.slow
def test_the_schedule_asks_for_the_same(late, landed, instance, con):
    lake, files = landed.lake(late), index(late, landed.paths(late))
    assert len(list(ingest_days(late, lake, files, files.days, None))) == len(DAYS)
    for table in day_tables(late):
        table.write(con, late, lake, DAYS)
    write_csv(landed.paths(late).landing, "orders_1.csv", [f"2,a,1,{DAYS[2]}T00:00:00Z,5"])
    asked = [request for request in requests_now(late, landed) if request.partition_key is None]
    spans = [
        ([key.path[-1] for key in one.asset_selection], one.tags.get("dagster/asset_partition_range_start"),
         one.tags.get("dagster/asset_partition_range_end"))
        for one in asked
    ]  # fmt: skip
    assert spans == [
        ([*TABLES, "drift"], "2026-03-04", "2026-03-04"),
        (["entity_daily"], "2026-03-05", "2026-03-06"),
        (["examples", "drift"], "2026-03-05", "2026-03-09"),
        (["outcome_files"], None, None),
    ]
    for request in asked:
        keys = list(request.asset_selection)
        ran = dg.materialize(
            assets_of(late), selection=keys, instance=instance, resources={"home": landed}, tags=request.tags
        )
        assert ran.success
    assert pending_days(lake, index(late, landed.paths(late))) == []
    assert [table.pending(late, lake) for table in day_tables(late)] == [[], []]
