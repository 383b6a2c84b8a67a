"""Whole numbers that could be times since 1970 are times only where they lie near the log's own days."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from hinet_core.draft import names, shapes
from hinet_core.draft.columns import Guess

YEAR = 366 * 86_400
LEAST_SPAN = 1  # seconds; numbers in a row are microseconds of one moment


def without_false_epochs(guesses: Sequence[Guess]) -> list[Guess]:
    """The columns of one table, in which an id of ten, 13 or 16 digits is no longer taken for a time."""
    days = _own_days(guesses)
    return [one if one.epoch is None or _is_time(one, days) else replace(one, epoch=None) for one in guesses]


def was_taken_for_a_time(one: Guess) -> bool:
    """Whether only its distance from the log's days makes it none."""
    return one.epoch is None and one.type.startswith("int") and shapes.epoch_of(*one.usual) is not None


def _own_days(guesses: Sequence[Guess]) -> tuple[float, float] | None:
    """Between which seconds since 1970 the table's surest time lies, the one with the most different values."""
    moments = [one for one in guesses if one.type == "timestamp"] or [one for one in guesses if one.type == "date"]
    epochs = [one for one in guesses if one.epoch]
    candidates = moments or [one for one in epochs if _named_a_time(one)] or epochs
    surest = max(candidates, key=lambda one: one.distinct, default=None)
    if surest is None or surest.low is None:
        return None
    return _in_seconds(surest) if surest.epoch else (_seconds(surest.low), _seconds(surest.high))


def _is_time(one: Guess, days: tuple[float, float] | None) -> bool:
    if _named_a_time(one) or days is None or one.distinct < 2:
        return True
    low, high = _in_seconds(one)
    return high - low >= LEAST_SPAN and days[0] - YEAR <= high <= days[1] + YEAR


def _named_a_time(one: Guess) -> bool:
    """event_time, but not event_id."""
    return names.speaks_of(one.raw, names.TIME) and not names.ID_WORDS & set(names.words(one.raw))


def _in_seconds(one: Guess) -> tuple[float, float]:
    factor = shapes.EPOCHS[one.epoch or "epoch_s"]
    return one.usual[0] / factor, one.usual[1] / factor


def _seconds(at: date) -> float:
    moment = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
