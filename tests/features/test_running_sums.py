"""Sums that run from day to day are those of each day's history added up anew."""

from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from feature_lakes import built, hashes
from slow_features import EVERY_KIND, ONE_OF_EACH
from tiny_log import random_rows, tiny_contract, write_ingest

from hinet_core.contract import Contract
from hinet_core.features import running_sums
from hinet_core.features.daily import counted_entities
from hinet_core.features.day_sums import DaySums, SumsAlone
from hinet_core.features.examples import write_examples
from hinet_core.features.history import HistoryError
from hinet_core.features.running_sums import WORTH_IT_DAYS, RunningSums
from hinet_core.features.tables import day_tables
from hinet_core.features.windows import summed
from hinet_core.lake import Lake

pytestmark = pytest.mark.slow

FIRST = date(2024, 3, 6)
DAYS = [FIRST + timedelta(days=n) for n in range(14)]
GAPS = (DAYS[3], DAYS[7], DAYS[8], DAYS[9], DAYS[10])
CONTRACT = tiny_contract(features=EVERY_KIND)
VALUES: dict[str, list[Any]] = {
    "user": ["u0", "u1", "u|2", "~u", "nobody", None],
    "city": ["x", "y", "y|", None],
    "place": ["home", "map", "other", None],
    "scenario_id": ["home", "map", "other", "none"],
}
Found = dict[tuple[str, tuple[Any, ...]], list[int]]
TABLES = [table for table in day_tables(CONTRACT) if table.name in ("entity_daily", "entity_state")]


def moved_sums(con: duckdb.DuckDBPyConnection, running: RunningSums, day: date) -> Found:
    assert running.move_to(day)
    return all_sums(con, running, running.contract)


def all_sums(con: duckdb.DuckDBPyConnection, sums: DaySums, contract: Contract = CONTRACT) -> Found:
    """Every sum of every key of the log, of keys without history and of no key."""
    names = [*(f"{counter}_{window}" for counter, window in summed(contract)), "last_shown"]
    found = {}
    for entity in counted_entities(contract):
        keys = list(product(*(VALUES[key] for key in entity.keys)))
        parts = {key: pa.array([one[place] for one in keys]) for place, key in enumerate(entity.keys)}
        con.register("met", pa.table(parts | {"nth": range(len(keys))}))
        columns = sums.of(entity, "met", len(keys), names)
        found |= {(entity.name, key): [columns[name][nth] for name in names] for nth, key in enumerate(keys)}
    return found


def lake_before_examples(con: duckdb.DuckDBPyConnection, root: Path) -> Lake:
    rows = [one for one in random_rows(8, "UTC", FIRST, n_days=14) if one["day"] not in GAPS]
    lake = write_ingest(root, rows)
    for table in TABLES:
        table.write(con, CONTRACT, lake, table.days(CONTRACT, lake))
    return lake


def test_every_day_of_a_run_over_gaps_has_the_sums_of_the_day_alone(
    tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    """Windows of one and three days, lifetime counters and recency; one gap is longer than the longest window."""
    lake = lake_before_examples(con, tmp_path)
    running = RunningSums(con, CONTRACT, lake)
    for day in (*lake.days("ingest"), DAYS[-1] + timedelta(days=1)):
        found = moved_sums(con, running, day)
        assert found == all_sums(con, SumsAlone(con, CONTRACT, lake, day)), day
    assert found["user", ("u0",)][0] > 0 == found["user", ("nobody",)][0]


@pytest.mark.parametrize("most_sums", [running_sums.MOST_SUMS, 50])
def test_examples_of_a_run_are_those_of_days_alone(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, most_sums: int
) -> None:
    monkeypatch.setattr(running_sums, "MOST_SUMS", most_sums)
    contract = tiny_contract(features=ONE_OF_EACH)
    rows = random_rows(8, "UTC", FIRST, n_days=WORTH_IT_DAYS)
    lake = built(con, contract, tmp_path, rows)
    in_a_run = hashes(contract, lake)
    for day in lake.days("ingest"):
        write_examples(con, contract, lake, day)
    assert hashes(contract, lake) == in_a_run


def test_a_day_that_changes_meanwhile_is_added_up_anew(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    lake = lake_before_examples(con, tmp_path)
    running = RunningSums(con, CONTRACT, lake)
    before = moved_sums(con, running, DAYS[2])
    changed = [one | {"label_click": 1} for one in random_rows(8, "UTC", FIRST, n_days=14) if one["day"] == DAYS[1]]
    write_ingest(lake.root, changed)
    for table in TABLES:
        table.write(con, CONTRACT, lake, table.pending(CONTRACT, lake))
    after = moved_sums(con, running, DAYS[2])
    assert before != after == moved_sums(con, RunningSums(con, CONTRACT, lake), DAYS[2])


def test_keys_that_left_every_window_are_forgotten(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    contract = tiny_contract()
    rows = [one | {"user": f"u{one['day']}"} for one in random_rows(9, "UTC", FIRST, n_days=14)]
    lake = built(con, contract, tmp_path, rows, upto="examples")
    running = RunningSums(con, contract, lake)
    for day in DAYS:
        moved_sums(con, running, day)
        assert len(running.n_rows) <= 3 * max(running.present.sum(), 40)
    assert f"u{FIRST}" not in con.table("numbered_keys").to_arrow_table()["key"].to_pylist()
    assert moved_sums(con, running, DAYS[-1]) == moved_sums(con, RunningSums(con, contract, lake), DAYS[-1])


def test_a_run_asks_for_the_running_counters_too(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    lake = write_ingest(tmp_path, random_rows(8, "UTC", FIRST, n_days=9))
    day_tables(CONTRACT)[0].write(con, CONTRACT, lake, DAYS[:9])
    with pytest.raises(HistoryError, match="lifetime counters of 2024-03-07 need entity_state of 2024-03-06"):
        RunningSums(con, CONTRACT, lake).move_to(DAYS[1])
