"""Intervals of shares, of counts and of differences between shares, all at 95 %.

A bound is judged by the point of the interval that is nearest to it, so a handful of rows cannot fail it by chance.
"""

import math

Z95 = 1.959963984540054
Interval = tuple[float, float]


def wilson(part: int, whole: int) -> Interval:
    """Of a share (Wilson 1927); its ends are exact at 0 and 1."""
    share, z2 = part / whole, Z95 * Z95
    centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = Z95 / (1 + z2 / whole) * math.sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    return (0.0 if part == 0 else centre - half), (1.0 if part == whole else centre + half)


def newcombe(part: int, whole: int, part_before: int, whole_before: int) -> Interval:
    """Of the difference of two independent shares, now minus before (Newcombe 1998, method 10)."""
    now, before = part / whole, part_before / whole_before
    low, high = wilson(part, whole)
    low_before, high_before = wilson(part_before, whole_before)
    difference = now - before
    return (
        difference - math.hypot(now - low, high_before - before),
        difference + math.hypot(high - now, before - low_before),
    )


def ratio(part: int, whole: int, part_before: int, whole_before: int) -> Interval:
    """Of the ratio of two shares, from the ends of both intervals: wider than 95 %, and never undefined."""
    low, high = wilson(part, whole)
    low_before, high_before = wilson(part_before, whole_before)
    return low / high_before, (high / low_before if low_before > 0 else math.inf)


def poisson(count: int) -> Interval:
    """Of the mean behind a count, by the score test."""
    half = Z95 * math.sqrt(count + Z95 * Z95 / 4)
    centre = count + Z95 * Z95 / 2
    return max(centre - half, 0.0), centre + half


def nearest(value: float, interval: Interval, low: float | None, high: float | None) -> float:
    """The point of the interval that is nearest to the allowed band; `value` itself when that lies inside."""
    within = max(value, low) if low is not None else value
    within = min(within, high) if high is not None else within
    return min(max(within, interval[0]), interval[1])
