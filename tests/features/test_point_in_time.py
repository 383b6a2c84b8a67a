"""Features see days before their own, outcomes count when they became known, and nothing else moves them."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feature_lakes import ROW_ID, built, read
from slow_features import EVERY_KIND, ONE_OF_EACH, slow_features
from tiny_log import HOUR_US, SCHEMA, midnight_us, random_rows, row, tiny_contract, write_ingest

from hinet_core.contract import computed_features
from hinet_core.features.daily import write_daily
from hinet_core.features.examples import examples, write_examples
from hinet_core.features.history import HistoryError, step_hashes
from hinet_core.lake import Lake

pytestmark = pytest.mark.slow

# The clocks of New York jump inside both spans.
ZONES = [("UTC", date(2024, 3, 6)), ("America/New_York", date(2024, 3, 8)), ("America/New_York", date(2024, 11, 1))]


@pytest.mark.parametrize(("zone", "first", "seed"), [(*place, seed) for seed, place in enumerate(ZONES)])
def test_equals_the_slow_definition(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, zone: str, first: date, seed: int
) -> None:
    contract = tiny_contract(time_zone=zone, features=EVERY_KIND)
    rows = random_rows(seed, zone, first, n_days=6)
    found, expected = read(con, built(con, contract, tmp_path, rows)), slow_features(contract, rows)
    modelled = [one for one in rows if one["scenario_id"] != "other"]
    assert sorted(found) == sorted(one[ROW_ID] for one in modelled)
    for one in modelled:
        assert list(expected(one)) == [feature.name for feature in computed_features(contract)]
        for name, value in expected(one).items():
            assert found[one[ROW_ID]][name] == approx(value), (one[ROW_ID], name)


def test_outcomes_count_on_the_day_they_became_known(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Shown and clicked on the 6th at 20:00, ordered on the 7th at 10:00: the order is news on the 8th, not before."""
    first = midnight_us(date(2024, 3, 6), "UTC")
    shown = first + 20 * HOUR_US
    rows = [row("UTC", shown, 0, order_us=shown + 14 * HOUR_US)]
    rows += [row("UTC", first + day * 24 * HOUR_US, day) for day in (1, 2)]
    found = read(con, built(con, tiny_contract(), tmp_path, rows))
    base = (0 + 0.1) / (1 + 1.0)
    # prior 2, one impression, base of the scenario (0 + 2·base) / (1 + 2): nothing ordered yet on the 7th
    assert found[1]["user_order_rate_1d"] == pytest.approx(2 * (2 * base / 3) / 3)
    assert found[1]["user_click_rate_1d"] > 0.5
    # On the 8th the last day holds one impression (of the 7th) and one order (known on the 7th).
    base = (1 + 0.1) / (1 + 1.0)
    assert found[2]["user_order_rate_1d"] == pytest.approx((1 + 2 * ((1 + 2 * base) / 3)) / 3)
    assert found[2]["user_impressions_1d"] == 1


def test_clicks_over_those_expected_at_the_slots(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Slot 1 is clicked on 3 of 4 times, slot 2 on 1 of 4: a user with one click in slot 2 did better than expected."""
    entities = [{"name": "user", "keys": ["user"], "coec": ["click"], "residual": ["click"]}]
    contract = tiny_contract(features={"windows_days": [1], "prior_impressions": 2.0, "entities": entities})
    start = midnight_us(date(2024, 3, 6), "UTC")
    clicks = {1: [1, 1, 1, 0], 2: [1, 0, 0, 0]}
    rows = [
        row("UTC", start + i, 4 * slot + i, slot=slot, click=clicks[slot][i], user=f"u{slot}{i}")
        for slot in (1, 2)
        for i in range(4)
    ]
    rows.append(row("UTC", start + 24 * HOUR_US, 99, user="u20"))
    found = read(con, built(con, contract, tmp_path, rows))[99]
    overall = (4 + 0.1) / (8 + 1)
    scenario = (4 + 2 * overall) / (8 + 2)
    slot = round((1 + 2 * scenario) / (4 + 2), 6)
    assert found["user_click_coec_1d"] == pytest.approx((1 + 2 * overall) / (slot + 2 * overall))
    assert found["user_click_residual_1d"] == pytest.approx((1 - round(scenario, 6)) / (1 + 2))


def test_lists_hold_what_was_met_before_the_day_newest_first(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    recent = [
        {"name": "seen", "entity": "user", "of": "shop", "length": 2, "within_days": 2},
        {"name": "all_seen", "entity": "user", "of": "shop", "within_days": 2, "distinct": False},
        {"name": "ordered_from", "entity": "user", "of": "shop", "task": "order", "within_days": 2},
    ]
    contract = tiny_contract(features={"entities": [{"name": "user", "keys": ["user"]}], "recent": recent})
    start, day = midnight_us(date(2024, 3, 6), "UTC"), 24 * HOUR_US
    rows = [
        row("UTC", start, 0, shop=7),
        row("UTC", start + day, 1, shop=5, order_us=start + 2 * day),  # ordered the day after
        row("UTC", start + day + 2, 2, shop=12),
        row("UTC", start + day + 2, 3, shop=12),
        row("UTC", start + day + 2, 4, shop=11),  # at the same moment: 11 before 12
        row("UTC", start + 2 * day, 5, shop=9),
        row("UTC", start + 3 * day, 6, shop=8),
    ]
    found = read(con, built(con, contract, tmp_path, rows))
    lists = {record: [found[record][one["name"]] for one in recent] for record in (0, 5, 6)}
    assert lists[0] == [None, None, None]
    assert lists[5] == [["11", "12"], ["11", "12", "12", "5", "7"], None]
    assert lists[6] == [["9", "11"], ["9", "11", "12", "12", "5"], ["5"]]


def test_rates_stay_rates_when_the_counts_belong_to_different_days(
    tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    start = midnight_us(date(2024, 3, 6), "UTC")
    rows = [row("UTC", start + 20 * HOUR_US, i, order_us=start + 30 * HOUR_US) for i in range(50)]
    rows += [row("UTC", start + 24 * HOUR_US, 50), row("UTC", start + 48 * HOUR_US, 51)]
    found = read(con, built(con, tiny_contract(), tmp_path, rows))
    assert found[51]["user_order_rate_1d"] == 1.0  # 50 orders known on a day with one impression


def approx(value: Any) -> Any:
    return pytest.approx(value, abs=1e-12) if isinstance(value, float) else value


def number_of(day: date) -> int:
    return (day - date(1970, 1, 1)).days


@pytest.mark.parametrize("without_labels", [False, True])
def test_any_relation_gets_the_features_of_the_logged_row(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, without_labels: bool
) -> None:
    """Other integer widths, another order, no labels, no file: the same features."""
    contract = tiny_contract()
    rows = random_rows(5, "UTC", date(2024, 3, 6), n_days=6)
    lake = built(con, contract, tmp_path, rows)
    day = date(2024, 3, 10)
    logged = read(con, lake, [day])
    table = pa.Table.from_pylist([one for one in reversed(rows) if one[ROW_ID] in logged], schema=SCHEMA)
    table = table.set_column(1, "shop", table["shop"].cast(pa.int32()))
    if without_labels:
        dropped = [name for name in table.schema.names if name.startswith(("label", "known"))]
        table = table.drop_columns([*dropped, "source_file", "slot", "clicked", "ordered", "ordered_at"])
    relation = examples(con, contract, con.from_arrow(table), day, lake)
    assert relation.columns == lake.scan(con, "examples", [day]).columns
    assert relation.types == lake.scan(con, "examples", [day]).types
    compared = [one.name for one in computed_features(contract)] + ["shop", "city", "price", "tags", "hour", "day"]
    for one in relation.to_arrow_table().to_pylist():
        assert {name: one[name] for name in compared} == {name: logged[one[ROW_ID]][name] for name in compared}
        assert one["label_click"] is None if without_labels else one == logged[one[ROW_ID]]


def test_keys_with_the_separator_stay_apart(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    entities = [{"name": "both", "keys": ["user", "city"]}]
    contract = tiny_contract(features={"windows_days": [1], "entities": entities})
    start = midnight_us(date(2024, 3, 6), "UTC")
    pairs = [("a|b", "c"), ("a", "b|c"), ("a~1b", "c"), ("a~", "1b|c"), ("a", None)]
    rows = [row("UTC", start, i, user=user, city=city) for i, (user, city) in enumerate(pairs)]
    lake = built(con, contract, tmp_path, rows)
    counted = lake.scan(con, "entity_daily").filter("entity = 'both'").fetchall()
    assert len(counted) == 4  # the pair with a missing part is skipped
    assert {one[4] for one in counted} == {1}


def test_daily_counts_every_kept_row_but_examples_only_modelled_scenarios(
    tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    rows = random_rows(1, "UTC", date(2024, 3, 6), n_days=3)
    lake = built(con, tiny_contract(), tmp_path, rows)
    shown = lake.scan(con, "entity_daily").filter("entity = 'user'").aggregate("SUM(impressions)").fetchall()
    assert shown == [(len(rows),)]
    assert {one["scenario_id"] for one in read(con, lake).values()} == {"home", "map"}
    counter_types = {str(kind) for kind in lake.scan(con, "entity_daily").types[4:]}
    assert counter_types == {"BIGINT"}


@pytest.mark.parametrize("gap_days", [1, 3])
def test_what_became_known_on_a_gap_is_counted_once(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, gap_days: int
) -> None:
    """In windows, lists and lifetime counters of the days after; the gap itself has no examples."""
    contract = tiny_contract(features=ONE_OF_EACH)
    gaps = [date(2024, 3, 8) + timedelta(days=n) for n in range(gap_days)]
    kept = [one for one in random_rows(2, "UTC", date(2024, 3, 6), n_days=8) if one["day"] not in gaps]
    assert any(one["known_day_order"] == number_of(gaps[0]) and one["label_order"] for one in kept)
    lake = built(con, contract, tmp_path, kept)
    found, slow = read(con, lake), slow_features(contract, kept)
    for one in kept:
        if one["scenario_id"] != "other":
            expected = slow(one)
            for name, value in expected.items():
                assert found[one[ROW_ID]][name] == approx(value), (one[ROW_ID], name)
    if gap_days == 1:  # the day before this one has outcomes and no impressions, which is no rate of 1
        after = [one[ROW_ID] for one in kept if one["day"] == date(2024, 3, 9) and one["scenario_id"] != "other"]
        assert after and {found[row_id]["user_order_rate_1d"] for row_id in after} == {0.1}
    # An order may become known for 24 hours, which with a change of clocks touch three dates.
    assert [day for day in gaps if day in lake.days("entity_daily")] == gaps[:2]
    assert not set(gaps).intersection(lake.days("examples"))


def test_days_without_impressions_are_refused(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    contract = tiny_contract()
    lake = built(con, contract, tmp_path, random_rows(2, "UTC", date(2024, 3, 6), n_days=2))
    for day in (date(2024, 3, 5), date(2024, 3, 8)):
        with pytest.raises(HistoryError, match=f"{day}: the day has no committed impressions; ingest it first"):
            write_daily(con, contract, lake, day)
        with pytest.raises(HistoryError, match="no committed impressions"):
            write_examples(con, contract, lake, day)


def test_the_commit_says_what_it_was_made_from(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    contract = tiny_contract(features={"windows_days": [1, 30], "entities": [{"name": "user", "keys": ["user"]}]})
    lake = built(con, contract, tmp_path, random_rows(0, "UTC", date(2024, 3, 6), n_days=3))
    assert "a window of 30 days is longer than the log (3 days)" in caplog.text
    info = lake.manifest("examples", date(2024, 3, 8)).info
    assert info["window_days_held"] == {"1": 1, "30": 2}
    assert list(info["inputs"]["entity_daily"]) == ["2024-03-06", "2024-03-07"]
    assert set(lake.manifest("entity_daily", date(2024, 3, 8)).info["inputs"]) == {
        (date(2024, 3, 6) + timedelta(days=back)).isoformat() for back in range(3)
    }


def test_only_the_rows_that_are_read_make_a_day_stale(tmp_path: Path) -> None:
    """A day whose audit or books change beside the same impressions leaves what was made from it current."""
    lake = write_ingest(tmp_path, random_rows(0, "UTC", date(2024, 3, 6), n_days=1))
    day = date(2024, 3, 6)
    before = step_hashes(lake, "ingest", [day])
    (path,) = lake.files("impressions", [day])
    rows, found = pq.read_table(path).to_pylist(), pa.schema([("finding", pa.string())])
    for shown, same in ((rows, True), (rows[1:], False)):
        with lake.begin("ingest", day) as draft:
            draft.write_rows("impressions", shown, SCHEMA)
            draft.write_rows("dq_results", [{"finding": "a new one"}], found)
            draft.commit()
        assert (step_hashes(lake, "ingest", [day]) == before) is same


def test_rows_that_cannot_become_examples_are_refused(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(HistoryError, match="lack record_number, shop, city"):
        rows = con.sql("SELECT 0 AS hour, 0 AS exposed_us, 'home' AS scenario_id, 'u' AS \"user\"")
        examples(con, tiny_contract(), rows, date(2024, 3, 6), lake)
