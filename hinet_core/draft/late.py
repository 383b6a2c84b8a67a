"""Files of outcomes that come later than the exposures: their key tells exposures apart, and they bring what happened
or when."""

from collections.abc import Sequence
from datetime import timedelta

import duckdb

from hinet_core.contract import Column
from hinet_core.draft import names
from hinet_core.draft.columns import Guess
from hinet_core.draft.groups import Group
from hinet_core.draft.leaks import as_duration
from hinet_core.draft.outcomes import held
from hinet_core.draft.plan import UNSURE, Drafted, Plan, Task, share
from hinet_core.draft.roles import names_a_row
from hinet_core.draft.sides import Side, can_join, may_be_the_key, own_type
from hinet_core.ingest.casts import cast, present
from hinet_core.lake import quote_identifier

TELLS_APART = 0.5  # a key with fewer values per different row of the log is that of a side table
BELONG = 0.5  # of a file's rows looked at, to an exposure looked at
FOLLOWS = 0.95  # of the outcomes, to exposures with the earlier step
CLOCKS_AGREE = 0.05  # of the outcomes may be dated before their exposure
HAPPENED = names.CLICKED + names.ORDERED
UNKNOWN_DELAY = "24h"


def late_outcomes(plan: Plan, con: duckdb.DuckDBPyConnection, table: str, group: Group, name: str) -> Side | None:
    """The files as a source of kind `outcomes`, its columns and its task in the plan; None where they are no such."""
    join = _key(plan, group)
    rest = [one for one in group.guesses if one.raw not in join.values()]
    time = next((one for one in rest if one.type == "timestamp" or one.epoch), None)
    binary = [one for one in rest if one.is_binary]
    flag = next((one for one in binary if names.speaks_of(one.raw, HAPPENED)), binary[0] if binary else None)
    exposed = plan.one("time")
    if not join or (time is None and flag is None) or exposed is None or not exposed.reads:
        return None
    own = ", ".join(quote_identifier(one) for one in join)
    apart, rows = con.execute(
        f"SELECT (SELECT count(*) FROM (SELECT DISTINCT {own} FROM {table})), "
        f"(SELECT count(*) FROM (SELECT DISTINCT * EXCLUDE (source_file) FROM {table}))"
    ).fetchall()[0]
    if apart < TELLS_APART * rows:
        return None
    _stage(con, plan, group, join, time)
    belonging = con.execute(
        f"SELECT count(*) FILTER (({own}) IN (SELECT ({own}) FROM {table})) / count(*) FROM late"
    ).fetchall()[0][0]
    if belonging < BELONG:
        return None
    side = Side(name, group, join, "outcomes", [f"{share(belonging, 1)} of its rows looked at belong to an exposure"])
    _add_columns(plan, side, rest, time, flag)
    plan.tasks.append(_task(plan, con, table, side, time, flag))
    plan.missing = [one for one in plan.missing if one != "outcome"]
    return side


def _key(plan: Plan, group: Group) -> dict[str, str]:
    """Columns of the log that name somebody, something or the row, each with the file's column of the same."""
    join: dict[str, str] = {}
    for own in plan.columns:
        of_ids = own.role in ("user", "item", "request") or names.ID_WORDS & set(names.words(own.name))
        if can_join(own) and (of_ids or (own.guess is not None and names_a_row(own.guess))):
            found = [one.raw for one in group.guesses if one.raw not in join.values() and may_be_the_key(own, one)]
            join |= {own.name: found[0]} if found else {}
    return join


def _keys_of_time(time: Guess) -> dict[str, str]:
    return {"type": "timestamp", "parse": time.epoch} if time.epoch else dict(time.keys)


def _stage(
    con: duckdb.DuckDBPyConnection, plan: Plan, group: Group, join: dict[str, str], time: Guess | None
) -> None:
    """Table `late`: the keys as the contract types them, and when it was known."""
    types = {one.name: own_type(one) for one in plan.columns}
    parts = [
        f"TRY_CAST(trim(CAST({quote_identifier(f'raw.{raw}')} AS VARCHAR)) AS {types[own]}) AS {quote_identifier(own)}"
        for own, raw in join.items()
    ]
    known = "NULL::TIMESTAMP"
    if time is not None:
        kind = group.columns[time.raw]
        value = present(quote_identifier(f"raw.{time.raw}"), kind, tuple(group.null_values))
        known = cast(Column.model_validate({"name": "known", **_keys_of_time(time)}), [value], [kind])
    query = f"SELECT {', '.join(parts)}, {known} AS \"late.known\", rowid AS \"late.row\" FROM {group.table}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE late AS {query}").fetchall()


def _add_columns(plan: Plan, side: Side, rest: Sequence[Guess], time: Guess | None, flag: Guess | None) -> None:
    named = names.contract_names([one.raw for one in rest], [one.name for one in plan.columns], prefix=side.name)
    for one in rest:
        column = Drafted(named[one.raw], [one.raw], dict(one.keys), one, nullable=True, source=side.name)
        if one is time:
            column.role, column.keys, column.nullable = "known_at", _keys_of_time(one), False
            column.why.append("when it was known")
        elif one is flag:
            column.role, column.nullable = "outcome", False
        else:
            column.why.append("known after the exposure: never an input")
        plan.columns.append(column)


def _task(
    plan: Plan, con: duckdb.DuckDBPyConnection, table: str, side: Side, time: Guess | None, flag: Guess | None
) -> Task:
    """What the files say happened; it follows the last step of the log that nearly all its exposures have."""
    mine = {one.reads[0]: one.name for one in plan.columns if one.source == side.name}
    taken = [one.name for one in plan.tasks]
    spoken = mine[flag.raw] if flag is not None else side.name.removesuffix("s")
    stem = spoken.removeprefix("is_").removeprefix("has_")
    name = names.contract_names([stem], taken)[stem]
    told = {"column": mine[flag.raw]} if flag is not None else {"column": mine[time.raw], "present": True}  # type: ignore[union-attr]
    task = Task(name, told)
    own, shown = ", ".join(map(quote_identifier, side.join)), quote_identifier(plan.one("time").name)  # type: ignore[union-attr]
    joined = f"{table} JOIN late USING ({own})"
    of_the_log = [one.name for one in plan.columns if one.source is None]
    for earlier in (one for one in plan.tasks if one.live and one.label["column"] in of_the_log):
        both, rows = con.execute(
            f"SELECT count(*) FILTER ({held(plan, earlier) or 'false'}), count(*) FROM {joined}"
        ).fetchall()[0]
        if rows and both >= FOLLOWS * rows:
            task.after = earlier.name
            task.why = [f"{both} of {rows} also have {earlier.name}; the others are clipped to 0"]
    if time is None:
        task.matures_after = UNKNOWN_DELAY
        task.why.append(f"{UNSURE}no time tells how late these come: {UNKNOWN_DELAY} after the exposure is assumed")
        return task
    delay = f'epoch_us("late.known") - epoch_us({shown})'
    longest, before, early = con.execute(
        "SELECT max(d), count(*) FILTER (d IS NULL) / count(*), median(e) FILTER (d IS NULL) FROM (SELECT "
        f"min({delay}) FILTER ({delay} >= 0) AS d, min(-({delay})) AS e FROM {joined} GROUP BY \"late.row\")"
    ).fetchall()[0]
    if before > CLOCKS_AGREE:
        apart = timedelta(seconds=round(early / 1e6))
        task.why.append(
            f"{UNSURE}{share(before, 1)} of these are dated before their exposure, half of them {apart} or more, and "
            "so do not count: is one of the two times local, so that it needs `zone`?"
        )
    task.known_at = mine[time.raw]
    task.window = as_duration(timedelta(microseconds=max(longest or 0, 0)))
    task.why.append(f"the longest delay seen is {timedelta(microseconds=longest or 0)}: later outcomes will not count")
    return task
