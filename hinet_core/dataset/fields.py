"""The token of each id field in a row, as SQL: a column's text, the hour and weekday, a bucket, a cross.

A missing value has no token (NULL), which the vocabulary knows as one of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from hinet_core.contract import Buckets
from hinet_core.dataset.numbers import finite_sql
from hinet_core.lake import quote_identifier

# Fields that every log has: the hour and the weekday (0 = Monday; day 0 of 1970 is a Thursday).
CALENDAR = {"hour": "hour", "weekday": "((day_number + 3) % 7)"}


@dataclass(frozen=True)
class Bucketed:
    """A number as an id: bucket k holds x with bounds[k-1] <= x < bounds[k], the first and the last are open."""

    name: str
    column: str
    bounds: tuple[float, ...]

    def token_sql(self) -> str:
        value = finite_sql(self.column)
        cases = [f"WHEN {value} >= {exact(bound)} THEN '{k}'" for k, bound in enumerate(self.bounds, 1)]
        return f"CASE WHEN {value} IS NULL THEN NULL {' '.join(reversed(cases))} ELSE '0' END"


@dataclass(frozen=True)
class Crossed:
    """Several id fields as one; missing when any of them is."""

    name: str
    parts: tuple[str, ...]


def column_token_sql(name: str) -> str:
    """The token of a plain column, or of the calendar."""
    return f"CAST({CALENDAR.get(name, quote_identifier(name))} AS VARCHAR)"


def cross_sql(parts: Sequence[str]) -> str:
    """The tokens of several fields as one text that no other tokens give: a JSON list."""
    known = " AND ".join(f"{part} IS NOT NULL" for part in parts)
    return f"CASE WHEN {known} THEN CAST(json_array({', '.join(parts)}) AS VARCHAR) END"


def token_sql(
    fields: Iterable[str], crosses: Iterable[Crossed], buckets: Iterable[Bucketed]
) -> dict[str, str]:
    """The token of every field, by its name."""
    made = {one.name: one.token_sql() for one in buckets}
    made |= {
        one.name: cross_sql([made.get(part) or column_token_sql(part) for part in one.parts]) for one in crosses
    }
    return {name: made.get(name) or column_token_sql(name) for name in fields}


def exact(value: float) -> str:
    """A number as the DOUBLE that it is; a bare 0.1 would be a decimal first."""
    return f"CAST('{value!r}' AS DOUBLE)"


def fit_buckets(con: duckdb.DuckDBPyConnection, rows: str, declared: Iterable[Buckets]) -> tuple[Bucketed, ...]:
    """The bounds of each number: as declared, or from a view of the training window."""
    return tuple(
        Bucketed(one.name, one.of, one.bounds or quantile_bounds(con, rows, one.of, one.quantiles or 1))
        for one in declared
    )


def quantile_bounds(con: duckdb.DuckDBPyConnection, rows: str, column: str, n_buckets: int) -> tuple[float, ...]:
    """Bounds of up to `n_buckets` buckets with equally many rows: the k-th is the least value with at least k of
    n_buckets parts of the rows below it.

    Every bound is a value of the rows and every bucket holds rows: where many tie, there are fewer buckets. Missing
    values do not count. Counted per value, so that DuckDB may spill and the order of rows cannot matter.
    """
    bounds = ", ".join(f"MIN(x) FILTER (below * {n_buckets} >= {k} * total)" for k in range(1, n_buckets))
    found = con.sql(f"""
        WITH counted AS (SELECT x, COUNT(*) AS n FROM (SELECT {finite_sql(column)} AS x FROM {rows})
                         WHERE x IS NOT NULL GROUP BY x),
             placed AS (SELECT x, SUM(n) OVER (ORDER BY x) - n AS below, SUM(n) OVER () AS total FROM counted)
        SELECT {bounds} FROM placed""").fetchall()
    return tuple(sorted({bound for row in found for bound in row if bound is not None}))
