"""Side tables: files of other columns that share a key with the log. The share of rows matched is measured."""

from dataclasses import dataclass, field

import duckdb

from hinet_core.contract.suspicious import suspicious
from hinet_core.draft import names
from hinet_core.draft.columns import Guess
from hinet_core.draft.groups import Group
from hinet_core.draft.plan import UNSURE, Drafted, Plan, share
from hinet_core.draft.roles import encoding_of
from hinet_core.lake import quote_identifier

ONE_ROW_A_KEY = 0.98
LEAST_MATCHED = 0.02
JOINABLE = ("user", "item", "request", "feature", "plain", "scenario")
COUNTED = ("cnt", "count", "counts", "num", "rate", "ratio", "ctr", "cvr", "avg", "mean")


@dataclass
class Side:
    """A source beside the log; without a key it is only named in a comment."""

    name: str
    group: Group
    join: dict[str, str] = field(default_factory=dict)  # column of the contract -> column of the file
    kind: str = "side"
    why: list[str] = field(default_factory=list)


def join_side(plan: Plan, con: duckdb.DuckDBPyConnection, table: str, group: Group, name: str) -> Side:
    """The key on which most rows of the log find a row of the side table, and the side's columns as inputs."""
    found = Side(name, group)
    best = 0.0
    for own in (one for one in plan.columns if can_join(one)):
        for other in group.guesses:
            if not may_be_the_key(own, other):
                continue
            unique = other.distinct / max(other.rows - other.missing, 1)
            matched = _matched(con, table, own, group, other)
            if unique >= ONE_ROW_A_KEY and matched > max(best, LEAST_MATCHED):
                best = matched
                found.join = {own.name: other.raw}
                found.why = [f"{share(matched, 1)} of the log's rows looked at find their {other.raw!r}"]
                if not group.whole:
                    found.why.append(f"{group.rows} of about {group.rows_in_files} rows of these files were looked at")
            elif matched > LEAST_MATCHED and not found.join:
                found.why = [
                    f"{other.raw!r} would match {share(matched, 1)} of the log's rows, but it has {other.distinct} "
                    f"values in {other.rows} rows: with several rows a key the first would be taken"
                ]
    if found.join:
        _add_columns(plan, found)
    elif not found.why:
        found.why = ["no column shares its values with a column of the log"]
    return found


def can_join(one: Drafted) -> bool:
    typed = one.type in ("string", "int8", "int16", "int32", "int64")
    return one.source is None and one.guess is not None and typed and one.role in JOINABLE


def may_be_the_key(own: Drafted, other: Guess) -> bool:
    """Equal names, or both ids of the same thing, or values of the side that name its rows."""
    if other.type not in ("string", "int8", "int16", "int32", "int64") or own.guess is None:
        return False
    left, right = names.words(own.reads[0]), names.words(other.raw)
    same = left == right or "".join(left).removesuffix("id") == "".join(right).removesuffix("id")
    kin = any(names.names_a(own.reads[0], one) and names.names_a(other.raw, one) for one in (names.USER, names.ITEM))
    bare = own.role in ("user", "item") and (right in (["id"], ["key"]) or other.raw.startswith("col"))
    return same or kin or bare


def _matched(con: duckdb.DuckDBPyConnection, table: str, own: Drafted, group: Group, other: Guess) -> float:
    """The share of the log's rows whose value, as the contract types it, is among the side's."""
    key = f"TRY_CAST(trim(CAST({quote_identifier(f'raw.{other.raw}')} AS VARCHAR)) AS {own_type(own)})"
    found = f"{quote_identifier(own.name)} IN (SELECT {key} FROM {group.table})"
    return con.execute(f"SELECT count(*) FILTER ({found}) / count(*) FROM {table}").fetchall()[0][0]


def own_type(own: Drafted) -> str:
    return "VARCHAR" if own.type == "string" else "BIGINT"


def _add_columns(plan: Plan, side: Side) -> None:
    taken = [one.name for one in plan.columns]
    wanted = [one for one in side.group.guesses if one.raw not in side.join.values()]
    named = names.contract_names([one.raw for one in wanted], taken, prefix=side.name)
    for one in wanted:
        column = Drafted(named[one.raw], [one.raw], dict(one.keys), one, nullable=True, source=side.name)
        column.encode, why = encoding_of(one)
        reason = suspicious(one.raw)
        if reason is None and column.encode == "number" and names.speaks_of(one.raw, COUNTED):
            why.append(f"{UNSURE}if it was counted over the days of the log, it knows the labels: then remove encode")
        if reason is not None and column.encode:
            column.encode = None
            why.append(f"not an input: {reason}, or was counted over the days of the log")
        column.role = "feature" if column.encode else "plain"
        column.why += why
        if one.bad:
            told = f"{one.bad} of {one.rows} rows are no {column.type}, e.g. {one.bad_example!r}: read as missing"
            column.why.append(told)
        plan.columns.append(column)
