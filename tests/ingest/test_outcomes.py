"""Outcomes in files of their own: before, after or twice, each changes exactly the days that it touches."""

import gzip
import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from late_log import ORDERS_HEADER, late_raw, part_of, write_csv

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.pending import pending_days
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import Lake
from hinet_core.quality.suite import rules

D27, D28, D29, D30 = (date(2026, 3, day) for day in (27, 28, 29, 30))
HOUR = 3_600_000_000
# 23:30Z of the 28th is 00:30 of the 29th in Berlin, the day that has 23 hours.
SHOWN = [
    "1,7,a,home,2026-03-27T10:00:00Z,1",
    "1,7,b,home,2026-03-27T10:00:00Z,1",
    "2,8,a,search,2026-03-28T23:30:00Z,1",
    "3,9,c,home,2026-03-29T21:59:59Z,1",
    "3,9,d,home,2026-03-29T21:59:59Z,0",
    "4,9,c,home,2026-03-29T22:00:00Z,1",
]
ORDERS = [
    "1,a,1,2026-03-27T12:00:00Z,9.5",
    "3,c,1,2026-03-30T07:59:59Z,",
]
LABELS = "request, item, label_order, ordered, amount, (known_us_order - exposed_us) / 3600000000"
EXPECTED = [
    (1, "a", 1, 1, 9.5, 2),
    (1, "b", 0, None, None, 48),
    (2, "a", 0, None, None, 48),
    (3, "c", 1, 1, None, 10),
    (3, "d", 0, None, None, 48),
    (4, "c", 0, None, None, 48),
]


@pytest.fixture
def raw():
    return late_raw()


@pytest.fixture
def late(raw):
    return parse_contract(raw)


def ingest(contract, paths):
    """Read what is pending; returns the days that were read and committed."""
    lake, landed = Lake(paths.lake), index(contract, paths)
    return [one.day for one in ingest_days(contract, lake, landed, pending_days(lake, landed)) if one.manifest]


def shown(paths, con, columns=LABELS):
    return sorted(Lake(paths.lake).scan(con, "impressions").project(columns).fetchall(), key=str)


def commits(paths):
    """Day -> the run that wrote it and the content of its impressions."""
    lake = Lake(paths.lake)
    found = {day: lake.manifest("ingest", day) for day in lake.days("ingest")}
    return {day: (one.run, one.hash_of("impressions")) for day, one in found.items()}


def changed(before, after):
    """Days written anew, and days whose rows differ."""
    return (
        [day for day in after if before[day][0] != after[day][0]],
        [day for day in after if before[day][1] != after[day][1]],
    )


def test_outcomes_that_landed_with_their_exposures_are_joined(late, paths, con):
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    write_csv(paths.landing, "log_1.csv", SHOWN)
    assert ingest(late, paths) == [D27, D29, D30]
    assert shown(paths, con) == EXPECTED
    assert ingest(late, paths) == []


def test_a_late_file_rewrites_exactly_the_days_that_it_touches(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    before = commits(paths)
    assert {(row[2], row[5]) for row in shown(paths, con)} == {(0, 48)}
    write_csv(paths.landing, "orders_1.csv", ORDERS[:1])
    assert ingest(late, paths) == [D27]
    write_csv(paths.landing, "orders_2.csv", ORDERS[1:])
    assert ingest(late, paths) == [D29]
    assert shown(paths, con) == EXPECTED
    assert changed(before, commits(paths)) == ([D27, D29], [D27, D29])


def test_a_file_that_touches_nothing_is_compared_once_and_only_with_days_in_reach(late, paths, monkeypatch):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    write_csv(paths.landing, "orders_1.csv", ["99,a,1,2026-03-27T12:00:00Z,1", "1,z,1,2026-03-27T12:00:00Z,1"])
    assert ingest(late, paths) == []
    (compared,) = json.loads((paths.lake / "_untouched.json").read_text())["untouched"].values()
    assert list(compared) == [D27.isoformat()]
    monkeypatch.setattr("hinet_core.ingest.touched.stage_outcomes", None)
    assert ingest(late, paths) == []


def test_an_outcome_that_waits_is_joined_when_its_exposure_comes(late, paths, con):
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    write_csv(paths.landing, "log_1.csv", SHOWN[:2])
    assert ingest(late, paths) == [D27]
    write_csv(paths.landing, "log_2.csv", SHOWN[2:])
    assert ingest(late, paths) == [D29, D30]
    assert shown(paths, con) == EXPECTED


def test_a_file_delivered_twice_and_repeated_rows_change_nothing(late, paths):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_5.csv", ORDERS)
    ingest(late, paths)
    before = commits(paths)
    for name in ("orders_1.csv", "orders_9.csv"):
        write_csv(paths.landing, name, ORDERS)
        assert ingest(late, paths) == []
    write_csv(paths.landing, "orders_8.csv", [ORDERS[0], ORDERS[0]])
    assert ingest(late, paths) == [D27]
    assert changed(before, commits(paths)) == ([D27], [])


def test_a_corrected_or_a_removed_file_is_taken_back(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    before = commits(paths)
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    ingest(late, paths)
    write_csv(paths.landing, "orders_1.csv", ["4,c,1,2026-03-30T07:00:00Z,1"])
    assert ingest(late, paths) == [D27, D29, D30]
    assert [row[:3] for row in shown(paths, con) if row[2]] == [(4, "c", 1)]
    (paths.landing / "orders_1.csv").unlink()
    assert ingest(late, paths) == [D30]
    assert changed(before, commits(paths))[1] == []


def test_an_outcome_counts_inside_its_window_and_not_before_its_exposure(late, raw, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    lines = [
        "1,a,1,2026-03-28T10:00:00Z,1",  # the last moment of the window
        "1,b,1,2026-03-28T10:00:00.000001Z,2",  # after it
        "2,a,1,2026-03-28T23:29:59Z,3",  # before the exposure
        "4,c,1,2026-03-29T22:00:00Z,4",  # at once
    ]
    write_csv(paths.landing, "orders_1.csv", lines)
    ingest(late, paths)
    assert [row for row in shown(paths, con) if row[3]] == [(1, "a", 1, 1, 1.0, 24), (4, "c", 1, 1, 4.0, 0)]
    part_of(raw, "sources", "orders")["early"] = "1s"
    ingest(parse_contract(raw), paths)
    assert (2, "a", 1, 1, 3.0, 0) in shown(paths, con)  # known at the exposure, not before


def test_days_are_those_of_the_contract_also_when_the_clock_changes(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    lines = ["2,a,1,2026-03-29T22:00:00Z,1", "3,c,1,2026-03-29T21:59:59Z,1", "4,c,1,2026-03-30T22:00:00Z,1"]
    write_csv(paths.landing, "orders_1.csv", lines)
    assert ingest(late, paths) == [D29, D30]
    found = shown(paths, con, "request, item, day, known_day_order - day_number, label_order")
    assert [row for row in found if row[4]] == [(2, "a", D29, 1, 1), (3, "c", D29, 0, 1), (4, "c", D30, 1, 1)]


def test_an_outcome_without_a_time_is_refused_unless_the_contract_allows_it(late, raw, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    write_csv(paths.landing, "orders_1.csv", ["1,a,1,,1", "2,a,0,,"])
    assert ingest(late, paths) == []
    part_of(raw, "columns", "ordered_at")["nullable"] = True
    ingest(parse_contract(raw), paths)
    # It belongs by its key alone, and is known when its exposure is settled.
    found = [row for row in shown(paths, con) if row[3] is not None]
    assert found == [(1, "a", 1, 1, 1.0, 48), (2, "a", 0, 0, None, 48)]
    write_csv(paths.landing, "orders_2.csv", ["4,c,1,,2"])
    assert ingest(parse_contract(raw), paths) == [D30]


def test_several_rows_of_one_exposure_give_the_earliest_that_counts(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_2.csv", ["1,a,0,2026-03-27T10:30:00Z,5", "1,a,1,2026-03-27T13:00:00Z,6"])
    write_csv(paths.landing, "orders_1.csv", ["1,a,1,2026-03-27T12:00:00Z,7", "1,a,1,2026-03-27T10:30:00Z,8"])
    ingest(late, paths)
    # Of two rows at 10:30 the smaller is shown, whatever their files; the label is that of the earliest positive.
    assert shown(paths, con)[0] == (1, "a", 1, 0, 5.0, 0.5)


EVENTS = [
    "a,7,click,2026-03-27T10:05:00Z",
    "a,7,order,2026-03-27T12:00:00Z",
    "a,7,order,2026-03-27T11:00:00Z",
    "b,7,click,2026-03-27T11:00:01Z",
    "b,7,order,2026-03-27T12:00:00Z",
    "a,8,order,2026-03-29T03:00:00Z",
    "c,9,click,2026-03-29T22:00:00Z",
]


def event_contract(raw):
    """Clicks and orders as events of one file, joined by user and item; an order is possible where `clicked` allows."""
    part_of(raw, "sources", "orders").update(files="events_*.csv", join={"user": "visitor", "item": "product"})
    late = [one for one in raw["columns"] if one.get("source") == "orders"]
    raw["columns"] = [one for one in raw["columns"] if one not in late]
    raw["columns"] += [
        {"name": "event", "type": "string", "role": "outcome", "source": "orders", "values": ["click", "order"]},
        {"name": "event_at", "type": "timestamp", "role": "known_at", "source": "orders", "parse": "iso"},
    ]
    raw["tasks"] = [
        {"name": "click", "label": {"column": "event", "equals": "click"}, "known_at": "event_at", "window": "1h",
         "matures_after": "1h"},
        {"name": "order", "label": [{"column": "event", "equals": "order"}, "clicked"], "after": "click",
         "known_at": "event_at", "window": "24h", "matures_after": "24h"},
    ]  # fmt: skip
    return parse_contract(raw)


def test_events_make_several_labels_each_in_its_window(raw, paths, con):
    contract = event_contract(raw)
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "events_1.csv", EVENTS, header="product,visitor,event,event_at")
    ingest(contract, paths)
    found = shown(
        paths, con, "request, item, label_click, label_order, event, "
        "(known_us_click - exposed_us) / 3600000000, (known_us_order - exposed_us) / 3600000000",
    )  # fmt: skip
    assert found == [
        (1, "a", 1, 1, "click", pytest.approx(1 / 12), 1),
        (1, "b", 0, 0, "click", 1, 24),  # the click came a second too late, and without it there is no order
        (2, "a", 0, 0, "order", 1, 24),  # an order without a click is clipped
        (3, "c", 1, 0, "click", pytest.approx(1 / 3600), 24),  # one event of user and item belongs to both exposures
        (3, "d", 0, 0, None, 1, 24),
        (4, "c", 1, 0, "click", 0, 24),
    ]
    counters = Lake(paths.lake).scan(con, "ingest_counters").filter("counter = 'funnel_violation'")
    assert counters.aggregate("sum(rows)").fetchall() == [(1,)]


def test_an_event_without_a_time_is_not_outdone_by_one_after_the_window(raw, paths, con):
    event_contract(raw)
    part_of(raw, "columns", "event_at")["nullable"] = True
    contract = parse_contract(raw)
    write_csv(paths.landing, "log_1.csv", SHOWN[:2])
    lines = ["a,7,click,2026-03-27T11:30:00Z", "a,7,click,", "b,7,click,2026-03-27T11:30:00Z"]
    write_csv(paths.landing, "events_1.csv", lines, header="product,visitor,event,event_at")
    ingest(contract, paths)
    found = shown(paths, con, "item, label_click, (known_us_click - exposed_us) / 3600000000")
    assert found == [("a", 1, 1), ("b", 0, 1)]  # known when settled


def test_the_presence_of_a_row_is_an_outcome(raw, paths, con):
    part_of(raw, "columns", "ordered").update(type="string", values=[], **{"from": "req"})
    part_of(raw, "tasks", "order")["label"] = {"column": "ordered", "present": True}
    raw["columns"] = [one for one in raw["columns"] if one["name"] != "amount"]
    contract = parse_contract(raw)
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(contract, paths)
    write_csv(paths.landing, "orders_1.csv", ["1,a,2026-03-27T12:00:00Z"], header="req,sku,ordered_at")
    assert ingest(contract, paths) == [D27]
    assert [row for row in shown(paths, con, "request, item, label_order") if row[2]] == [(1, "a", 1)]


def test_files_without_any_time_belong_by_their_key(raw, paths, con):
    part_of(raw, "columns", "ordered").update(type="string", values=[], **{"from": "sku"})
    part_of(raw, "tasks", "order").update(label={"column": "ordered", "present": True}, known_at=None)
    raw["columns"] = [one for one in raw["columns"] if one["name"] not in ("amount", "ordered_at")]
    contract = parse_contract(raw)
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(contract, paths)
    write_csv(paths.landing, "orders_1.csv", ["1,a", "4,c"], header="req,sku")
    assert ingest(contract, paths) == [D27, D30]
    found = shown(paths, con, "request, item, label_order, (known_us_order - exposed_us) / 3600000000")
    assert [row for row in found if row[2]] == [(1, "a", 1, 48), (4, "c", 1, 48)]


def test_without_the_earlier_step_an_outcome_is_clipped_or_refused_as_the_contract_says(late, raw, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_1.csv", ["3,d,1,2026-03-29T23:00:00Z,3", "3,c,1,2026-03-29T23:00:00Z,4"])
    ingest(late, paths)
    assert shown(paths, con)[3:5] == [(3, "c", 1, 1, 4.0, pytest.approx(1, 1e-3)), (3, "d", 0, 1, 3.0, 48)]
    part_of(raw, "tasks", "order")["on_violation"] = "quarantine"
    ingest(parse_contract(raw), paths)
    # The outcome is refused, not the exposure, which features may have counted already.
    assert shown(paths, con)[3:5] == [(3, "c", 1, 1, 4.0, pytest.approx(1, 1e-3)), (3, "d", 0, None, None, 48)]
    matches = Lake(paths.lake).scan(con, "outcome_matches").project("log_record, outcome_record, reason")
    assert sorted(matches.fetchall()) == [(4, 2, None), (5, 1, "order: without click")]


def test_the_same_outcomes_from_compressed_csv_ndjson_and_parquet(raw, paths, con):
    names = ORDERS_HEADER.split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in ORDERS]
    files = {
        "csv": lambda path: path.write_bytes(gzip.compress("\n".join([ORDERS_HEADER, *ORDERS]).encode())),
        "ndjson": lambda path: path.write_text("\n".join(json.dumps(row) for row in rows)),
        "parquet": lambda path: pq.write_table(pa.Table.from_pylist(rows), path),
    }
    write_csv(paths.landing, "log_1.csv", SHOWN)
    for kind, write in files.items():
        name = "late.csv.gz" if kind == "csv" else f"late.{kind}"
        part_of(raw, "sources", "orders").update(format=kind, files=name)
        write(paths.landing / name)
        ingest(parse_contract(raw), paths)
        assert shown(paths, con) == EXPECTED


def test_outcome_files_land_alone_also_before_any_exposure(late, paths, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    with pytest.raises(LandingError, match="no file matches 'log_"):
        land(late, paths, first)
    write_csv(first, "orders_1.csv", ORDERS)
    assert [one.name for one in land(late, paths, first)] == ["orders_1.csv"]
    with pytest.raises(LandingError, match="no landed file matches 'log_"):
        index(late, paths)
    write_csv(second, "log_1.csv", SHOWN)
    assert [one.name for one in land(late, paths, second)] == ["log_1.csv"]
    assert index(late, paths).days == [D27, D29, D30]


def test_an_outcome_file_that_cannot_be_read_is_named_and_the_others_go_on(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    write_csv(paths.landing, "orders_2.csv", ["1,a"], header="req,sku")
    (paths.landing / "orders_3.csv").write_bytes(b"")
    refused = index(late, paths).refused
    assert "lacks the column 'ordered', 'ordered_at', 'sum'" in refused["orders_2.csv"]
    assert "the file is empty" in refused["orders_3.csv"]
    ingest(late, paths)
    assert shown(paths, con) == EXPECTED


def test_columns_of_outcomes_have_any_name(raw, paths, con):
    """Also names that joining uses itself."""
    part_of(raw, "columns", "amount")["name"] = "reason"
    raw["columns"].append(part_of(raw, "columns", "reason") | {"name": "log_file"})
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    ingest(parse_contract(raw), paths)
    assert shown(paths, con, "request, item, label_order, reason, log_file")[:2] == [
        (1, "a", 1, 9.5, 9.5), (1, "b", 0, None, None),
    ]  # fmt: skip


def test_an_outcome_column_may_be_missing_in_impressions_whatever_its_file_says(late):
    missing = {rule.column for rule in rules(late, D27) if rule.expectation == "ExpectColumnValuesToNotBeNull"}
    assert "clicked" in missing
    assert not missing & {"ordered", "ordered_at"}
