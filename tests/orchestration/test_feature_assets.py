"""Tables that only some contracts need: Dagster shows them where they are asked for, a range of them is one run."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest
from tiny_log import random_rows, tiny_contract, write_ingest

from hinet_core.contract import Contract
from hinet_core.features.tables import day_tables
from hinet_core.settings import load_settings
from orchestration.definitions import build
from orchestration.graph import assets_of
from orchestration.materialize import RANGE_END, RANGE_START
from orchestration.pending import later_days
from orchestration.reporting import key_of
from orchestration.resources import Home
from orchestration.schedules import later_tables

# See orchestration/definitions.py: no backfill is ever asked of the job itself.
pytestmark = pytest.mark.filterwarnings("ignore:Asset job")

Run = Callable[..., dg.ExecuteInProcessResult]
FIRST = date(2024, 3, 6)
FEATURES: dict[str, Any] = {
    "windows_days": [1, 7],
    "entities": [{"name": "user", "keys": ["user"], "lifetime": True}],
    "recent": [{"name": "seen", "entity": "user", "of": "shop", "within_days": 3}],
}


@pytest.fixture
def contract() -> Contract:
    return tiny_contract(features=FEATURES)


def test_edges_follow_what_the_features_look_at(contract: Contract) -> None:
    dg.Definitions.validate_loadable(build([contract], load_settings()))
    reads = {}
    for asset in assets_of(contract):
        for spec in asset.specs:
            reads[spec.key.path[-1]] = {
                dep.asset_key.path[-1]: (mapping.start_offset, mapping.end_offset)
                for dep in spec.deps
                if isinstance(mapping := dep.partition_mapping, dg.TimeWindowPartitionMapping)
            }
    assert reads["entity_recent"] == {"impressions": (-2, 0)}
    assert reads["entity_state"] == {"entity_daily": (0, 0), "entity_state": (-1, -1)}
    history = {"entity_daily": (-7, -1), "entity_recent": (-3, -1), "entity_state": (-1, -1)}
    assert reads["examples"] == history | {"impressions": (0, 0)}
    assert {table: span for table, span in reads["lift"].items() if table in history} == {
        table: (first, 0) for table, (first, _) in history.items()
    }


def test_a_day_that_is_read_again_moves_all_running_counters_after_it(contract: Contract) -> None:
    days = [FIRST + timedelta(days=n) for n in range(12)]
    assert later_tables(contract) == [["entity_daily", "entity_recent"], ["entity_state"], ["examples", "drift"]]
    # Orders settle a day later; the longest window looks back over 7 days, lifetime counters over all.
    assert later_days(contract, days, [days[1]]) == [days[2:4], days[2:], days[2:]]
    assert later_days(contract, days[:10], days[10:]) == later_days(contract, days, []) == [[], [], []]
    # The last two days are read in the same run, but before the counters of the days between.
    assert later_days(contract, days[:10], [days[7], *days[10:]]) == [days[8:10], days[8:], days[8:]]


def test_a_day_after_a_gap_is_computed_again_once_the_outcomes_known_on_the_gap_are_counted(contract: Contract) -> None:
    days = [FIRST + timedelta(days=n) for n in range(8)]
    assert later_days(contract, days[:3], [days[6]]) == [days[3:5], [*days[3:5], days[6]], [days[6]]]
    # The day that fills a gap moves the day after it, which is a gap too, and all running counters from there on.
    found = later_days(contract, [*days[:3], days[6]], [days[3]])
    assert found == [days[4:6], [*days[4:6], days[6]], [days[6]]]


def test_a_range_of_running_counters_is_one_run(
    contract: Contract, home: Home, instance: dg.DagsterInstance, materialize: Run
) -> None:
    lake = write_ingest(home.paths(contract).lake, random_rows(0, "UTC", FIRST, n_days=4))
    tables = [table.name for table in day_tables(contract)]
    assert tables == ["entity_daily", "entity_recent", "entity_state", "examples"]
    assert materialize(contract, tables, tags={RANGE_START: "2024-03-06", RANGE_END: "2024-03-09"}).success
    for table in day_tables(contract):
        assert table.pending(contract, lake) == []
        days = instance.get_materialized_partitions(key_of(contract, table.name))
        assert sorted(days) == [day.isoformat() for day in lake.days("ingest")]


def test_days_of_a_range_that_cannot_be_made_are_left_out_with_a_word(
    contract: Contract, home: Home, instance: dg.DagsterInstance, materialize: Run
) -> None:
    """Dagster carries days through every window, to days after the last one: they are made by nobody and missing."""
    lake = write_ingest(home.paths(contract).lake, random_rows(0, "UTC", FIRST, n_days=2))
    tables = [*(table.name for table in day_tables(contract)), "drift"]
    assert materialize(contract, tables, tags={RANGE_START: "2024-03-06", RANGE_END: "2024-03-09"}).success
    for table in tables:
        assert lake.days(table) == lake.days("ingest") == [FIRST, FIRST + timedelta(days=1)]
        records = instance.fetch_materializations(key_of(contract, table), limit=9).records
        assert sorted(record.partition_key for record in records) == ["2024-03-06", "2024-03-07"]


def test_days_before_the_one_that_fails_are_committed_and_recorded(
    contract: Contract, home: Home, instance: dg.DagsterInstance, materialize: Run, failed_with: Callable[..., str]
) -> None:
    lake = write_ingest(home.paths(contract).lake, random_rows(0, "UTC", FIRST, n_days=3))
    (file,) = lake.files("impressions", [FIRST + timedelta(days=2)])
    file.unlink()
    span = {RANGE_START: "2024-03-06", RANGE_END: "2024-03-08"}
    said = failed_with(materialize(contract, ["entity_daily"], tags=span))
    assert file.name in said
    assert lake.days("entity_daily") == [FIRST, FIRST + timedelta(days=1)]
    assert instance.get_materialized_partitions(key_of(contract, "entity_daily")) == {"2024-03-06", "2024-03-07"}


def test_a_day_that_cannot_be_made_fails_where_it_is_all_that_was_asked_for(
    contract: Contract, home: Home, materialize: Run, failed_with: Callable[..., str]
) -> None:
    write_ingest(home.paths(contract).lake, random_rows(0, "UTC", FIRST, n_days=2))
    said = failed_with(materialize(contract, ["entity_daily"], partition_key="2024-03-20"))
    assert said.startswith("entity_daily of 2024-03-20: the day has no committed impressions")
