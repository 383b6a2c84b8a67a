"""Where the labels are: columns of 0 and 1, of event names, of codes, of ratings; each becomes an outcome and tasks."""

from collections.abc import Sequence

import duckdb

from hinet_core.contract.suspicious import suspicious
from hinet_core.draft import names
from hinet_core.draft.nested import EARLIER, LATER, never_parts
from hinet_core.draft.plan import UNSURE, Drafted, Plan, Task, share
from hinet_core.draft.shapes import Keys
from hinet_core.lake import quote_identifier, quote_literal

INSIDE = 0.95  # of a later step's positives that have the earlier one
MOST_TASKS = 3


def assign_outcomes(plan: Plan, con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Find the labels and order them as a funnel. `table`: the log's columns under their contract names, typed."""
    _name_outcomes(plan)
    plan.tasks = (
        _binary_tasks(plan, con, table) or _event_tasks(plan) or _coded_tasks(plan) or _rating_task(plan)
        or _any_binary_task(plan, con, table) or _stay_task(plan)
    )  # fmt: skip
    if not plan.tasks:
        plan.missing.append("outcome")


def _name_outcomes(plan: Plan) -> None:
    for column in plan.columns:
        if column.role != "plain" or column.guess is None:
            continue
        why = suspicious(column.reads[0])
        acted = names.speaks_of(column.reads[0], names.CLICKED + names.ORDERED)
        if why is None and acted and says_yes(column) is not None:
            why = "yes or no, and named like something that somebody did"
        if why is not None:
            column.role = "outcome"
            column.why.append(f"never an input: {why}")


def _count(con: duckdb.DuckDBPyConnection, table: str, condition: str) -> int:
    return con.execute(f"SELECT count(*) FILTER ({condition}) FROM {table}").fetchall()[0][0]


def says_yes(column: Drafted) -> Keys | None:
    """What a column that says yes or no has where it says yes, as keys of a condition; None of other columns.

    0 and 1 need none; of two words one denies (ja, nein; clicked, not_clicked); a single one stands or is missing.
    """
    one = column.guess
    if one is None or not (one.is_binary or one.type == "string") or not 1 <= one.distinct <= 2:
        return None
    yes = [text for text, _ in one.top if text not in ("0", "false") and not names.says_no(text)]
    if one.distinct == 1 and one.missing and yes:
        return {"present": True}
    if one.is_binary:
        return {}
    return {"equals": yes[0]} if len(yes) == 1 and one.distinct == 2 else None


def _is_one(column: Drafted) -> str:
    value, told = quote_identifier(column.name), says_yes(column) or {}
    if "equals" in told:
        return f"{value} = {quote_literal(told['equals'])}"
    if "present" in told:
        return f"{value} IS NOT NULL"
    return value if column.type == "bool" else f"{value} = 1"


def held(plan: Plan, task: Task) -> str:
    """The condition that a task's label is 1, in SQL over the typed table; '' when it cannot be said."""
    column = next((one for one in plan.columns if one.name == task.label["column"]), None)
    if column is None:
        return ""
    value = quote_identifier(column.name)
    if "present" in task.label:
        return f"{value} IS NOT NULL"
    if "at_least" in task.label:
        return f"{value} >= {task.label['at_least']!r}"
    options = task.label.get("one_of") or ([task.label["equals"]] if "equals" in task.label else None)
    if options is None:
        return _is_one(column)
    return f"CAST({value} AS VARCHAR) IN ({', '.join(quote_literal(str(one)) for one in options)})"


def _binary_tasks(plan: Plan, con: duckdb.DuckDBPyConnection, table: str) -> list[Task]:
    """One task per outcome of yes and no, the frequent before the rare; a later step names the earlier one."""
    found = [one for one in plan.with_role("outcome") if says_yes(one) is not None
             and not names.denies(one.reads[0]) and _count(con, table, _is_one(one))]  # fmt: skip
    return _funnel(found, con, table)


def _funnel(columns: Sequence[Drafted], con: duckdb.DuckDBPyConnection, table: str) -> list[Task]:
    positives = {one.name: _count(con, table, _is_one(one)) for one in columns}
    rows = max((one.guess.rows for one in columns if one.guess), default=0)
    ordered = sorted(columns, key=lambda one: -positives[one.name])
    tasks: list[Task] = []
    for place, column in enumerate(ordered):
        mine = positives[column.name]
        task = Task(_task_name(column), {"column": column.name} | (says_yes(column) or {}))
        task.why.append(f"{_yes(column)} in {mine} of {rows} rows looked at ({share(mine, rows)})")
        for earlier in reversed(ordered[:place]):
            both = _count(con, table, f"{_is_one(column)} AND {_is_one(earlier)}")
            if both >= INSIDE * mine and positives[earlier.name] > mine:
                task.after = _task_name(earlier)
                task.why.append(
                    f"{both} of its {mine} rows also have {earlier.name}; the other {mine - both} are clipped to 0"
                )
                break
        tasks.append(task)
    _choose_live(tasks, ordered)
    return tasks


def _yes(column: Drafted) -> str:
    told = says_yes(column) or {}
    return repr(told["equals"]) if "equals" in told else "there" if told else "1"


def _task_name(column: Drafted) -> str:
    """is_click -> click, purchased -> purchased."""
    return column.name.removeprefix("is_").removeprefix("has_")


def _choose_live(tasks: list[Task], columns: Sequence[Drafted]) -> None:
    """The most frequent step and the orders are modelled at once; the others wait as comments."""
    wanted = [task for task, column in zip(tasks, columns, strict=True)
              if names.speaks_of(column.reads[0], names.ORDERED)]  # fmt: skip
    wanted = list({id(one): one for one in [*tasks[:1], *wanted, *tasks[1:2]]}.values())[:MOST_TASKS]
    for task in tasks:
        task.live = any(task is one for one in wanted)
    by_name = {task.name: task for task in tasks}
    for task in tasks:  # a live task comes after a live one
        while task.live and task.after and not by_name[task.after].live:
            task.after = by_name[task.after].after


def _event_tasks(plan: Plan) -> list[Task]:
    """A column of event names: each row is one event, and a task says which event it was."""
    for column in plan.columns:
        one = column.guess
        if column.role not in ("plain", "outcome") or one is None or one.type != "string" or one.distinct > 12:
            continue
        texts = [text for text, _ in one.top]
        if not names.are_events(texts):
            continue
        column.role = "outcome"
        column.why.append(
            f"{UNSURE}event names: each row of this log is one event, not one exposure with its outcomes. Rows of "
            "other events count as label 0"
        )
        rows = dict(one.top)
        return [
            Task(names.contract_names([text])[text], {"column": column.name, "equals": text}, live=place < MOST_TASKS,
                 why=[f"{rows[text]} of {one.rows} rows looked at ({share(rows[text], one.rows)})"])
            for place, text in enumerate(text for text in texts if names.acts(text) and not names.says_no(text))
        ]  # fmt: skip
    return []


def _coded_tasks(plan: Plan, named: bool = True) -> list[Task]:
    """A column of steps 0, 1, 2: shown, clicked, clicked and ordered."""
    for column in plan.columns:
        one = column.guess
        if column.role not in ("plain", "outcome") or one is None or not one.type.startswith("int"):
            continue
        steps = one.distinct - 1
        if one.low != 0 or one.high != steps or not 2 <= steps <= 4:
            continue
        if named and not names.speaks_of(column.reads[0], names.CODED):
            continue
        column.role = "outcome"
        column.values = list(range(steps + 1))
        column.why.append(f"{UNSURE}0 … {steps}, read as steps of a funnel that include the steps before")
        step_names = ["click", "order", "step_3", "step_4"]
        return [
            Task(step_names[step - 1], {"column": column.name, "one_of": list(range(step, steps + 1))},
                 after=step_names[step - 2] if step > 1 else None)
            for step in range(1, steps + 1)
        ]  # fmt: skip
    return []


def _rating_task(plan: Plan) -> list[Task]:
    for column in plan.columns:
        one = column.guess
        if one is None or not one.is_number or not names.speaks_of(column.reads[0], names.RATING) or one.high is None:
            continue
        if column.role in ("plain", "outcome") and 2 <= one.distinct <= 20 and one.high > 2:
            column.role = "outcome"
            limit = round(0.8 * float(one.high), 2)
            why = f"{UNSURE}a rating of at least {limit:g} of {float(one.high):g} counts as liked"
            return [Task("liked", {"column": column.name, "at_least": limit}, why=[why])]
    return []


def _any_binary_task(plan: Plan, con: duckdb.DuckDBPyConnection, table: str) -> list[Task]:
    """No name tells of an outcome: the last column of 0 and 1, codes without a telling name, then any such column."""
    found = [one for one in plan.columns if one.role == "plain" and one.guess and one.guess.is_binary
             and one.guess.distinct == 2]  # fmt: skip
    if not found:
        return _coded_tasks(plan, named=False)
    chosen, others = found[-1], found[:-1]
    related = {one.name: never_parts(con, table, one, chosen.name, _is_one(chosen)) for one in others}
    steps = [one for one in others if (same := related[one.name]) is not None and same[0] in (EARLIER, LATER)]
    for one in others:
        if one in steps:
            one.why.append(
                f"{UNSURE}never an input: {related[one.name][1]}, as of a step of a funnel; if it is known before the "  # type: ignore[index]
                "exposure, make it a feature and take out its task"
            )
        else:
            one.why.append(f"{UNSURE}0 or 1, and no name tells whether it is an outcome; if so, never an input")
    for one in (*steps, chosen):
        one.role = "outcome"
    tasks = _funnel([*steps, chosen], con, table)
    mine = next(task for task in tasks if task.label["column"] == chosen.name)
    more = f"; also of 0 and 1: {', '.join(repr(one.reads[0]) for one in others)}" if others else ""
    mine.why.insert(0, f"{UNSURE}no name tells of an outcome; this is the last column of 0 and 1{more}")
    return tasks


def _stay_task(plan: Plan) -> list[Task]:
    """Only how long somebody stayed is known: longer than the middle of what was seen."""
    for column in plan.with_role("outcome"):
        one = column.guess
        if one is not None and one.is_number and one.low is not None and one.high > one.low:
            middle = (float(one.low) + float(one.high)) / 2
            why = f"{UNSURE}nothing but {column.name} tells an outcome; choose the number from which it counts"
            return [Task("stayed", {"column": column.name, "at_least": round(middle, 3)}, why=[why])]
    return []
