"""Wall time by arithmetic is what ICU and Python's calendar say, before, at and after every change of the clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hinet_core.ingest.clock import spans, to_local, to_utc

FIRST, LAST = date(2024, 1, 1), date(2027, 1, 1)
ZONES = ["UTC", "Asia/Shanghai", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
         "Africa/Casablanca", "America/Sao_Paulo"]  # fmt: skip


def moments(zone):
    """Hours over four years, and the seconds around every change."""
    start = datetime(2023, 6, 1)
    found = [start + timedelta(hours=n, minutes=7 * n % 60) for n in range(0, 4 * 366 * 24, 11)]
    for when, _ in spans(zone, FIRST, LAST):
        found += [when + timedelta(seconds=s, microseconds=us) for s in (-3601, -1, 0, 3600) for us in (0, 1)]
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_to_local_is_what_python_says(con, zone):
    # Of later years ICU is asked, and each release of DuckDB brings its own tables (of Morocco, say).
    utc = [one for one in moments(zone) if one.date() < LAST]
    con.execute("CREATE TEMP TABLE t AS SELECT unnest($1) AS utc", [utc])
    got = con.execute(f"SELECT {to_local(zone, 'utc', FIRST, LAST)} FROM t").fetchall()
    local = [one.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for one in utc]
    assert [one for (one,) in got] == local


@pytest.mark.parametrize("zone", ZONES)
def test_to_utc_is_what_icu_says(con, zone):
    con.execute("CREATE TEMP TABLE t AS SELECT unnest($1) AS wall", [[*moments(zone), datetime(1960, 7, 1)]])
    icu = f"timezone('UTC', timezone('{zone}', wall))"
    assert con.execute(f"SELECT count(*) FROM t WHERE {to_utc(zone, 'wall')} IS DISTINCT FROM {icu}").fetchone() == (0,)


def test_what_is_missing_stays_missing(con):
    for sql in (to_local("Europe/Berlin", "t", FIRST, LAST), to_utc("Asia/Shanghai", "t")):
        assert con.execute(f"SELECT {sql} FROM (SELECT CAST(NULL AS TIMESTAMP) AS t)").fetchone() == (None,)
