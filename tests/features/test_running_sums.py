"""Sums that run from day to day are those of each day's history added up anew."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from feature_lakes import built, hashes
from slow_features import EVERY_KIND, ONE_OF_EACH
from tiny_log import random_rows, tiny_contract, write_ingest

from hinet_core.features import running_sums
from hinet_core.features.examples import history_sums, write_examples
from hinet_core.features.history import HistoryError
from hinet_core.features.running_sums import WORTH_IT_DAYS, RunningSums
from hinet_core.features.tables import day_tables
from hinet_core.lake import Lake

FIRST = date(2024, 3, 6)
DAYS = [FIRST + timedelta(days=n) for n in range(14)]
GAPS = (DAYS[3], DAYS[7], DAYS[8], DAYS[9], DAYS[10])
CONTRACT = tiny_contract(features=EVERY_KIND)
TABLES = [table for table in day_tables(CONTRACT) if table.name in ("entity_daily", "entity_state")]


def sums_of(con: duckdb.DuckDBPyConnection, running: RunningSums, day: date) -> list[tuple[object, ...]]:
    found = running.as_of(day)
    assert found is not None
    return table_of(con, found)


def table_of(con: duckdb.DuckDBPyConnection, sums: list[str]) -> list[tuple[object, ...]]:
    """The rows of `sums`; what an entity does not count is 0 as it is NULL."""
    found = con.sql(f"WITH {', '.join(sums)} SELECT * FROM sums").fetchall()
    return sorted(tuple(0 if value is None else value for value in one) for one in found)


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
        assert sums_of(con, running, day) == table_of(con, history_sums(con, CONTRACT, day, lake)), day


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
    before = sums_of(con, running, DAYS[2])
    changed = [one | {"label_click": 1} for one in random_rows(8, "UTC", FIRST, n_days=14) if one["day"] == DAYS[1]]
    write_ingest(lake.root, changed)
    for table in TABLES:
        table.write(con, CONTRACT, lake, table.pending(CONTRACT, lake))
    after = sums_of(con, running, DAYS[2])
    assert before != after == sums_of(con, RunningSums(con, CONTRACT, lake), DAYS[2])


def test_keys_that_left_every_window_are_forgotten(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    contract = tiny_contract()
    rows = [one | {"user": f"u{one['day']}"} for one in random_rows(9, "UTC", FIRST, n_days=14)]
    lake = built(con, contract, tmp_path, rows, upto="examples")
    running = RunningSums(con, contract, lake)
    for day in DAYS:
        sums_of(con, running, day)
        assert len(running.names) <= 3 * max(running.present.sum(), 40)
    assert f"u{FIRST}" not in running.names["key"].to_pylist()
    assert sums_of(con, running, DAYS[-1]) == sums_of(con, RunningSums(con, contract, lake), DAYS[-1])


def test_a_run_asks_for_the_running_counters_too(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    lake = write_ingest(tmp_path, random_rows(8, "UTC", FIRST, n_days=9))
    day_tables(CONTRACT)[0].write(con, CONTRACT, lake, DAYS[:9])
    with pytest.raises(HistoryError, match="lifetime counters of 2024-03-07 need entity_state of 2024-03-06"):
        RunningSums(con, CONTRACT, lake).as_of(DAYS[1])
