"""Intervals: percentiles over bootstrap draws of users, and Wilson's for a plain rate.

All cells of a split share the same draws (`draws`), so that differences between models and means over scenarios are
paired. D draws.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
DRAWS = 400
# Beyond this share of draws without a value (a class is missing) percentiles would be conditional on luck.
MAX_UNDEFINED_DRAWS = 0.05
# Fewer users than this say nothing of users to come.
MIN_USERS = 10


@dataclass(frozen=True)
class Interval:
    """Bounds of a `LEVEL` interval, or None for both with the reason why there are none."""

    low: float | None
    high: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Basis:
    """The users that an interval stands on; of a macro mean those of the scenario `where` there are fewest."""

    n_users: int
    where: str = ""

    @property
    def reason(self) -> str | None:
        """Why they give no interval; None where they do."""
        return too_few(self.n_users, "user", MIN_USERS, self.where)


def over_users(value_D: NDArray[np.float64], basis: Basis, *, constant: bool = False) -> Interval:
    """The percentile interval of draws over these users, or the reason why there is none."""
    reason = basis.reason
    return Interval(None, None, reason) if reason else percentile(value_D, constant=constant)


def normal(value: float, standard_error: float) -> Interval:
    """The interval of an estimate whose errors are about normal."""
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * standard_error
    return Interval(value - half, value + half)


def too_few(n: int, one: str, expected: int, where: str = "") -> str | None:
    """Why so many users, positives or the like in this scenario give no interval; None where they do."""
    if n >= expected:
        return None
    inside = f" in scenario {where}" if where else ""
    return f"no interval: {n} {one if n == 1 else one + 's'}{inside}, expected {expected} or more"


def percentile(value_D: NDArray[np.float64], level: float = LEVEL, *, constant: bool = False) -> Interval:
    """The percentile interval of the draws that have a value.

    Draws that are all equal (a handful of users, perfectly separated) say nothing of the spread, so they
    give no interval, unless `constant` allows it: two equal models differ by exactly 0.
    """
    defined = value_D[~np.isnan(value_D)]
    lost = 1.0 - len(defined) / len(value_D)
    if lost > MAX_UNDEFINED_DRAWS:
        return Interval(None, None, f"no interval: {lost:.0%} of the draws over users lack a class")
    if not constant and len(defined) > 1 and np.ptp(defined) == 0:
        return Interval(None, None, "no interval: every draw over users gives the same value")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def wilson(positives: int, n: int, level: float = LEVEL) -> Interval:
    """Wilson's interval of a rate, rows taken as independent (narrow where users repeat themselves)."""
    if n == 0:
        return Interval(None, None, "no example with a mature label")
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate, spread = positives / n, z * z / n
    centre = (rate + spread / 2) / (1 + spread)
    half = z * math.sqrt(rate * (1 - rate) / n + spread / (4 * n)) / (1 + spread)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
