"""What makes a row refused: a list of (reason, condition), derived from the contract.

A row collects every reason that holds, never only the first.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from hinet_core.contract import Column, Condition, Contract, Task
from hinet_core.ingest.casts import TRUE
from hinet_core.lake import quote_identifier, quote_literal

UNKNOWN = "scenario: unknown to the contract"
Rule = tuple[str, str]  # reason in words (no comma), SQL condition


def column_rules(column: Column, was_given: str) -> list[Rule]:
    """Rules of one typed column; `was_given` says that the file held something."""
    value = quote_identifier(column.name)
    rules = [(f"{column.name}: not a {column.type}", f"{was_given} AND {value} IS NULL")]
    if not column.nullable:
        rules.append((f"{column.name}: missing", f"NOT ({was_given})"))
    return rules + value_rules(column)


def value_rules(column: Column) -> list[Rule]:
    """Rules of the values that a column has."""
    value = quote_identifier(column.name)
    rules = []
    if column.min is not None:
        rules.append((f"{column.name}: below {column.min:g}", f"{value} < {column.min!r}"))
    if column.max is not None:
        rules.append((f"{column.name}: above {column.max:g}", f"{value} > {column.max!r}"))
    if column.values:
        rules.append((f"{column.name}: not an allowed value", f"NOT ({is_one_of(column, column.values)})"))
    if column.pattern:
        pattern = quote_literal(column.pattern)
        rules.append(
            (f"{column.name}: not of the pattern", f"NOT regexp_full_match(CAST({value} AS VARCHAR), {pattern})")
        )
    return rules


def doubts(column: Column, may_be_given: str) -> list[str]:
    """Cheap conditions of which one holds wherever a rule of the column is broken.

    A value that is there was given; only where there is none does it matter what the text says, which is dear to ask.
    """
    missing = f"{quote_identifier(column.name)} IS NULL"
    return [
        f"{missing} AND {may_be_given}" if column.nullable else missing,
        *(condition for _, condition in value_rules(column)),
    ]


def table_rules(contract: Contract) -> list[Rule]:
    """Rules that look at more than one column; they run on the typed row with its labels."""
    rules = [
        (UNKNOWN, "scenario_id IS NULL AND scenario_value IS NOT NULL"),
        ("time: outside the contract's days", "day IS NOT NULL AND NOT day_in_contract"),
        ("time: long after all others of the file", "day_in_contract AND NOT day_in_file"),
    ]
    rules += [
        (violation_reason(task), violation(task))
        for task in contract.tasks
        if task.after and task.on_violation == "quarantine" and not contract.late_source(task)
    ]
    return rules


def violation(task: Task) -> str:
    """A row claims a later step of the funnel without the earlier one."""
    return f"{claimed(task.name)} = 1 AND {claimed(task.after or '')} = 0"


def violation_reason(task: Task) -> str:
    return f"{task.name}: without {task.after}"


def claimed(task: str) -> str:
    """The label as the log claims it, before the funnel clips it."""
    return quote_identifier(f"claimed_{task}")


def claim(conditions: Iterable[Condition], columns: Mapping[str, Column]) -> str:
    """0/1 from a label's conditions, NULL where it hangs on a column that is NULL."""
    held = " AND ".join(f"({holds(part, columns[part.column])})" for part in conditions)
    return f"CAST(({held}) AS TINYINT)"


def holds(part: Condition, column: Column) -> str:
    """Whether a column meets a condition, NULL where it is NULL."""
    if part.present:
        return f"{quote_identifier(column.name)} IS NOT NULL"
    if part.at_least is not None:
        return f"{quote_identifier(column.name)} >= {part.at_least!r}"
    return is_one_of(column, part.one_of or (True if part.equals is None else part.equals,))


def is_one_of(column: Column, options: Iterable[Any]) -> str:
    """The column equals one of the contract's values, compared in its own type: 1 is 1.0 where it holds numbers."""
    value = quote_identifier(column.name)
    if column.type == "bool":
        listed = ["true" if str(one).lower() in TRUE else "false" for one in options]
    elif column.is_number:
        kind = "FLOAT" if column.type == "float32" else "DOUBLE"
        listed = [str(int(one)) if isinstance(one, int) else f"CAST({float(one)!r} AS {kind})" for one in options]
    else:
        value = f"CAST({value} AS VARCHAR)"
        listed = [quote_literal(text) for one in options for text in _texts(one)]
    return f"{value} IN ({', '.join(listed)})"


def _texts(option: Any) -> tuple[str, ...]:
    """What text stands for a value; TOML's true and false are also written as 1 and 0."""
    return (str(option).lower(), str(int(option))) if isinstance(option, bool) else (str(option),)


def reasons(rules: list[Rule], fault: str | None = None, doubts: list[str] | None = None) -> str:
    """A VARCHAR[] of every reason that holds.

    `fault`: an expression that says why a record could not be read at all, or is NULL. `doubts`: the list is made for
    rows alone in which one of these holds.
    """
    cases = ", ".join(f"CASE WHEN {condition} THEN {quote_literal(reason)} END" for reason, condition in rules)
    listed = f"list_filter([{cases}], lambda reason: reason IS NOT NULL)"
    if doubts is not None:
        doubted = " OR ".join(f"({condition})" for condition in doubts)
        listed = f"CASE WHEN {doubted} THEN {listed} ELSE CAST([] AS VARCHAR[]) END"
    return f"CASE WHEN {fault} IS NOT NULL THEN [{fault}] ELSE {listed} END" if fault else listed
