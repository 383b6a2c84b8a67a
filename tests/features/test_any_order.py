"""A day's tables follow from what is committed, whatever the order in which days came, came again or changed."""

import random
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from feature_lakes import built, features_of, hashes
from slow_features import ONE_OF_EACH
from tiny_log import Row, random_rows, tiny_contract, write_ingest

from hinet_core.contract import Contract
from hinet_core.features.history import HistoryError
from hinet_core.features.state import write_state
from hinet_core.features.tables import day_tables, withdraw_orphans
from hinet_core.lake import Lake

pytestmark = pytest.mark.slow

FIRST = date(2024, 3, 6)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]


@pytest.fixture
def contract() -> Contract:
    return tiny_contract(features=ONE_OF_EACH)


def update(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake) -> dict[str, list[date]]:
    """Compute what is pending and nothing else; returns what that was."""
    found = {}
    for table in day_tables(contract):
        found[table.name] = table.pending(contract, lake)
        table.write(con, contract, lake, found[table.name])
        assert table.pending(contract, lake) == []
    return found


def with_late_order(rows: list[Row], day: date) -> list[Row]:
    """The rows, one of the day ordered on the next day."""
    late = next(one for one in rows if one["day"] == day and one["scenario_id"] == "home")
    return [one | {"label_order": 1, "known_day_order": one["day_number"] + 1} if one is late else one for one in rows]


def test_days_in_any_order_and_again_end_as_in_one_go(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, contract: Contract
) -> None:
    rows = random_rows(3, "UTC", FIRST, n_days=6)
    full = hashes(contract, built(con, contract, tmp_path / "full", rows))
    assert len(full) == 4 * 6
    draw = random.Random(1)
    lake = Lake(tmp_path / "steps")
    for day in draw.sample(DAYS, len(DAYS)) + DAYS[2:4]:
        mine = [one for one in rows if one["day"] == day]
        write_ingest(lake.root, draw.sample(mine, len(mine)))
        for table in day_tables(contract):
            pending = table.pending(contract, lake)
            table.write(con, contract, lake, draw.sample(pending, len(pending)))
    assert hashes(contract, lake) == full


def test_a_late_change_of_one_day_recomputes_what_follows_from_it_and_nothing_else(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, contract: Contract
) -> None:
    """An order of the 8th that was made on the 9th: counters of the 9th, running counters and features after it."""
    rows = [one | {"label_order": 0} if one["day"] == DAYS[2] else one for one in random_rows(4, "UTC", FIRST, 6)]
    lake = built(con, contract, tmp_path / "lake", rows)
    late = with_late_order(rows, DAYS[2])
    before = hashes(contract, lake)
    write_ingest(lake.root, [one for one in late if one["day"] == DAYS[2]])
    pending = update(con, contract, lake)
    # An order may become known for 24 hours, which with a change of clocks touch three dates.
    assert pending["entity_daily"] == pending["entity_recent"] == DAYS[2:5]
    assert pending["entity_state"] == DAYS[3:]
    assert pending["examples"] == [DAYS[2], *DAYS[4:]]
    after = hashes(contract, lake)
    assert after == hashes(contract, built(con, contract, tmp_path / "full", late))
    changed = {place for place in after if after[place] != before[place]}
    assert changed == {
        ("entity_daily", DAYS[3]),
        ("entity_recent", DAYS[3]),
        *(("entity_state", day) for day in DAYS[3:]),
        ("examples", DAYS[2]),  # its label
        *(("examples", day) for day in DAYS[4:]),
    }


def test_a_day_that_comes_late_into_a_gap(tmp_path: Path, con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    rows = random_rows(5, "UTC", FIRST, n_days=6)
    lake = built(con, contract, tmp_path / "lake", [one for one in rows if one["day"] != DAYS[2]])
    write_ingest(lake.root, [one for one in rows if one["day"] == DAYS[2]])
    assert update(con, contract, lake)["entity_state"] == DAYS[2:]
    assert hashes(contract, lake) == hashes(contract, built(con, contract, tmp_path / "full", rows))


@pytest.mark.parametrize("gone", [DAYS[0], DAYS[2], DAYS[5]])
def test_a_day_that_is_taken_back_leaves_what_would_be_there_without_it(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, contract: Contract, gone: date
) -> None:
    rows = random_rows(5, "UTC", FIRST, n_days=6)
    lake = built(con, contract, tmp_path / "lake", rows)
    lake.withdraw("ingest", gone)
    withdraw_orphans(contract, lake)
    update(con, contract, lake)
    without = built(con, contract, tmp_path / "full", [one for one in rows if one["day"] != gone])
    assert hashes(contract, lake) == hashes(contract, without)


def test_running_counters_that_cannot_go_on_say_what_is_missing(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, contract: Contract
) -> None:
    rows = random_rows(6, "UTC", FIRST, n_days=3)
    lake = write_ingest(tmp_path, rows)
    with pytest.raises(HistoryError, match="entity_state of 2024-03-07: the day has no entity_daily; compute it first"):
        write_state(con, contract, lake, DAYS[1])
    day_tables(contract)[0].write(con, contract, lake, DAYS[:2])
    with pytest.raises(HistoryError, match="goes on from 2024-03-06, which has none .* compute the days oldest first"):
        write_state(con, contract, lake, DAYS[1])
    with pytest.raises(HistoryError, match="lifetime counters of 2024-03-08 need entity_state of 2024-03-07: compute"):
        features_of(con, contract, lake, rows[:1], DAYS[2])
    other = tiny_contract(features=ONE_OF_EACH | {"prior_impressions": 3.0})
    write_state(con, contract, lake, DAYS[0])
    with pytest.raises(HistoryError, match="goes on from 2024-03-06, which has none under this contract"):
        write_state(con, other, lake, DAYS[1])
