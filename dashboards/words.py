"""How numbers read: one format per kind of number, always with its unit, and a reason where there is none."""

import math
from datetime import UTC, datetime

import pandas as pd

LOW_N = 50


def missing(value: object) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)) or value is pd.NA


def four(value: float | None) -> str:
    """A metric such as AUC or logloss: 0.7132."""
    return "n/a" if value is None or missing(value) else f"{value:.4f}"


def number(value: float) -> str:
    """A measured value of unknown unit: whole when it is whole, else four figures, never with an exponent."""
    if float(value).is_integer():
        return count(value)
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as 4.2 %."""
    return "n/a" if value is None or missing(value) else f"{100 * value:.{digits}f} %"


def signed_percent(value: float | None) -> str:
    """A relative change as +1.87 % or -0.42 %, with a true minus sign."""
    if value is None or missing(value):
        return "n/a"
    return f"{100 * value:+.2f} %".replace("-", "\N{MINUS SIGN}")


def signed_four(value: float | None) -> str:
    if value is None or missing(value):
        return "n/a"
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def count(value: float | None) -> str:
    """A count with thin separators: 40 000."""
    return "n/a" if value is None or missing(value) else f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def plural(number: int, noun: str) -> str:
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def interval(low: float | None, high: float | None, form: object = four, level: float | None = 0.95) -> str:
    """'95 % interval 0.7101 to 0.7163', or that there is none."""
    if low is None or high is None or missing(low) or missing(high):
        return "no interval"
    share = 95 if level is None or missing(level) else round(100 * level)
    write = form if callable(form) else four
    return f"{share} % interval {write(low)} to {write(high)}"


def age(moment: datetime) -> str:
    """How long ago, in the largest fitting unit."""
    minutes = max(0, int((datetime.now(UTC) - moment).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} days ago"


def iso(day: object) -> str:
    """A day as 2026-03-14."""
    return "n/a" if missing(day) else str(day)[:10]
