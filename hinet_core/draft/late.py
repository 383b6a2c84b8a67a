"""Files of outcomes that come later than the exposures: their key tells exposures apart, and they bring what happened
or when."""

from collections.abc import Sequence
from datetime import timedelta

import duckdb

from hinet_core.contract import Column
from hinet_core.draft import names
from hinet_core.draft.columns import Guess
from hinet_core.draft.groups import Group
from hinet_core.draft.leaks import wait_for
from hinet_core.draft.outcomes import MOST_TASKS, held
from hinet_core.draft.plan import UNSURE, Drafted, Plan, Task, share
from hinet_core.draft.roles import names_a_row
from hinet_core.draft.sides import Side, can_join, may_be_the_key, own_type
from hinet_core.ingest.casts import cast, present
from hinet_core.lake import quote_identifier, quote_literal

TELLS_APART = 0.5  # a key with fewer values per different row of the log is that of a side table
BELONG = 0.5  # of a file's rows looked at, to an exposure looked at
FOLLOWS = 0.95  # of the outcomes, to exposures with the earlier step
CLOCKS_AGREE = 0.05  # of the outcomes may be dated before their exposure
HAPPENED = names.CLICKED + names.ORDERED
UNKNOWN_DELAY = "24h"
MOST_EVENTS = 12


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
    event = next((one for one in rest if few_names(one)), None)
    _stage(con, plan, group, join, time, event)
    belonging = con.execute(
        f"SELECT count(*) FILTER (({own}) IN (SELECT ({own}) FROM {table})) / count(*) FROM late"
    ).fetchall()[0][0]
    if belonging < BELONG:
        return None
    side = Side(name, group, join, "outcomes", [f"{share(belonging, 1)} of its rows looked at belong to an exposure"])
    several = event is not None and flag is None and names.several_events([text for text, _ in event.top])
    _add_columns(plan, side, rest, time, event if several else flag)
    if event is not None and several:
        plan.tasks += _tasks_of_events(plan, con, table, side, time, event)
    else:
        task = _task(plan, con, table, side, time, flag)
        task.why += [_all_alike(event)] if event is not None else []
        plan.tasks.append(task)
    plan.missing = [one for one in plan.missing if one != "outcome"]
    return side


def few_names(one: Guess) -> bool:
    """Whether the column can say which of several events a row is."""
    return one.type == "string" and 2 <= one.distinct <= MOST_EVENTS


def _all_alike(event: Guess) -> str:
    names_of_events = ", ".join(text for text, _ in event.top)
    return (f"{UNSURE}{event.raw!r} has {event.distinct} values ({names_of_events}), which all count alike here; where "
            "they are events of their own, give each a task with a label of `column` and `equals`")  # fmt: skip


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
    con: duckdb.DuckDBPyConnection, plan: Plan, group: Group, join: dict[str, str], time: Guess | None,
    event: Guess | None,
) -> None:  # fmt: skip
    """Table `late`: the keys as the contract types them, when it was known and which event it was."""
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
    named = "NULL"
    if event is not None:
        named = present(quote_identifier(f"raw.{event.raw}"), group.columns[event.raw], tuple(group.null_values))
    parts.append(f'{named} AS "late.event"')
    query = f"SELECT {', '.join(parts)}, {known} AS \"late.known\", rowid AS \"late.row\" FROM {group.table}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE late AS {query}").fetchall()


def _add_columns(plan: Plan, side: Side, rest: Sequence[Guess], time: Guess | None, told_by: Guess | None) -> None:
    named = names.contract_names([one.raw for one in rest], [one.name for one in plan.columns], prefix=side.name)
    for one in rest:
        column = Drafted(named[one.raw], [one.raw], dict(one.keys), one, nullable=True, source=side.name)
        if one is time:
            column.role, column.keys, column.nullable = "known_at", _keys_of_time(one), False
            column.why.append("when it was known")
        elif one is told_by:
            column.role, column.nullable = "outcome", one.missing > 0 and not one.is_binary
        else:
            column.why.append("known after the exposure: never an input")
        plan.columns.append(column)


def _tasks_of_events(
    plan: Plan, con: duckdb.DuckDBPyConnection, table: str, side: Side, time: Guess | None, event: Guess
) -> list[Task]:  # fmt: skip
    """A task for each event name, the frequent before the rare; one comes after another whose exposures it shares."""
    column = next(one.name for one in plan.columns if one.source == side.name and one.reads == [event.raw])
    own = ", ".join(map(quote_identifier, side.join))
    acts = [text for text, _ in event.top if names.acts(text)]
    named = names.contract_names(acts, [one.name for one in plan.tasks])
    found: list[Task] = []
    for place, text in enumerate(acts):
        is_it = f'"late.event" = {quote_literal(text)}'
        task = Task(named[text], {"column": column, "equals": text}, live=place < MOST_TASKS)
        _follow_the_log(plan, con, table, side, task, is_it)
        for earlier in reversed(acts[:place]):
            both, mine = con.execute(
                f"SELECT count(*) FILTER (({own}) IN (SELECT ({own}) FROM late WHERE \"late.event\" = "
                f"{quote_literal(earlier)})), count(*) FROM (SELECT DISTINCT {own} FROM late WHERE {is_it})"
            ).fetchall()[0]
            if mine and both >= FOLLOWS * mine:
                task.after = named[earlier]
                task.why = [f"{both} of {mine} also have {earlier}; the others are clipped to 0"]
                break
        _time_it(plan, con, table, side, task, time, is_it)
        found.append(task)
    return found


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
    _follow_the_log(plan, con, table, side, task)
    _time_it(plan, con, table, side, task, time)
    return task


def _joined(table: str, side: Side, condition: str) -> str:
    own = ", ".join(map(quote_identifier, side.join))
    return f"{table} JOIN (SELECT * FROM late WHERE {condition}) AS late USING ({own})"


def _follow_the_log(
    plan: Plan, con: duckdb.DuckDBPyConnection, table: str, side: Side, task: Task, condition: str = "true"
) -> None:
    """Put the task after the last step of the log that nearly all its exposures have."""
    joined = _joined(table, side, condition)
    of_the_log = [one.name for one in plan.columns if one.source is None]
    for earlier in (one for one in plan.tasks if one.live and one.label["column"] in of_the_log):
        both, rows = con.execute(
            f"SELECT count(*) FILTER ({held(plan, earlier) or 'false'}), count(*) FROM {joined}"
        ).fetchall()[0]
        if rows and both >= FOLLOWS * rows:
            task.after = earlier.name
            task.why = [f"{both} of {rows} also have {earlier.name}; the others are clipped to 0"]


def _time_it(
    plan: Plan, con: duckdb.DuckDBPyConnection, table: str, side: Side, task: Task, time: Guess | None,
    condition: str = "true",
) -> None:  # fmt: skip
    """When the task is known, and a window that holds every delay seen."""
    if time is None:
        task.matures_after = UNKNOWN_DELAY
        task.why.append(f"{UNSURE}no time tells how late these come: {UNKNOWN_DELAY} after the exposure is assumed")
        return
    shown = quote_identifier(plan.one("time").name)  # type: ignore[union-attr]
    joined = _joined(table, side, condition)
    delay = f'epoch_us("late.known") - epoch_us({shown})'
    delays = (
        f"SELECT min({delay}) FILTER ({delay} >= 0) AS d, min(-({delay})) AS e FROM {joined} GROUP BY \"late.row\""
    )
    before, early = con.execute(
        f"SELECT count(*) FILTER (d IS NULL) / count(*), median(e) FILTER (d IS NULL) FROM ({delays})"
    ).fetchall()[0]
    if before > CLOCKS_AGREE:
        apart = timedelta(seconds=round(early / 1e6))
        task.why.append(
            f"{UNSURE}{share(before, 1)} of these are dated before their exposure, half of them {apart} or more, and "
            "so do not count: is one of the two times local, so that it needs `zone`?"
        )
    task.known_at = next(one.name for one in plan.columns if one.source == side.name and one.reads == [time.raw])
    wait_for(con, task, delays)
