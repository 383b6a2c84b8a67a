"""A column of two states that never parts from a label is a step of the same funnel, or the label's opposite."""

import duckdb

from hinet_core.draft.plan import Drafted, share
from hinet_core.lake import quote_identifier, quote_literal

LEAST_EXPECTED = 10  # rows that chance would give to a pair of states, so that their lack says something
STILL_NONE = 0.05  # of the rows that chance would give: damage
EARLIER, LATER, OPPOSITE, OTHERWISE = "an earlier step", "a later step", "its opposite", "what happens otherwise"


def state_of(column: Drafted) -> tuple[str, str] | None:
    """The condition for one of the column's two states, in SQL, and its words; None of a column that has more."""
    one, value = column.guess, quote_identifier(column.name)
    if one is None or column.type.startswith("list") or column.type in ("timestamp", "date"):
        return None
    if column.type == "bool":
        return value, "true"
    if one.is_number and one.low == 0 and one.high > 0:
        return f"{value} > 0", "1" if one.is_binary else "above 0"
    if one.distinct == 2 and len(one.top) == 2:
        rare = one.top[-1][0]
        return f"CAST({value} AS VARCHAR) = {quote_literal(rare)}", repr(rare) if column.type == "string" else rare
    if one.distinct == 1 and one.missing:
        return f"{value} IS NOT NULL", "there"
    return None


def never_parts(
    con: duckdb.DuckDBPyConnection, table: str, column: Drafted, task: str, condition: str
) -> tuple[str, str] | None:
    """What the column is to the label when one of their four pairs of states is missing, with its figures."""
    state = state_of(column)
    if state is None:
        return None
    mine, words = state
    both, ones, there, rows = con.execute(
        f"SELECT count(*) FILTER (s AND y), count(*) FILTER (y), count(*) FILTER (s), count(*) FROM "
        f"(SELECT coalesce({mine}, false) AS s, coalesce({condition}, false) AS y FROM {table})"
    ).fetchall()[0]
    if not rows:
        return None

    def missing(found: int, of_state: int, of_label: int) -> bool:
        by_chance = of_state * of_label / rows
        return by_chance >= LEAST_EXPECTED and found <= STILL_NONE * by_chance

    if missing(ones - both, rows - there, ones):
        return EARLIER, f"it is {words} in {both} of {ones} rows with {task} = 1, but in {share(there, rows)} of all"
    if missing(there - both, there, rows - ones):
        return LATER, f"of {there} rows in which it is {words} {both} have {task} = 1, but {share(ones, rows)} of all"
    if missing(both, there, ones):
        return OPPOSITE, f"it is {words} in {both} of {ones} rows with {task} = 1, but in {share(there, rows)} of all"
    if missing(rows - ones - there + both, rows - there, rows - ones):
        return OTHERWISE, f"where it is not {words}, {task} is 1 in {ones - both} of {rows - there} rows"
    return None
