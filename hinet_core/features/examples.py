"""`examples`: what was known about a row when its day began, beside the row's own columns and labels.

`examples` takes any relation with the contract's keys, so logged rows, candidates and a scoring file get equal
features by construction. Features come from days before `day`; the row's own day never enters.
"""

import logging
from collections.abc import Iterable
from datetime import date

import duckdb

from hinet_core.contract import Column, Contract, computed_features, known_us_column, label_column
from hinet_core.features import recent, state, windows
from hinet_core.features.daily import STEP as DAILY
from hinet_core.features.daily import daily_schema
from hinet_core.features.formulas import feature_sql
from hinet_core.features.history import (
    HistoryError,
    Lineage,
    day_number,
    each_day,
    history_days,
    lineage_of,
    step_hashes,
)
from hinet_core.features.recent import STEP as RECENT
from hinet_core.features.running_sums import WORTH_IT_DAYS, RunningSums
from hinet_core.features.sql import as_view
from hinet_core.features.state import STEP as STATE
from hinet_core.lake import Lake, Manifest, quote_identifier, quote_literal

log = logging.getLogger(__name__)

STEP = "examples"
SYSTEM_TYPES = {"hour": "TINYINT", "exposed_us": "BIGINT", "record_number": "BIGINT", "scenario_id": "STRING"}
CARRIED_ROLES = ("request", "user", "item", "position", "propensity")


def carried_columns(contract: Contract) -> list[Column]:
    """The log's own columns in `examples`: identity and position first, then what models may read."""
    roles = [column for role in CARRIED_ROLES if (column := contract.column_for(role)) is not None]  # type: ignore[arg-type]
    return roles + [column for column in contract.inputs if column not in roles]


def required_columns(contract: Contract) -> list[str]:
    """What a relation must have to be turned into examples."""
    keys = [key for entity in contract.features.entities for key in entity.keys]
    inputs = [column.name for column in contract.inputs]
    return list(dict.fromkeys([*SYSTEM_TYPES, contract.name_of("user"), contract.name_of("item"), *keys, *inputs]))


def examples(
    con: duckdb.DuckDBPyConnection, contract: Contract, rows: duckdb.DuckDBPyRelation, day: date, lake: Lake
) -> duckdb.DuckDBPyRelation:
    """Rows shown on `day` with their features as of the start of that day; columns as in docs, order not fixed.

    `rows` belongs to `con`. Position, propensity, request, source_file and labels may be absent (NULL, '' for the
    file); record_number may not: with day and file it is the row's identity and order.
    """
    return con.sql(day_sql(con, contract, rows, day, lake, history_sums(con, contract, day, lake)))


def history_sums(con: duckdb.DuckDBPyConnection, contract: Contract, day: date, lake: Lake) -> list[str]:
    """The common tables that add the history of a day up from what is committed."""
    daily = lake.source(DAILY, history_days(contract, day), schema=daily_schema(contract))
    before = state.scan_before(con, lake, day) if state.kept_entities(contract) else None
    counted = None if before is None else as_view(con, before, "state")
    return windows.history_sums_sql(contract, daily, counted, day)


def day_sql(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    rows: duckdb.DuckDBPyRelation,
    day: date,
    lake: Lake,
    sums: list[str],
) -> str:
    """The definition of the rows' examples over common tables of which the last is `sums`."""
    check_columns(contract, rows)
    shown = as_view(con, rows, "rows")
    past = [*sums, *windows.rates_sql(contract, shown)]
    if contract.features.recent:
        met = lake.source(RECENT, recent.look_back(contract, day), schema=recent.SCHEMA)
        past += recent.merged_sql(contract, met, shown, day)
    return examples_sql(contract, shown, rows.columns, past, day)


def check_columns(contract: Contract, rows: duckdb.DuckDBPyRelation) -> None:
    missing = [name for name in required_columns(contract) if name not in rows.columns]
    if missing:
        raise HistoryError(
            f"rows for examples lack {', '.join(missing)}; found {', '.join(rows.columns)}. "
            f"Give them under the names of contract {contract.name!r}."
        )


def examples_sql(contract: Contract, rows: str, present: list[str], past: list[str], day: date) -> str:
    """The definition of a day's examples over a view of rows and the common tables of what was known before."""
    selected = [
        f"CAST('{day.isoformat()}' AS DATE) AS day",
        f"CAST({day_number(day)} AS INTEGER) AS day_number",
        "CAST(r.hour AS TINYINT) AS hour",
        "CAST(r.exposed_us AS BIGINT) AS exposed_us",
        f"{own('source_file', 'STRING', present, quote_literal(''))} AS source_file",
        "CAST(r.record_number AS BIGINT) AS record_number",
        "CAST(r.scenario_id AS STRING) AS scenario_id",
    ]
    selected += [
        f"{own(column.name, column.duckdb_type, present)} AS {quote_identifier(column.name)}"
        for column in carried_columns(contract)
    ]
    selected += [
        f"{feature_sql(contract, one, day)} AS {quote_identifier(one.name)}" for one in computed_features(contract)
    ]
    for task in contract.tasks:
        label, known = label_column(task.name), known_us_column(task.name)
        selected.append(f"{own(label, 'TINYINT', present)} AS {quote_identifier(label)}")
        selected.append(f"{own(known, 'BIGINT', present)} AS {quote_identifier(known)}")
    joins = "\n".join([*windows.joins_sql(contract), *recent.joins_sql(contract)])
    return f"WITH {', '.join(past)}\nSELECT {', '.join(selected)}\nFROM {rows} AS r\n{joins}"


def own(name: str, kind: str, present: list[str], default: str = "NULL") -> str:
    """A column of the rows in the contract's type, or the default where the rows lack it."""
    value = f"r.{quote_identifier(name)}" if name in present else default
    return f"CAST({value} AS {kind})"


def write_examples(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date, running: RunningSums | None = None
) -> Manifest:
    """Compute and commit the examples of one ingested day, modelled scenarios only."""
    if lake.manifest("ingest", day) is None:
        raise HistoryError(f"examples of {day}: the day has no committed impressions; ingest it first")
    modelled = ", ".join(quote_literal(one.id) for one in contract.modelled)
    rows = lake.scan(con, "impressions", [day]).filter(f"scenario_id IN ({modelled})")
    order = ["scenario_id", contract.name_of("user"), "exposed_us", "source_file", "record_number"]
    by = ", ".join(f"{quote_identifier(name)} NULLS LAST" for name in order)
    made_from = lineage(contract, lake, day)
    sums = (None if running is None else running.as_of(day)) or history_sums(con, contract, day, lake)
    with lake.begin(STEP, day) as draft:
        draft.write(STEP, f"SELECT * FROM ({day_sql(con, contract, rows, day, lake, sums)}) ORDER BY {by}", con)
        return draft.commit(made_from)


def history_inputs(contract: Contract, lake: Lake, day: date) -> dict[str, dict[str, str]]:
    """What the features of a day are made from: step, day, content hash."""
    inputs = {DAILY: step_hashes(lake, DAILY, history_days(contract, day))}
    if contract.features.recent:
        inputs[RECENT] = step_hashes(lake, RECENT, recent.look_back(contract, day))
    if state.kept_entities(contract):
        before = state.day_before(lake, day)
        inputs[STATE] = step_hashes(lake, STATE, [before] if before else [])
    return inputs


def lineage(contract: Contract, lake: Lake, day: date) -> Lineage:
    """What a day's examples are made from, and how many days of each window have data."""
    inputs = history_inputs(contract, lake, day)
    held = {
        str(days): sum(one.isoformat() in inputs[DAILY] for one in history_days(contract, day)[-days:])
        for days in contract.features.windows_days
    }
    inputs["ingest"] = step_hashes(lake, "ingest", [day])
    return lineage_of(contract, inputs) | {"window_days_held": held}


def write_examples_range(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, days: Iterable[date]
) -> list[Manifest]:
    """Commit several days, oldest first; windows that the whole log cannot fill are named once."""
    for window in unfilled_windows(contract, lake):
        held = len(lake.days("ingest"))
        log.warning("%s: a window of %d days is longer than the log (%d days)", contract.name, window, held)
    asked = sorted(set(days))
    running = RunningSums(con, contract, lake) if len(asked) >= WORTH_IT_DAYS else None
    return [write_examples(con, contract, lake, day, running) for day in each_day(asked, "examples")]


def unfilled_windows(contract: Contract, lake: Lake) -> list[int]:
    """The windows that no day of the log can fill: the span of committed days is too short."""
    days = lake.days("ingest")
    span = (days[-1] - days[0]).days if days else 0
    return [window for window in contract.features.windows_days if window > span]
