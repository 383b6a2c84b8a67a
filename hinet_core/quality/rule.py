"""One rule about a day, and the few shapes that rules have: words, expectation and SQL side by side."""

import struct
from dataclasses import dataclass, field
from typing import Any, Literal

from hinet_core.contract import Column
from hinet_core.lake import quote_identifier, quote_literal
from hinet_core.quality.kinds import BY_NAME, Severity

DAY_VIEW = "audited_day"  # the temporary view that rows are judged through


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """One expectation and the words about it.

    `expectation` and `arguments` are Great Expectations' class and its arguments; for `on="facts"` the column
    is one of the frame of facts. `needs` are the columns without which it cannot be judged, `offending` the SQL
    predicate of rows to show. `low` and `high` bound what a finding reports as observed: for rows the share of
    offending rows.
    """

    kind: str
    text: str
    expectation: str
    arguments: dict[str, Any]
    on: Literal["rows", "facts"] = "rows"
    column: str = ""
    scenario_id: str = ""
    needs: tuple[str, ...] = ()
    offending: str = ""
    low: float | None = None
    high: float | None = 0.0
    severity: Severity = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "severity", BY_NAME[self.kind].severity)

    @property
    def check_name(self) -> str:
        return f"{self.kind}: {self.column}" if self.column else self.kind

    @property
    def fact(self) -> str:
        """The name of the measured number that a rule over facts judges."""
        return "|".join((self.kind, self.column, self.scenario_id))


def bounded_fact(
    kind: str, text: str, low: float | None = None, high: float | None = None, column: str = "", scenario_id: str = ""
) -> Rule:
    """A fact between bounds: a value of a frame that has one column per bound and one row per fact under it."""
    return Rule(
        kind=kind,
        on="facts",
        column=column,
        scenario_id=scenario_id,
        text=text,
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"min_value": low, "max_value": high},
        low=low,
        high=high,
    )


def not_null(column: str) -> Rule:
    return Rule(
        kind="not_null",
        column=column,
        text=f"{column} is never missing",
        expectation="ExpectColumnValuesToNotBeNull",
        arguments={"column": column},
        needs=(column,),
        offending=f"{quote_identifier(column)} IS NULL",
    )


def between(column: str, low: float | None, high: float | None) -> Rule:
    name = quote_identifier(column)
    sides = [f"{name} < {number(low)}"] * (low is not None) + [f"{name} > {number(high)}"] * (high is not None)
    bounds = [f"at least {shown(low)}"] * (low is not None) + [f"at most {shown(high)}"] * (high is not None)
    return Rule(
        kind="value_range",
        column=column,
        text=f"{column} is {' and '.join(bounds)}",
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": column, "min_value": low, "max_value": high},
        needs=(column,),
        offending=" OR ".join(sides),
    )


def among(kind: str, column: str, values: list[Any], text: str, literals: str) -> Rule:
    return Rule(
        kind=kind,
        column=column,
        text=text,
        expectation="ExpectColumnValuesToBeInSet",
        arguments={"column": column, "value_set": values},
        needs=(column,),
        offending=f"{quote_identifier(column)} NOT IN ({literals})",
    )


def none_where(kind: str, needs: tuple[str, ...], text: str, offending: str, column: str = "") -> Rule:
    """For what the dialect or Great Expectations lacks: the offending rows are asked for in SQL."""
    query = f"SELECT {', '.join(quote_identifier(name) for name in needs)} FROM @day WHERE {offending}"
    # Great Expectations formats the query: {batch} is the table, a literal brace is doubled.
    escaped = query.replace("{", "{{").replace("}", "}}").replace("@day", "{batch}", 1)
    return Rule(
        kind=kind,
        column=column,
        text=text,
        expectation="UnexpectedRowsExpectation",
        arguments={"unexpected_rows_query": escaped},
        needs=needs,
        offending=offending,
    )


def not_below(kind: str, upper: str, lower: str, text: str, column: str) -> Rule:
    return Rule(
        kind=kind,
        column=column,
        text=text,
        expectation="ExpectColumnPairValuesAToBeGreaterThanB",
        arguments={
            "column_A": upper,
            "column_B": lower,
            "or_equal": True,
            "ignore_row_if": "either_value_is_missing",
        },
        needs=(upper, lower),
        offending=f"{quote_identifier(upper)} < {quote_identifier(lower)}",
    )


def bound(column: Column, value: float | None) -> float | int | None:
    """A bound as the column holds it: whole numbers as integers, so that 64-bit ids stay exact, and others in the
    column's own precision, so that a float32 equal to its bound is inside it."""
    if value is None:
        return None
    if value.is_integer():
        return int(value)
    return rounded(value) if column.type == "float32" else value


def rounded(value: float) -> float:
    """The float32 nearest to a number."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def number(value: float | int | None) -> str:
    """A bound in SQL; a bare 0.1 would be a decimal."""
    return f"CAST({value!r} AS DOUBLE)" if isinstance(value, float) else str(value)


def shown(value: float | int | None) -> str:
    """A bound in words: whole numbers in full, others without the noise of float32."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_typed(column: Column, value: Any) -> Any:
    """An allowed value in the column's type."""
    if column.type == "string":
        return str(value)
    if column.type == "bool":
        return bool(value)
    return rounded(float(value)) if column.type == "float32" else value


def as_literal(column: Column, value: Any) -> str:
    return f"CAST({quote_literal(str(value))} AS {column.duckdb_type})"
