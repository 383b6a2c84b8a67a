"""One table: what the file says, how the contract reads it, what comes out (None = not a value of the type)."""

from datetime import date, datetime

import pytest

from hinet_core.contract import Column
from hinet_core.ingest.casts import cast, present

MIDNIGHT = datetime(2026, 3, 1)
CASES = [
    ("int64", {}, "7", 7),
    ("int64", {}, " +7 ", 7),
    ("int64", {}, "-7.0", -7),
    ("int64", {}, "3.7", None),
    ("int64", {}, "1e3", None),
    ("int64", {}, "9007199254740993", 9007199254740993),
    ("int64", {}, "9007199254740993.0", None),
    ("int64", {}, "9223372036854775808", None),
    ("int8", {}, "128", None),
    ("int64", {"thousands": ","}, "1,234,567", 1234567),
    ("float64", {}, "2.5", 2.5),
    ("float64", {}, "nan", None),
    ("float64", {}, "inf", None),
    ("float64", {"decimal": ",", "thousands": ".", "strip": "€"}, "1.234,50 €", 1234.5),
    ("float64", {}, "1,5", None),
    ("float64", {}, "1_000", None),
    ("float64", {}, "+-1", None),
    ("float32", {"thousands": " "}, "+-1", None),
    ("int32", {}, "+-1", None),
    ("float64", {"thousands": ","}, "1,5", None),
    ("float64", {"thousands": ","}, "1,234,5", None),
    ("float64", {"decimal": ",", "thousands": "."}, "1.234,567.8", None),
    ("float64", {"decimal": ",", "thousands": "."}, "1.234,5e3", 1234500.0),
    ("float64", {"thousands": ","}, "12,34,567.5", 1234567.5),
    ("float64", {"thousands": " ", "decimal": ","}, "1\u00a0234\u202f567,5", 1234567.5),
    ("int64", {"thousands": " "}, "-12 345", -12345),
    ("int64", {"thousands": "'"}, "1\u2019234'567", 1234567),
    ("float64", {"decimal": ","}, "1.5", None),
    ("float64", {"decimal": ",", "thousands": "."}, "1.5", None),
    ("float64", {"decimal": ","}, "-1,5e3", -1500.0),
    ("float64", {"strip": "€"}, "-€ 5.5", -5.5),
    ("float64", {"strip": "€"}, "€\u00a0-5.5", -5.5),
    ("float64", {"strip": "kr.", "decimal": ",", "thousands": "."}, "1.234,50\u00a0kr.", 1234.5),
    ("float64", {"strip": "EUR"}, "1E5 EUR", 100000.0),
    ("int64", {"strip": "%"}, "7 %", 7),
    ("float64", {"strip": "$"}, "5$5", None),
    ("bool", {}, "Yes", True),
    ("bool", {}, "0", False),
    ("bool", {}, "maybe", None),
    ("string", {}, " Tōkyō ", "Tōkyō"),
    ("date", {}, "2026-03-01", date(2026, 3, 1)),
    ("date", {"parse": "%Y%m%d"}, "20260301", date(2026, 3, 1)),
    ("date", {"parse": "%Y%m%d"}, "20261301", None),
    ("date", {}, "2026/3/1", date(2026, 3, 1)),
    ("date", {}, "2026-03-01 10:00:00.5", date(2026, 3, 1)),
    ("date", {}, "2026-03-01T23:00:00-05:00", None),
    ("date", {}, "2026-03-01 foo", None),
    ("date", {}, "2026-03-01,2026-03-02", None),
    ("date", {}, "01-03-26", None),
    ("date", {}, "epoch", None),
    ("date", {"parse": "%d.%m.%Y"}, "01.03.26", None),
    ("date", {"parse": "%d.%m.%y"}, "01.03.26", date(2026, 3, 1)),
    ("timestamp", {"parse": "iso"}, "2026-03-01T00:00:00Z", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-03-01T08:00:00+08:00", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-03-01 00:00:00", MIDNIGHT),
    ("timestamp", {"parse": "iso", "zone": "Asia/Shanghai"}, "2026-03-01 00:00:00 UTC", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-03-01T08:00+08:00", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-03-01T00:00Z", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-02-28 17:00:00 -0700", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-03-01T05:45:00.000+0545", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-03-01T00:00:00+25:00", None),
    ("timestamp", {"parse": "iso"}, "2026-03-01T00:00:00+02:75", None),
    ("timestamp", {"parse": "iso"}, "2026-03-01T00:00:00+02:00:00", None),
    ("timestamp", {"parse": "iso"}, "2026-03-01T00:00:00+2", None),
    ("timestamp", {"parse": "iso", "zone": "Asia/Shanghai"}, "2026-03-01 08:00:00", MIDNIGHT),
    ("timestamp", {"parse": "iso", "zone": "Asia/Shanghai"}, "2026-03-01 00:00:00Z", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-03-01", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "2026-03-01T00:00:00z", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "01-03-26 10:00", None),
    ("timestamp", {"parse": "iso"}, "epoch", None),
    ("timestamp", {"parse": "iso"}, "yesterday", None),
    ("timestamp", {"parse": "epoch_s"}, "1772323200", MIDNIGHT),
    ("timestamp", {"parse": "epoch_ms"}, "1772323200000", MIDNIGHT),
    ("timestamp", {"parse": "epoch_us"}, "1772323200000000", MIDNIGHT),
    ("timestamp", {"parse": "epoch_s"}, "99999999999999999", None),
    ("timestamp", {"parse": "epoch_s"}, "1772323200.000001", MIDNIGHT.replace(microsecond=1)),
    ("timestamp", {"parse": "epoch_ms"}, "-0.5", datetime(1969, 12, 31, 23, 59, 59, 999500)),
    ("timestamp", {"parse": "epoch_s"}, "99999999999999999.5", None),
    ("timestamp", {"parse": "epoch_s"}, "1.7e9", None),
    ("timestamp", {"parse": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}, "01.03.2026 01:00", MIDNIGHT),
    ("timestamp", {"parse": "%d.%m.%Y %H:%M"}, "41.03.2026 01:00", None),
    ("timestamp", {"parse": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}, "01.03.26 01:00", None),
    ("timestamp", {"parse": "%Y-%m-%d %H:%M %z"}, "2026-03-01 03:00 +0300", MIDNIGHT),
    ("timestamp", {"parse": "%Y%m%dT%H%M%S%z"}, "20260301T030000+03", MIDNIGHT),
    ("timestamp", {"parse": "%d/%m/%Y %I:%M %p %z"}, "28/02/2026 08:00 PM -04:00", MIDNIGHT),
    ("timestamp", {"parse": "%Y-%m-%d %H:%M %z"}, "2026-03-01 03:00 +9900", None),
    ("timestamp", {"parse": "%Y-%m-%d %H:%M %z"}, "2026-03-01 03:00 +0360", None),
    ("timestamp", {"parse": "%Y-%m-%d %H:%M%z", "zone": "Asia/Shanghai"}, "2026-03-01 05:00+0500", MIDNIGHT),
    ("timestamp", {"parse": "iso"}, "infinity", None),
    ("timestamp", {"parse": "iso"}, "20260-03-01 00:00:00", None),
    ("timestamp", {"parse": "epoch_ms"}, "1772323200000000", None),
    ("date", {}, "infinity", None),
    ("list<int64>", {}, "1, 2,3", [1, 2, 3]),
    ("list<int64>", {}, "1,x", None),
    ("list<int64>", {}, "1,1.7", None),
    ("list<int64>", {}, "[1, 2]", [1, 2]),
    ("list<int64>", {}, "[]", []),
    ("list<string>", {}, '["a", "b, c"]', ["a", "b, c"]),
    ("list<float64>", {}, "1, 2.5", [1.0, 2.5]),
    ("list<float64>", {"separator": ";", "decimal": ","}, "1,5;2", [1.5, 2.0]),
    ("list<float64>", {}, "1,nan", None),
    ("list<int64>", {"null_values": [0, "-"]}, "1,0,-,2", [1, 2]),
    ("list<string>", {"separator": "|"}, "a|b||c", ["a", "b", "c"]),
    ("list<string>", {}, '{"0": "a"}', None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "text", "expected"), CASES)
def test_text(con, kind, options, text, expected):
    column = Column(name="c", type=kind, **options)
    value = cast(column, [present("$1", "VARCHAR", ())], ["VARCHAR"])
    assert con.execute(f"SELECT {value}", [text]).fetchall() == [(expected,)]


@pytest.mark.parametrize("text", ["", "  ", "NULL", "\\N"])
def test_null_spellings(con, text):
    value = present("$1", "VARCHAR", ("NULL", "\\N"))
    assert con.execute(f"SELECT {value}", [text]).fetchall() == [(None,)]


NATIVE = [
    ("int64", {}, "DOUBLE", "7.0::DOUBLE", 7),
    ("int64", {}, "DOUBLE", "7.5::DOUBLE", None),
    ("int8", {}, "BIGINT", "300", None),
    ("string", {}, "BIGINT", "300", "300"),
    ("string", {}, "DOUBLE", "2001.0::DOUBLE", "2001"),
    ("string", {}, "DOUBLE", "-0.5::DOUBLE", "-0.5"),
    ("string", {}, "DOUBLE", "1e17::DOUBLE", None),
    ("string", {}, "DECIMAL(20,2)", "90071992547409931.00::DECIMAL(20,2)", "90071992547409931"),
    ("bool", {}, "DOUBLE", "1.0::DOUBLE", True),
    ("bool", {}, "DOUBLE", "0.5::DOUBLE", None),
    ("timestamp", {}, "TIMESTAMP", "TIMESTAMP '2026-03-01'", MIDNIGHT),
    ("timestamp", {"zone": "Asia/Shanghai"}, "TIMESTAMP", "TIMESTAMP '2026-03-01 08:00:00'", MIDNIGHT),
    ("timestamp", {}, "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ '2026-03-01 08:00:00+08'", MIDNIGHT),
    ("timestamp", {"parse": "epoch_s"}, "DOUBLE", "1772323200.5::DOUBLE", MIDNIGHT.replace(microsecond=500_000)),
    ("timestamp", {"parse": "epoch_s"}, "DOUBLE", "'nan'::DOUBLE", None),
    ("list<string>", {}, "BIGINT[]", "[1, 2]", ["1", "2"]),
    ("list<int64>", {}, "DOUBLE[]", "[1.0::DOUBLE, NULL]", [1]),
    ("list<int64>", {}, "DOUBLE[]", "[1.5::DOUBLE]", None),
    ("list<int64>", {}, "VARCHAR[]", "['1', '2.5']", None),
    ("list<float64>", {}, "FLOAT[]", "[0.5::FLOAT]", [0.5]),
    ("list<int64>", {"null_values": [0]}, "BIGINT[]", "[0, 2, 0]", [2]),
    ("list<string>", {}, "VARCHAR[]", "['a', NULL]", ["a"]),
    ("list<string>", {}, "DOUBLE[]", "[7.0::DOUBLE]", ["7"]),
    ("list<string>", {}, "STRUCT(id VARCHAR)[]", "[{'id': 'a'}]", None),
    ("list<string>", {}, "MAP(VARCHAR, VARCHAR)", "MAP {'id': 'a'}", None),
    ("list<string>", {}, "BIGINT[][]", "[[1]]", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "duckdb_type", "literal", "expected"), NATIVE)
def test_native(con, kind, options, duckdb_type, literal, expected):
    value = cast(Column(name="c", type=kind, **options), [literal], [duckdb_type])
    assert con.execute(f"SELECT {value}").fetchall() == [(expected,)]


def test_split_date_and_time_and_numbered_lists(con):
    when = Column(name="c", type="timestamp", parse="%Y%m%d %H%M", **{"from": ["date", "time"]})
    assert con.execute(f"SELECT {cast(when, ['$1', '$2'], ['VARCHAR'] * 2)}", ["20260301", "0000"]).fetchall() == [
        (MIDNIGHT,)
    ]
    history = Column(name="h", type="list<int64>", **{"from": ["h1", "h2", "h3"]})
    for values, expected in ((["3", "NULL", "1"], [3, 1]), (["3", "1.5", "1"], None), (["NULL"] * 3, [])):
        found = cast(history, values, ["DOUBLE"] * 3)
        assert con.execute(f"SELECT {found}").fetchall() == [(expected,)]


@pytest.mark.parametrize("kind", ["INTEGER", "DOUBLE", "DECIMAL(9, 2)", "UTINYINT"])
def test_null_spellings_of_numbers(con, kind):
    value = present(f"$1::{kind}", kind, ("NULL", "0", "nan"))
    assert con.execute(f"SELECT {value}", [0]).fetchall() == [(None,)]
    assert con.execute(f"SELECT {value}", [7]).fetchall() == [(7,)]
