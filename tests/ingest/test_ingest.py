"""Literal files in, literal rows out; every record is kept, a duplicate or quarantined, and each is accounted for."""

import json
from datetime import date

import pytest
from tiny_files import BAD, GOOD, ITEMS, rows, run, write_log

from hinet_core.contract import load_contract, parse_contract
from hinet_core.ingest.delivery import land
from hinet_core.settings import Paths


def test_good_rows_arrive_typed_dated_and_labelled(tiny, paths, con):
    write_log(paths, GOOD)
    lake, _ = run(tiny, paths)
    assert lake.days("ingest") == [date(2026, 3, 27), date(2026, 3, 29), date(2026, 3, 30)]
    got = rows(lake, con, "impressions", "user, item, scenario_id, day, hour, label_click, label_order, price, brand")
    assert sorted(got) == [
        (1, "a", "home", date(2026, 3, 27), 11, 1, 1, 9.5, "Acme"),
        (1, "b", "search", date(2026, 3, 27), 11, 0, 0, None, None),
        (2, "a", "other", date(2026, 3, 29), 0, 1, 0, 3.0, "Acme"),
        # ordered, but after the window of 24 hours: no order
        (3, "c", "search", date(2026, 3, 29), 23, 1, 0, 0.0, None),
        (3, "c", "search", date(2026, 3, 30), 0, 0, 0, 1.0, None),
    ]


def test_when_an_outcome_is_known(tiny, paths, con):
    write_log(paths, GOOD)
    lake, _ = run(tiny, paths)
    got = rows(lake, con, "impressions", "user, exposed_us, known_us_order - exposed_us, known_day_order - day_number")
    hours = {(user, exposed): (known // 3_600_000_000, days) for user, exposed, known, days in got}
    assert hours[1, 1774605600000000] in {(2, 0), (24, 1)}  # bought after two hours; the other row of the user was not
    assert sorted(value for value in hours.values() if value[0] == 24)[0] == (24, 1)
    clicks = rows(lake, con, "impressions", "known_us_click - exposed_us, known_day_click - day_number")
    assert set(clicks) == {(0, 0)}


def test_refused_rows_keep_text_place_and_every_reason(tiny, paths, con):
    write_log(paths, [*GOOD, *BAD])
    lake, _ = run(tiny, paths)
    got = {number: (day, reasons) for number, day, reasons in
           rows(lake, con, "quarantine", "record_number, day, reasons")}  # fmt: skip
    first = date(2026, 3, 27)
    assert got == {
        6: (first, ["user: below 1"]),
        7: (first, ["user: not a int64", "slot: above 10", "price: below 0"]),
        8: (first, ["scenario: unknown to the contract"]),
        9: (first, ["item: missing", "clicked: not an allowed value", "price: not a float64"]),
        10: (first, ["shown_at: not a timestamp"]),
        11: (first, ["time: outside the contract's days"]),
    }
    raw = dict(rows(lake, con, "quarantine", "record_number, raw"))
    assert json.loads(raw[7])["user"] == "x"
    assert json.loads(raw[10])["shown_at"] == "not a time"


def test_read_is_kept_plus_duplicate_plus_quarantined(tiny, paths, con):
    write_log(paths, [*GOOD, GOOD[0], *BAD])
    write_log(paths, [GOOD[1], GOOD[4]], name="log_2.csv")
    lake, results = run(tiny, paths)
    columns = "day, source_file, rows_read, rows_kept, rows_duplicate, rows_quarantined"
    assert rows(lake, con, "ingest_files", columns) == [
        (date(2026, 3, 27), "log_1.csv", 9, 2, 1, 6),
        (date(2026, 3, 27), "log_2.csv", 1, 0, 1, 0),
        (date(2026, 3, 29), "log_1.csv", 2, 2, 0, 0),
        (date(2026, 3, 30), "log_1.csv", 1, 1, 0, 0),
        (date(2026, 3, 30), "log_2.csv", 1, 0, 1, 0),
    ]
    assert sum(one.counts["rows_read"] for one in results) == 14
    counters = set(rows(lake, con, "ingest_counters", "counter, detail, rows", [date(2026, 3, 27)]))
    assert {("unknown_scenario", "moon", 1), ("scenario_rows", "home", 1), ("unmatched", "items", 0)} <= counters
    # Item a stands twice in the side table: the first is taken, and the one row that meets it is counted.
    assert ("repeated_key", "items", 1) in counters


def test_among_equal_keys_the_first_of_a_total_order_is_kept(tiny, paths, con):
    line = "1,a,1,2026-03-27T10:00:00Z,{slot},{click},0,,1"
    write_log(paths, [line.format(slot=5, click=1), line.format(slot=2, click=0)], name="log_b.csv")
    write_log(paths, [line.format(slot=7, click=0)], name="log_a.csv")
    lake, _ = run(tiny, paths)
    assert rows(lake, con, "impressions", "slot, source_file") == [(7, "log_a.csv")]


def test_a_later_step_without_the_earlier_is_clipped_and_counted(tiny, tiny_raw, paths, con):
    lines = ["1,a,1,2026-03-27T10:00:00Z,1,0,1,2026-03-27T11:00:00Z,1", GOOD[0].replace("10:00", "10:01")]
    write_log(paths, lines)
    lake, _ = run(tiny, paths)
    assert rows(lake, con, "impressions", "label_click, label_order") == [(0, 0), (1, 1)]
    assert ("funnel_violation", "order", 1) in rows(lake, con, "ingest_counters", "counter, detail, rows")
    tiny_raw["tasks"][1]["on_violation"] = "quarantine"
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert rows(lake, con, "quarantine", "reasons") == [(["order: without click"],)]


def test_a_bad_line_of_a_side_table_is_no_row_of_the_log(tiny, paths, con):
    write_log(paths, GOOD[:2])
    (paths.landing / "items.csv").write_text(ITEMS + "c\nd,Brand,9\n")
    lake, results = run(tiny, paths)
    assert results[0].counts["rows_read"] == results[0].counts["rows_kept"] == 2
    assert rows(lake, con, "quarantine", "raw") == []


def test_columns_of_a_side_table_have_any_name(tiny_raw, paths, con):
    tiny_raw["columns"][-1] |= {"name": "found", "from": "brand"}
    tiny_raw["columns"].append(tiny_raw["columns"][-1] | {"name": "key_item"})
    write_log(paths, GOOD[:2])
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert rows(lake, con, "impressions", "item, found, key_item") == [("a", "Acme", "Acme"), ("b", None, None)]


def test_a_positive_whose_time_is_missing_is_known_when_it_has_matured(tiny, paths, con):
    write_log(paths, [GOOD[0].replace("2026-03-27T12:00:00Z", "")])
    lake, _ = run(tiny, paths)
    day = 24 * 3_600_000_000
    assert rows(lake, con, "impressions", "label_order, known_us_order - exposed_us") == [(1, day)]


@pytest.mark.parametrize(
    ("kind", "condition", "positive"),
    [
        ("float64", {}, ["1"]),
        ("float64", {"equals": 2}, ["2"]),
        ("float32", {"one_of": [0.1, 2]}, ["0.1", "2"]),
        ("int8", {"equals": 2.0}, ["2"]),
        ("int8", {"equals": False}, ["0"]),
        ("bool", {"one_of": [True]}, ["1"]),
        ("bool", {"equals": 1}, ["1"]),
        ("string", {"one_of": [1, "2"]}, ["1", "2"]),
        ("string", {"present": True}, ["0", "0.1", "1", "2"]),
    ],
)
def test_a_label_compares_in_the_columns_own_type(tiny_raw, paths, con, kind, condition, positive):
    texts = {"bool": ["0", "1"], "int8": ["0", "1", "2"]}.get(kind, ["0", "0.1", "1", "2"])
    tiny_raw["columns"][5] |= {"type": kind, "values": [True, False] if kind == "bool" else []}
    tiny_raw["tasks"] = [{"name": "click", "label": {"column": "clicked", **condition}}]
    write_log(paths, [f"{n + 1},a,1,2026-03-27T10:00:00Z,1,{text},0,,1" for n, text in enumerate(texts)])
    lake, _ = run(parse_contract(tiny_raw), paths)
    got = dict(rows(lake, con, "impressions", "user, label_click"))
    assert [text for n, text in enumerate(texts) if got[n + 1]] == positive


def test_true_and_false_name_scenarios(tiny_raw, paths, con):
    tiny_raw["columns"][2]["type"] = "bool"
    tiny_raw["scenarios"] = [{"id": "home", "values": [True]}, {"id": "search", "values": [False]}]
    write_log(paths, [GOOD[0], GOOD[1].replace("2b", "0")])
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert rows(lake, con, "impressions", "user, scenario_id") == [(1, "home"), (1, "search")]


@pytest.mark.slow
def test_kuairand_is_accounted_for_exactly(kuairand_data, tmp_path, con):
    contract, paths = load_contract("kuairand"), Paths(tmp_path / "kuairand")
    land(contract, paths, kuairand_data)
    lake, results = run(contract, paths)
    totals = {name: sum(one.counts[name] for one in results) for name in results[0].counts}
    assert totals == {
        "rows_read": 212_582, "rows_kept": 206_974, "rows_duplicate": 5_608, "rows_quarantined": 0,
        "unknown_scenario": 0,
    }  # fmt: skip
    violations = "SELECT sum(rows) FROM counters WHERE counter = 'funnel_violation'"
    lake.scan(con, "ingest_counters").create_view("counters")
    assert con.sql(violations).fetchall() == [(221,)]
    assert con.sql("SELECT count(DISTINCT detail) FROM counters WHERE counter = 'scenario_rows'").fetchall() == [(15,)]
