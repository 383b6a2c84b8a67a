"""What may be an outcome: an event, the presence of a row, a row without a time; from files of any form and names."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from late_log import ORDERS_HEADER, part_of, write_csv
from late_orders import D27, D29, D30, EXPECTED, ORDERS, SHOWN, ingest, shown

from hinet_core.contract import parse_contract
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import Lake
from hinet_core.quality.suite import rules

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
