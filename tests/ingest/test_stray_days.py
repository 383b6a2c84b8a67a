"""A time in a far future, in a log without a last day: no newest day, and no rows lost that may be meant."""

from datetime import date, timedelta

import pytest
from test_damage import LOG, csv, line

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.stray_days import without_strays
from hinet_core.lake import Lake

DAY = date(2026, 3, 1)


def at(after, rows=1):
    return {DAY + timedelta(days=after): rows}


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        (at(0, 95) | at(301, 5), at(0, 95) | {None: 5}),
        (at(0, 95) | at(400, 2) | at(70_000, 2) | {None: 3}, at(0, 95) | {None: 7}),
        (at(0, 50) | at(200, 45) | at(502, 5), at(0, 50) | at(200, 45) | {None: 5}),
        (at(0, 94) | at(301, 6), None),  # too many to be a slip
        (at(0, 95) | at(300, 5), None),  # a season without rows
        (at(0, 18) | at(70_000), None),  # one of so few may be right
        (at(0, 5) | at(900, 95), None),
        ({None: 4}, None),
    ],
)
def test_few_rows_long_after_all_others_have_no_usable_day(rows, left):
    assert without_strays(rows) == (left or rows)


@pytest.fixture
def landed(paths):
    rows = [line(n) for n in range(1, 40)] + [line(40).replace("2026-03-01", "2215-03-01")]
    (paths.landing / "log_1.csv").write_text(csv(*rows))
    return lambda **keys: index(parse_contract(LOG | keys), paths)


def test_one_far_time_is_refused_by_name_in_the_books_of_the_file_s_first_day(landed, paths, con):
    found = landed()
    assert found.days == [DAY]
    (result,) = ingest_days(found.contract, Lake(paths.lake), found, found.days, None)
    assert (result.counts["rows_read"], result.counts["rows_kept"]) == (40, 39)
    refused = Lake(paths.lake).scan(con, "quarantine").project("record_number, reasons").fetchall()
    assert refused == [(40, ["time: long after all others of the file"])]


def test_a_contract_that_names_its_last_day_means_it(landed, paths):
    found = landed(last_day="2215-12-31")
    assert found.days == [DAY, date(2215, 3, 1)]
    results = ingest_days(found.contract, Lake(paths.lake), found, found.days, None)
    assert [one.counts["rows_kept"] for one in results] == [39, 1]
