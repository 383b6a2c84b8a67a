"""Formulas that are written once and computed by SQL or by numpy, to the same last bit.

A term is a DOUBLE expression (`Sql`), an array of float64 or a number. Both engines round each operation as IEEE 754
says, so the same operations in the same order give the same bits.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np


@dataclass(frozen=True)
class Sql:
    """An expression of type DOUBLE."""

    text: str

    def __add__(self, other: "Sql | float") -> "Sql":
        return Sql(f"({self.text} + {text_of(other)})")

    def __sub__(self, other: "Sql | float") -> "Sql":
        return Sql(f"({self.text} - {text_of(other)})")

    def __rmul__(self, other: float) -> "Sql":
        return Sql(f"({text_of(other)} * {self.text})")

    def __truediv__(self, other: "Sql | float") -> "Sql":
        return Sql(f"({self.text} / {text_of(other)})")


Term = TypeVar("Term", Sql, np.ndarray)


def double(value: float) -> str:
    """A number as a DOUBLE literal; a bare 0.5 is a DECIMAL on Spark."""
    return f"CAST({value!r} AS DOUBLE)"


def text_of(term: Any) -> str:
    return term.text if isinstance(term, Sql) else double(term)


def smoothed(known: Term, shown: Term, prior: float, base: Term) -> Term:
    """(known + prior·base) / (shown + prior), at most 1: the two counts may belong to different days.

    Without impressions it is the base: after a day without a log, outcomes alone would make every rate 1.
    """
    return unless_none(shown, at_most((known + prior * base) / (shown + prior), 1.0), base)


def ratio_to_expected(known: Term, expected: Term, prior: Term) -> Term:
    """(known + prior) / (expected + prior): 1 without history."""
    return (known + prior) / (expected + prior)


def excess(known: Term, expected: Term, shown: Term, prior: float) -> Term:
    """(known - expected) / (shown + prior), clipped like a rate: outcomes may be known on other days than shown."""
    return at_most(at_least((known - expected) / (shown + prior), -1.0), 1.0)


def unless_none(count: Any, term: Any, otherwise: Any) -> Any:
    """The term, or the other one where nothing was counted."""
    if isinstance(count, Sql):
        return Sql(f"CASE WHEN {count.text} = 0 THEN {text_of(otherwise)} ELSE {text_of(term)} END")
    return np.where(count == 0, otherwise, term)


def at_most(term: Any, high: float) -> Any:
    return Sql(f"LEAST({term.text}, {double(high)})") if isinstance(term, Sql) else np.minimum(term, high)


def at_least(term: Any, low: float) -> Any:
    return Sql(f"GREATEST({term.text}, {double(low)})") if isinstance(term, Sql) else np.maximum(term, low)
