"""From a contract to the list of rules that judge one day: plain data, no library of checks is imported here.

A rule over `rows` is judged inside DuckDB on the uncommitted day; a rule over `facts` on numbers measured by
`facts.measure`. Lists are judged by type and missing values only. A bound on a column that the contract calls
nullable holds for the values that are there.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from hinet_core.contract import Column, Contract, Task, known_day_column, known_us_column, label_column
from hinet_core.lake import quote_identifier, quote_literal
from hinet_core.quality.kinds import KINDS, CheckKind
from hinet_core.quality.profile import watched_columns
from hinet_core.quality.rule import (
    DAY_VIEW,
    Rule,
    among,
    as_literal,
    as_typed,
    between,
    bound,
    bounded_fact,
    none_where,
    not_below,
    not_null,
)

NUMERIC = ("int8", "int16", "int32", "int64", "float32", "float64")
SYSTEM_TYPES = {
    "day": "DATE",
    "day_number": "INTEGER",
    "hour": "TINYINT",
    "exposed_us": "BIGINT",
    "scenario_id": "VARCHAR",
    "source_file": "VARCHAR",
    "record_number": "BIGINT",
}
HOURS = (0, 23)


def rules(contract: Contract, day: date) -> list[Rule]:
    """Every rule for a day of this log: at least one per column, in the order of `KINDS`."""
    found = [*table_rules(contract), *type_rules(contract), *day_rules(contract, day), *scenario_rules(contract)]
    for column in contract.columns:
        late = column in contract.late_columns  # NULL where no outcome came
        found += column_rules(column.model_copy(update={"nullable": True}) if late else column)
    for task in contract.tasks:
        found += task_rules(task)
    found += share_rules(contract)
    order = {kind.name: place for place, kind in enumerate(KINDS)}
    return sorted(found, key=lambda rule: order[rule.kind])


def check_names(contract: Contract) -> tuple[CheckKind, ...]:
    """The kinds that this contract's suite contains, in a fixed order: the checks that Dagster shows."""
    present = {rule.kind for rule in rules(contract, contract.first_day)}
    return tuple(kind for kind in KINDS if kind.name in present)


def table_rules(contract: Contract) -> Iterator[Rule]:
    yield Rule(
        kind="not_empty",
        text="at least 1 row",
        expectation="ExpectTableRowCountToBeBetween",
        arguments={"min_value": 1},
        low=1,
        high=None,
    )
    if contract.quality.min_rows > 1:
        yield bounded_fact("min_rows", f"at least {contract.quality.min_rows} rows", low=contract.quality.min_rows)
    yield bounded_fact("reconciled", "no row between read, kept, duplicate and quarantined unaccounted for", 0, 0)
    key = contract.dedupe.key
    names = [quote_identifier(name) for name in key]
    row = names[0] if len(names) == 1 else f"row({', '.join(names)})"  # DuckDB compares no row of one value
    repeated = f"SELECT {row} FROM {DAY_VIEW} GROUP BY ALL HAVING count(*) > 1"
    # As ingest does, a missing part of a key equals a missing part; ExpectCompoundColumnsToBeUnique would skip it.
    yield none_where("unique_key", key, f"one row per {', '.join(key)}", f"{row} IN ({repeated})")


def type_rules(contract: Contract) -> Iterator[Rule]:
    for name, kind in expected_types(contract).items():
        yield Rule(
            kind="column_type",
            on="facts",
            column=name,
            text=f"{name} has type {kind}",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"value_set": [kind]},
            high=None,
        )


def expected_types(contract: Contract) -> dict[str, str]:
    """Each column of `impressions` with its DuckDB type: the contract's columns, then those of the platform."""
    types = {column.name: column.duckdb_type for column in contract.columns} | SYSTEM_TYPES
    for task in contract.tasks:
        types[label_column(task.name)] = "TINYINT"
        types[known_us_column(task.name)] = "BIGINT"
        types[known_day_column(task.name)] = "INTEGER"
    return types


def day_rules(contract: Contract, day: date) -> Iterator[Rule]:
    """The row's day, hour and instant of exposure belong to the day being judged."""
    start_us, end_us = day_bounds_us(contract, day)
    day_number = (day - date(1970, 1, 1)).days
    for name in SYSTEM_TYPES:
        yield not_null(name)
    yield among("day_matches", "day", [day], f"day is {day}", f"DATE {quote_literal(day.isoformat())}")
    yield among("day_matches", "day_number", [day_number], f"day_number is {day_number}", str(day_number))
    yield Rule(
        kind="day_matches",
        column="exposed_us",
        text=f"shown on {day} in {contract.time_zone}",
        expectation="ExpectColumnValuesToBeBetween",
        arguments={"column": "exposed_us", "min_value": start_us, "max_value": end_us, "strict_max": True},
        needs=("exposed_us",),
        offending=f"exposed_us < {start_us} OR exposed_us >= {end_us}",
    )
    yield between("hour", *HOURS)


def day_bounds_us(contract: Contract, day: date) -> tuple[int, int]:
    """Start (included) and end (excluded) of a day in the contract's time zone, epoch microseconds UTC."""
    starts = [datetime.combine(one, time(0), contract.zone) for one in (day, day + timedelta(days=1))]
    return int(starts[0].timestamp()) * 1_000_000, int(starts[1].timestamp()) * 1_000_000


def scenario_rules(contract: Contract) -> Iterator[Rule]:
    known = [scenario.id for scenario in contract.scenarios]
    listed = ", ".join(quote_literal(name) for name in known)
    yield among("known_scenario", "scenario_id", known, f"scenario_id is one of {', '.join(known)}", listed)
    for scenario in contract.scenarios:
        least = contract.quality.scenario_min_rows.get(scenario.id)
        if least is not None:
            text = f"scenario {scenario.id} has at least {least} rows"
            yield bounded_fact("scenario_volume", text, low=least, scenario_id=scenario.id)
        elif scenario.modelled and not scenario.retired:
            text = f"scenario {scenario.id} has at least 1 row"
            yield bounded_fact("scenario_seen", text, low=1, scenario_id=scenario.id)


def column_rules(column: Column) -> Iterator[Rule]:
    if not column.nullable:
        yield not_null(column.name)
    if column.type in NUMERIC and (column.min is not None or column.max is not None):
        yield between(column.name, bound(column, column.min), bound(column, column.max))
    if column.values and not column.type.startswith("list"):
        literals = ", ".join(as_literal(column, value) for value in column.values)
        words = f"{column.name} is one of {', '.join(str(value) for value in column.values)}"
        yield among("value_set", column.name, [as_typed(column, value) for value in column.values], words, literals)
    if column.pattern is not None and not column.type.startswith("list"):
        text = f"CAST({quote_identifier(column.name)} AS VARCHAR)"
        offending = f"NOT regexp_full_match({text}, {quote_literal(column.pattern)})"
        words = f"{column.name} matches {column.pattern}"
        yield none_where("pattern", (column.name,), words, offending, column.name)


def task_rules(task: Task) -> Iterator[Rule]:
    label, known = label_column(task.name), known_us_column(task.name)
    yield among("value_set", label, [0, 1], f"{label} is 0, 1 or missing", "0, 1")
    words = f"{task.name} is known no earlier than the exposure"
    yield not_below("known_time", known, "exposed_us", words, column=known)
    if task.after is not None:
        earlier = label_column(task.after)
        yield not_below("funnel_order", earlier, label, f"no {task.name} without {task.after}", column=label)


def share_rules(contract: Contract) -> Iterator[Rule]:
    """Rates and shares, from ingest's counts and from the profile per scenario."""
    quality = contract.quality
    of_read = {
        "quarantined_share": quality.max_quarantined_share,
        "duplicate_share": quality.max_duplicate_share,
        "unknown_scenario_share": quality.max_unknown_scenario_share,
    }
    for kind, most in of_read.items():
        yield bounded_fact(kind, f"{kind.replace('_', ' ')} of the rows read at most {most:g}", 0, most)
    for scenario in contract.scenarios:
        if scenario.retired or not scenario.modelled:
            state = "retired" if scenario.retired else "not modelled"
            most = quality.max_retired_share if scenario.retired else quality.max_unmodelled_share
            text = f"scenario {scenario.id}, which is {state}, has at most {most:g} of the rows"
            yield bounded_fact("stray_scenario", text, 0, most, scenario_id=scenario.id)
    for scenario in contract.modelled:
        text = f"at most {quality.max_duplicate_share:g} of the rows of scenario {scenario.id} repeat a key"
        yield bounded_fact("scenario_duplicates", text, 0, quality.max_duplicate_share, scenario_id=scenario.id)
        for column, most in quality.max_null_share.items():
            text = f"at most {most:g} of {column} missing in scenario {scenario.id}"
            yield bounded_fact("null_share", text, 0, most, column, scenario.id)
        for task, rate in quality.task_rates.items():
            text = f"{task} rate in scenario {scenario.id} compatible with {rate.low:g} to {rate.high:g}"
            yield bounded_fact("task_rate", text, rate.low, rate.high, label_column(task), scenario.id)
        yield from history_rules(contract, scenario.id)


def history_rules(contract: Contract, scenario: str) -> Iterator[Rule]:
    """A modelled scenario against the days before; what a day is compared with stands in `history`."""
    bounds, before = contract.quality.history, f"the {contract.quality.history.days} days before"
    if not next(one for one in contract.scenarios if one.id == scenario).retired:
        text = (
            f"rows of scenario {scenario} between {bounds.min_volume:g} and {bounds.max_volume:g} times the median "
            f"of the same weekday in {bounds.weeks} weeks"
        )
        yield bounded_fact("volume_change", text, bounds.min_volume, bounds.max_volume, scenario_id=scenario)
    for column in watched_columns(contract):
        most = bounds.max_null_change
        text = f"share of missing {column} in scenario {scenario} within {most:g} of {before}"
        yield bounded_fact("null_change", text, -most, most, column, scenario)
    for task in contract.tasks:
        factor = bounds.max_rate_factor
        text = f"{task.name} rate in scenario {scenario} at most {factor:g} times as high or as low as in {before}"
        yield bounded_fact("rate_change", text, 1 / factor, factor, label_column(task.name), scenario)
    for column in [one.name for one in contract.id_inputs if one.role != "item" or one.name in bounds.new_shares]:
        most = bounds.new_shares.get(column, bounds.max_new_share)
        text = f"at most {most:g} of scenario {scenario} with a {column} that none of {before} had"
        yield bounded_fact("new_share", text, 0, most, column, scenario)
