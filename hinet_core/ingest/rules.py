"""What makes a row refused: a list of (reason, condition), derived from the contract.

A row collects every reason that holds, never only the first.
"""

from hinet_core.contract import Column, Condition, Contract, Task
from hinet_core.lake import quote_identifier, quote_literal

Rule = tuple[str, str]  # reason in words (no comma), SQL condition


def column_rules(column: Column, was_given: str) -> list[Rule]:
    """Rules of one typed column; `was_given` says that the file held something."""
    value = quote_identifier(column.name)
    rules = [(f"{column.name}: not a {column.type}", f"{was_given} AND {value} IS NULL")]
    if not column.nullable:
        rules.append((f"{column.name}: missing", f"NOT ({was_given})"))
    if column.min is not None:
        rules.append((f"{column.name}: below {column.min:g}", f"{value} < {column.min!r}"))
    if column.max is not None:
        rules.append((f"{column.name}: above {column.max:g}", f"{value} > {column.max!r}"))
    if column.values:
        allowed = ", ".join(quote_literal(str(one)) for one in column.values)
        rules.append((f"{column.name}: not an allowed value", f"CAST({value} AS VARCHAR) NOT IN ({allowed})"))
    if column.pattern:
        pattern = quote_literal(column.pattern)
        rules.append(
            (f"{column.name}: not of the pattern", f"NOT regexp_full_match(CAST({value} AS VARCHAR), {pattern})")
        )
    return rules


def table_rules(contract: Contract) -> list[Rule]:
    """Rules that look at more than one column; they run on the typed row with its labels."""
    rules = [
        ("scenario: unknown to the contract", "scenario_id IS NULL AND scenario_value IS NOT NULL"),
        ("time: outside the contract's days", "day IS NOT NULL AND NOT day_in_contract"),
    ]
    rules += [
        (f"{task.name}: without {task.after}", violation(task))
        for task in contract.tasks
        if task.after and task.on_violation == "quarantine"
    ]
    return rules


def violation(task: Task) -> str:
    """A row claims a later step of the funnel without the earlier one."""
    return f"{claimed(task.name)} = 1 AND {claimed(task.after or '')} = 0"


def claimed(task: str) -> str:
    """The label as the log claims it, before the funnel clips it."""
    return quote_identifier(f"claimed_{task}")


def claim(task: Task) -> str:
    """0/1 from the label's conditions, NULL where one of their columns is NULL."""
    held = " AND ".join(_holds(part) for part in task.label)
    return f"CAST(({held}) AS TINYINT)"


def _holds(part: Condition) -> str:
    value = quote_identifier(part.column)
    if part.one_of:
        options = ", ".join(quote_literal(str(one)) for one in part.one_of)
        return f"CAST({value} AS VARCHAR) IN ({options})"
    if part.at_least is not None:
        return f"{value} >= {part.at_least!r}"
    wanted = "1" if part.equals is None else str(part.equals)
    if part.equals is None or isinstance(part.equals, bool):
        truth = "false" if part.equals is False else "true"
        return f"CAST({value} AS VARCHAR) IN ({quote_literal(wanted)}, {quote_literal(truth)})"
    return f"CAST({value} AS VARCHAR) = {quote_literal(wanted)}"


def reasons(rules: list[Rule]) -> str:
    """A VARCHAR[] of every reason that holds."""
    cases = ", ".join(f"CASE WHEN {condition} THEN {quote_literal(reason)} END" for reason, condition in rules)
    return f"list_filter([{cases}], lambda reason: reason IS NOT NULL)"
