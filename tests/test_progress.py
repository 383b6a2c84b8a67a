"""What a log says of work under way, by a clock that the test sets."""

import logging

import pytest

from hinet_core import progress
from hinet_core.progress import duration, meter


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set, and no terminal."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    return now


def lines(caplog, clock, ticks, **names):
    clock[0] = 100.0
    with caplog.at_level(logging.INFO, "hinet.progress"), meter("rows read", **names) as show:
        for seconds, done in ticks:
            clock[0] = 100.0 + seconds
            show(done)
    return [record.message for record in caplog.records]


def test_a_line_every_five_seconds_with_pace_and_time_left(caplog, clock):
    ticks = [(1, 1000), (6, 90_000), (8, 100_000), (20, 200_000)]
    assert lines(caplog, clock, ticks, total=300_000, unit="rows") == [
        "rows read: 90000 of 300000 rows, 15,000 rows/s, about 14 s left",
        "rows read: 200000 of 300000 rows, 10,000 rows/s, about 10 s left",
    ]


def test_what_was_done_before_does_not_count_for_the_pace(caplog, clock):
    assert lines(caplog, clock, [(10, 60_000)], total=300_000, unit="rows", start=50_000) == [
        "rows read: 60000 of 300000 rows, 1,000 rows/s, about 4 min left"
    ]


def test_without_a_unit_or_a_total_the_line_is_short(caplog, clock):
    assert lines(caplog, clock, [(6, 7)]) == ["rows read: 7 of ?"]
    caplog.clear()
    assert lines(caplog, clock, [(10, 7000)], unit="rows") == ["rows read: 7000 of ? rows, 700 rows/s"]


def test_durations():
    assert [duration(one) for one in (0.4, 59.4, 90, 3599, 12_240)] == ["0 s", "59 s", "2 min", "60 min", "3.4 h"]
