"""Where a shortcut says yes its value is that of the exact cast, whatever the text."""

import itertools
import random

import pytest

from hinet_core.contract import Column, Source
from hinet_core.ingest.casts import cast, present
from hinet_core.ingest.shortcuts import shortcut

TEXTS = [
    "", " ", "7", " 7", "7 ", "+7", "-7", "007", "-0", "7.0", "7.5", "1e3", "1_000", "+-1", " +-1", "128",
    "9223372036854775808", "0x10", "nan", "inf", "-1", "NULL", "1,5", ".5", "5.", "1e400", "é", "\u00a0x",
    "x\u3000", "x\u00a0", "x ", "\tx", "x y", "true", "2026-03-01", "2026-03-01 08:00", "2026-03-01 08:00:00",
    "2026-03-01T08:00:00", "2026-03-01T08:00:00Z", "2026-3-1 8:0:0", "2026-03-01T08:00:00+08:00",
    "2026-03-01 08:00:00-05", "2026-03-01 08:00:00.25", "2026-03-01 08:00:00.25Z", "2026-03-01 08:00:00 UTC",
    "2026-03-01 08:00:00+0530", "12026-03-01 08:00:00", "infinity", "epoch", "0001-01-01", "9999-12-31",
    "2026-03-29 02:30:00", "2026-02-30", "1772323200", "1772323200000", "-1772323200", "99999999999999999",
    "2026-03-01 ", " 2026-03-01",
]  # fmt: skip
COLUMNS = [
    {"type": kind} for kind in ("int8", "int16", "int32", "int64", "float32", "float64", "string", "timestamp")
] + [
    {"type": "timestamp", "zone": zone} for zone in ("Asia/Shanghai", "Europe/Berlin")
] + [
    {"type": "timestamp", "parse": parse} for parse in ("iso", "epoch_s", "epoch_ms", "epoch_us")
]  # fmt: skip
SOURCES = [(), ("NULL", "-1"), ("7", "x", "2026-03-01")]


def compare(con, column, nulls, texts):
    """How many texts took the shortcut; none may come out otherwise than by the exact way."""
    source = Source(name="log", files="*", format="csv", null_values=nulls)
    condition, value = shortcut(column, source, "t")
    exact = cast(column, [present("t", "VARCHAR", nulls)], ["VARCHAR"])
    con.execute("CREATE OR REPLACE TEMP TABLE given AS SELECT unnest($1) AS t", [texts])
    rows = f"SELECT t, CASE WHEN {condition} THEN [{value}] END AS short, {exact} AS exact FROM given"
    differs = "short IS NOT NULL AND short[1] IS DISTINCT FROM exact"
    assert con.execute(f"SELECT * FROM ({rows}) WHERE {differs}").fetchall() == []
    return con.execute(f"SELECT count(short) FROM ({rows})").fetchall()[0][0]


@pytest.mark.parametrize(("options", "nulls"), list(itertools.product(COLUMNS, SOURCES)))
def test_a_shortcut_agrees_with_the_cast(con, options, nulls):
    column = Column(name="c", **options)
    assert compare(con, column, nulls, TEXTS) > 0
    draw = random.Random(3)
    alphabet = "0123456789-:.TZ+ eE_aUé\u3000"
    mutated = ["".join(draw.choice(alphabet) if draw.random() < 0.1 else one for one in draw.choice(TEXTS)) for _ in
               range(2000)]  # fmt: skip
    compare(con, column, nulls, mutated)


@pytest.mark.parametrize("options", [{"strip": "€"}, {"extract": r"(\d+)"}])
def test_what_is_no_plain_cell_has_none(options):
    source = Source(name="log", files="*", format="csv")
    assert shortcut(Column(name="c", type="int64", **options), source, "t") is None


def test_a_number_of_another_locale_has_none():
    source = Source(name="log", files="*", format="csv")
    assert shortcut(Column(name="c", type="float64", decimal=","), source, "t") is None
