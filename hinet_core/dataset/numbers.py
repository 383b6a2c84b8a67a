"""Numbers to model inputs: a transform, then centred and scaled by the training window, clipped at ±4.

Sums run over whole numbers, so that they do not depend on the order in which rows arrive or threads finish.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from hinet_core.lake import quote_identifier

CLIP = 4.0
RATE_FLOOR = 1e-4
STEPS = 10**6

Transform = Literal["identity", "log1p", "logit", "missing"]


@dataclass(frozen=True)
class Number:
    """One number of a batch: `(transform(column) - mean) / scale`; `missing` is 1 where the column is NULL."""

    name: str
    column: str
    transform: Transform
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Made:
    """(of + prior * base) / (per + prior) as a column; a list is its length, or how often it holds `equal_to`, or how
    many of its items stand in the list `also_in`."""

    name: str
    of: str
    of_list: bool
    equal_to: str = ""
    per: str = ""
    per_list: bool = False
    prior: float = 0.0
    base: float = 0.0
    also_in: str = ""

    @property
    def columns(self) -> list[str]:
        return [one for one in (self.of, self.per, self.equal_to, self.also_in) if one]

    def sql(self) -> str:
        """The value as DOUBLE; missing where a part of it is, and where it would be divided by 0."""
        of = amount_sql(self.of, self.of_list)
        if self.equal_to:
            # A count of texts, as ids are compared everywhere; a list without the value counts 0.
            items, value = quote_identifier(self.of), quote_identifier(self.equal_to)
            # No column of a contract can be called `nth`.
            same = f"len(list_filter({items}, lambda nth: CAST(nth AS VARCHAR) = CAST({value} AS VARCHAR)))"
            of = f"CASE WHEN {value} IS NOT NULL THEN CAST({same} AS DOUBLE) END"
        if self.also_in:
            items, others = (f"CAST({quote_identifier(one)} AS VARCHAR[])" for one in (self.of, self.also_in))
            # Of a missing list, either one, nothing is known.
            of = f"CAST(len(list_filter({items}, lambda nth: list_contains({others}, nth))) AS DOUBLE)"
            of = f"CASE WHEN {quote_identifier(self.also_in)} IS NOT NULL THEN {of} END"
        if not self.per:
            return of
        part = f"({of} + {self.prior * self.base!r})"
        whole = f"({amount_sql(self.per, self.per_list)} + {self.prior!r})"
        return f"CASE WHEN {whole} <> 0 THEN {part} / {whole} END"

    @property
    def transform(self) -> "Transform":
        return "identity" if self.per else "log1p"


def amount_sql(column: str, is_list: bool) -> str:
    """A number, or the length of a list."""
    return f"CAST(len({quote_identifier(column)}) AS DOUBLE)" if is_list else finite_sql(column)


def finite_sql(column: str) -> str:
    """The column as DOUBLE; what is not a finite number is missing."""
    value = f"CAST({quote_identifier(column)} AS DOUBLE)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def transform_sql(column: str, transform: Transform) -> str:
    """The transformed column, NULL where missing."""
    value = finite_sql(column)
    if transform == "log1p":
        # Not GREATEST, which skips NULL and would read a missing value as 0.
        return f"LN(1 + CASE WHEN {value} < 0 THEN 0 ELSE {value} END)"
    if transform == "logit":
        rate = f"LEAST(GREATEST({value}, {RATE_FLOOR}), {1 - RATE_FLOOR})"
        return f"CASE WHEN {value} IS NOT NULL THEN LN({rate} / (1 - {rate})) END"
    return value


def encode_sql(number: Number) -> str:
    """The number as a model reads it; missing is the mean, 0."""
    if number.transform == "missing":
        return f"CASE WHEN {finite_sql(number.column)} IS NULL THEN 1 ELSE 0 END"
    value = f"({transform_sql(number.column, number.transform)} - {number.mean!r}) / {number.scale!r}"
    # LEAST and GREATEST skip NULL, so a missing value is caught before them.
    return f"CASE WHEN {value} IS NULL THEN 0 ELSE LEAST(GREATEST({value}, {-CLIP}), {CLIP}) END"


def fit(
    con: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str], kinds: dict[str, Transform]
) -> tuple[Number, ...]:
    """Scales of the number columns of a view of examples, and an indicator for each that has missing values.

    `kinds` fixes the transform of computed features; another column is taken by logarithm when it is never
    negative and spreads wider than its mean (counts, durations, prices).
    """
    plain = moments(con, rows, [(column, kinds.get(column, "identity")) for column in columns])
    chosen: dict[str, Transform] = {
        column: kinds.get(column) or ("log1p" if plain[column].is_heavy else "identity") for column in columns
    }
    again = [(column, chosen[column]) for column in columns if chosen[column] != kinds.get(column, "identity")]
    found = plain | moments(con, rows, again)
    numbers = []
    for column in columns:
        one = found[column]
        numbers.append(Number(column, column, chosen[column], one.mean, one.deviation or 1.0))
        if one.n_missing:
            numbers.append(Number(f"{column}_missing", column, "missing"))
    return tuple(numbers)


@dataclass(frozen=True)
class Moments:
    low: float
    mean: float
    deviation: float
    n_missing: int

    @property
    def is_heavy(self) -> bool:
        return self.low >= 0 and self.deviation > self.mean


def moments(con: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[tuple[str, Transform]]) -> dict[str, Moments]:
    """Minimum, mean, standard deviation and missing values of each transformed column."""
    if not columns:
        return {}
    values = [transform_sql(column, transform) for column, transform in columns]
    (ranges,) = con.sql(f"SELECT {', '.join(f'MIN({one}), MAX({one})' for one in values)} FROM {rows}").fetchall()
    pairs = [(ranges[2 * i] or 0.0, ranges[2 * i + 1] or 0.0) for i in range(len(values))]
    # What is wider than any number, as -1e308 to 1e308 is, is measured in halves.
    parts = [2.0 if math.isinf(high - low) else 1.0 for low, high in pairs]
    values = [f"({one}) / {part}" if part > 1 else one for one, part in zip(values, parts, strict=True)]
    pairs = [(low / part, high / part) for (low, high), part in zip(pairs, parts, strict=True)]
    units = [(high - low) / STEPS or 1.0 for low, high in pairs]
    # Each value as a whole number of millionths of the range: sums of whole numbers know no order.
    steps = [
        f"CAST(ROUND(({one} - {low!r}) / {unit!r}) AS BIGINT)"
        for one, (low, _), unit in zip(values, pairs, units, strict=True)
    ]
    sums = ", ".join(f"SUM({one}), SUM({one} * {one}), COUNT({one})" for one in steps)
    (row,) = con.sql(f"SELECT COUNT(*), {sums} FROM {rows}").fetchall()
    found = {}
    for i, (column, _) in enumerate(columns):
        total, squares, count = (int(part or 0) for part in row[1 + 3 * i : 4 + 3 * i])
        n = max(count, 1)
        deviation = math.sqrt(n * squares - total * total) / n * units[i]
        mean = pairs[i][0] + total / n * units[i]
        found[column] = Moments(pairs[i][0], mean * parts[i], deviation * parts[i], int(row[0]) - count)
    return found
