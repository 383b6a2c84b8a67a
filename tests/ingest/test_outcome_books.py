"""Every row of an outcome file is matched, a duplicate, waiting or quarantined, and stands in the books of one day."""

import shutil
from datetime import date

import pytest
from late_log import late_raw, part_of, write_csv

from hinet_core.contract import parse_contract
from hinet_core.forget import forget
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.outcome_books import pending_books, write_books
from hinet_core.ingest.pending import pending_days
from hinet_core.lake import Lake

FIRST, D27, D28, D30 = date(2026, 3, 1), date(2026, 3, 27), date(2026, 3, 28), date(2026, 3, 30)
SHOWN = [
    "1,7,a,home,2026-03-27T10:00:00Z,1",
    "1,7,b,home,2026-03-27T10:00:00Z,0",
    "4,9,c,home,2026-03-29T22:00:00Z,1",
]
ORDERS = [
    "1,a,1,2026-03-27T12:00:00Z,9.5",
    "1,a,1,2026-03-27T12:00:00Z,9.50",  # the same, written in another way
    "4,c,1,2026-03-29T22:00:00Z,",
    "7,z,1,2026-03-27T12:00:00Z,",  # an exposure that may still come
    "1,b,1,2026-03-29T12:00:00Z,",  # after the window
    "x,a,1,2026-03-27T12:00:00Z,",
    ",,2,2026-03-27T12:00:00Z,abc",
    "1,a,1,soon,",
    "1,a,1,2031-01-01T00:00:00Z,",
    "1,a",
    "1,a,1,,",
]


@pytest.fixture
def late():
    return parse_contract(late_raw())


def keep_books(contract, paths):
    """Ingest what is pending and bring the books up to date; returns the days whose books were written."""
    lake, landed = Lake(paths.lake), index(contract, paths)
    list(ingest_days(contract, lake, landed, pending_days(lake, landed), None))
    written = [one.day for one in write_books(lake, landed)]
    assert pending_books(lake, landed) == []
    return written


def table(paths, con, name, columns="* EXCLUDE (source)"):
    return Lake(paths.lake).scan(con, name).project(columns).fetchall()


def test_read_is_matched_plus_duplicate_plus_unmatched_plus_quarantined(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    assert keep_books(late, paths) == [D27, date(2026, 3, 29), D30]
    assert table(paths, con, "outcome_files") == [
        (D27, "orders_1.csv", 9, 1, 1, 1, 6),
        (date(2026, 3, 29), "orders_1.csv", 1, 0, 0, 1, 0),
        (D30, "orders_1.csv", 1, 1, 0, 0, 0),
    ]
    assert table(paths, con, "outcome_quarantine", "record_number, reasons") == [
        (6, ["request: not a int64"]),
        (7, ["request: missing", "item: missing", "ordered: not an allowed value", "amount: not a float64"]),
        (8, ["ordered_at: not a timestamp"]),
        (9, ["time: outside the contract's days"]),
        (10, ["line: missing columns"]),
        (11, ["ordered_at: missing"]),
    ]
    raw = dict(table(paths, con, "outcome_quarantine", "record_number, raw"))
    assert '"sum":"abc"' in raw[7]
    assert raw[10] == "1,a"
    waiting = table(paths, con, "outcome_waiting", "source, record_number, raw")
    assert [row[:2] for row in waiting] == [("orders", 4), ("orders", 5)]
    assert '"sku":"z"' in waiting[0][2]


def test_what_waited_is_matched_when_its_exposure_comes_and_only_its_books_change(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_1.csv", ["7,z,1,2026-03-27T12:00:00Z,"])
    write_csv(paths.landing, "orders_2.csv", ["4,c,1,2026-03-30T00:00:00Z,"])
    assert keep_books(late, paths) == [D27, D30]
    assert keep_books(late, paths) == []
    write_csv(paths.landing, "log_2.csv", ["7,1,z,home,2026-03-27T11:00:00Z,1"])
    assert keep_books(late, paths) == [D27]
    assert table(paths, con, "outcome_files", "source_file, rows_matched, rows_unmatched") == [
        ("orders_1.csv", 1, 0), ("orders_2.csv", 1, 0),
    ]  # fmt: skip
    assert table(paths, con, "outcome_waiting") == []


def test_a_file_delivered_twice_is_all_duplicates_and_a_removed_one_leaves_the_books(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_2.csv", ORDERS[2:5])
    keep_books(late, paths)
    for name in ("orders_1.csv", "orders_3.csv"):
        shutil.copy(paths.landing / "orders_2.csv", paths.landing / name)
        keep_books(late, paths)
    columns = "source_file, sum(rows_read), sum(rows_matched), sum(rows_duplicate), sum(rows_unmatched)"
    found = Lake(paths.lake).scan(con, "outcome_files").aggregate(columns, "source_file").order("source_file")
    assert found.fetchall() == [
        ("orders_1.csv", 3, 1, 0, 2), ("orders_2.csv", 3, 0, 3, 0), ("orders_3.csv", 3, 0, 3, 0),
    ]  # fmt: skip
    for name in ("orders_1.csv", "orders_2.csv", "orders_3.csv"):
        (paths.landing / name).unlink()
    keep_books(late, paths)
    assert table(paths, con, "outcome_files") == []


def test_rows_without_a_time_are_in_the_books_of_their_files_first_day(late, paths, con):
    raw = late_raw()
    part_of(raw, "columns", "ordered_at")["nullable"] = True
    contract = parse_contract(raw)
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_1.csv", ["4,c,1,,", "1,a,1,2026-03-28T09:00:00Z,"])
    write_csv(paths.landing, "orders_2.csv", ["1,b,1,,"])
    assert keep_books(contract, paths) == [FIRST, D28]
    assert table(paths, con, "outcome_files", "day, source_file, rows_read, rows_matched") == [
        (FIRST, "orders_2.csv", 1, 1), (D28, "orders_1.csv", 2, 2),
    ]  # fmt: skip


def test_what_the_funnel_refuses_is_quarantined_until_the_earlier_step_comes(paths, con):
    raw = late_raw()
    part_of(raw, "tasks", "order")["on_violation"] = "quarantine"
    contract = parse_contract(raw)
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_1.csv", ["1,b,1,2026-03-27T12:00:00Z,"])
    keep_books(contract, paths)
    assert table(paths, con, "outcome_quarantine", "record_number, reasons") == [(1, ["order: without click"])]
    write_csv(paths.landing, "log_1.csv", [line[:-1] + "1" for line in SHOWN])
    keep_books(contract, paths)
    assert table(paths, con, "outcome_quarantine") == []
    assert table(paths, con, "outcome_files", "rows_read, rows_matched") == [(1, 1)]


@pytest.mark.parametrize("joined", ["request", "user"])
def test_rows_of_a_forgotten_user_keep_no_text(joined, paths, con):
    raw = late_raw()
    raw["columns"][1]["from"] = "who"
    if joined == "user":
        part_of(raw, "sources", "orders")["join"] = {"user": "req", "item": "sku"}
    contract = parse_contract(raw)
    shown = ["1,77,a,home,2026-03-27T10:00:00Z,1", "2,8,a,home,2026-03-27T10:00:00Z,1"]
    write_csv(paths.landing, "log_1.csv", shown, header="request,who,item,place,shown_at,clicked")
    of_request_1 = "1,a,1,2026-03-27T13:00:00Z,"
    orders = ["77,a,1,2026-03-27T12:00:00Z,", "9,a,1,2026-03-27T12:00:00Z,", "77,a", of_request_1]
    write_csv(paths.landing, "orders_1.csv", orders)
    keep_books(contract, paths)
    report = forget(contract, paths, Lake(paths.lake), "77", delete_models=False)
    assert report.rewritten["outcomes"] == [D27]
    held = {one.table: one.rows for one in report.held}
    # By the user and item the first order finds its exposure, and keeps no text of its own then.
    assert (held.get("outcome_waiting", 0), held["outcome_quarantine"]) == (int(joined == "request"), 1)
    tables = ("outcome_waiting", "outcome_quarantine")
    left = [row for name in tables for row in table(paths, con, name, "record_number, raw")]
    without_text = [number for number, text in sorted(left) if text is None]
    # Joined by the request, no record says whose it is: the fourth was of the user's exposure, and waits now.
    assert without_text == ([1, 2, 3, 4] if joined == "request" else [1, 3])
    assert joined == "request" or dict(left)[2].startswith('{"req":"9"')
    assert keep_books(contract, paths) == []


def test_the_books_do_not_depend_on_the_order_in_which_files_came(late, paths, tmp_path):
    files = {"log_1.csv": SHOWN[:2], "log_2.csv": SHOWN[2:], "orders_1.csv": ORDERS[:5], "orders_2.csv": ORDERS[3:]}
    found = []
    for turn, names in enumerate((list(files), ["log_2.csv", "orders_2.csv", "log_1.csv", "orders_1.csv"])):
        home = type(paths)(tmp_path / str(turn))
        home.landing.mkdir(parents=True)
        home.lake.mkdir()
        for name in names:
            write_csv(home.landing, name, files[name])
            keep_books(late, home)
        lake = Lake(home.lake)
        found.append({day: lake.manifest("outcomes", day).content_hash for day in lake.days("outcomes")})
    assert found[0] == found[1]
    assert len(found[0]) == 3
