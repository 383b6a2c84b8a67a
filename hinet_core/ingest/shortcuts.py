"""The spelling that nearly every value has, recognised cheaply; whatever else a cell holds goes the exact way.

A shortcut is a condition on the text and the value under it. It may say no to a good value, but under a yes its value
is that of `casts.cast`: tests/ingest/test_shortcuts.py holds the two side by side.
"""

from hinet_core.contract import Column, Source
from hinet_core.ingest.casts import EPOCH_MICROSECONDS, INTEGER_TYPES, no_oddity
from hinet_core.ingest.clock import to_utc
from hinet_core.lake import quote_literal

Shortcut = tuple[str, str]  # condition, value


def shortcut(column: Column, source: Source, raw: str) -> Shortcut | None:
    """For a column that is one cell of text, as the log writes it; None where there is no cheap way."""
    if column.extract or column.strip:
        return None
    found = _shortcut(column, raw)
    nulls = [one for one in (*source.null_values, *column.null_values) if one.strip()]
    if found is None or not nulls:
        return found
    listed = ", ".join(quote_literal(one.strip()) for one in nulls)
    bare = f"NOT starts_with({raw}, ' ') AND NOT suffix({raw}, ' ')"  # as the spellings are compared
    return f"{found[0]} AND {bare} AND {raw} NOT IN ({listed})", found[1]


def _shortcut(column: Column, raw: str) -> Shortcut | None:
    if column.type in INTEGER_TYPES:
        return _whole(raw, column.duckdb_type)
    if column.type in ("float32", "float64") and column.decimal == "." and not column.thousands:
        number = f"TRY_CAST({raw} AS {column.duckdb_type})"
        return f"isfinite({number}) AND {no_oddity(raw)}", number
    if column.type == "string":
        # No blank to trim: neither an ASCII one at an end, nor any of Unicode's.
        return f"{raw} >= '!' AND NOT suffix({raw}, ' ') AND length({raw}) = strlen({raw})", raw
    if column.type == "timestamp" and column.parse in EPOCH_MICROSECONDS:
        condition, number = _whole(raw, "BIGINT")
        moment = f"TRY(make_timestamp({number} * {EPOCH_MICROSECONDS[column.parse]}))"
        return f"{condition} AND {_in_calendar(moment)}", moment
    if column.type == "timestamp" and column.parse in (None, "iso"):
        return _iso(column, raw)
    return None


def _whole(raw: str, kind: str) -> Shortcut:
    """A whole number written as DuckDB would write it: no '+7', '007', '7.0', ' 7'."""
    number = f"TRY_CAST({raw} AS {kind})"
    return f"CAST({number} AS VARCHAR) = {raw}", number


def _iso(column: Column, raw: str) -> Shortcut:
    """2026-03-01 18:30:00.5 in local time, or 2026-03-01T17:30:00Z; DuckDB's cast to TIMESTAMP drops other offsets.

    Years from 1000 to 2999 are far enough from the ends of the calendar that no zone matters.
    """
    bare = f"NOT contains({raw}, '+') AND NOT contains({raw}, 'U') AND NOT {raw} LIKE '%:%-%'"
    year = f"{raw} LIKE '____-%' AND {raw} BETWEEN '1' AND '3'"
    moment = f"TRY_CAST({raw} AS TIMESTAMP)"
    # DuckDB computes a value once where it is the first that a condition asks for, else twice.
    found = f"{moment} IS NOT NULL AND {year} AND {bare}"
    if column.zone == "UTC":
        return found, moment
    return f"{found} AND NOT suffix({raw}, 'Z')", to_utc(column.zone, moment)


def _in_calendar(moment: str) -> str:
    """Far enough from the ends of the calendar that no zone matters."""
    return f"{moment} BETWEEN DATE '1000-01-01' AND DATE '9000-01-01'"
