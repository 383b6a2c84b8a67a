"""`entity_daily`: what each entity was shown on a day and which of its outcomes became known that day.

Impressions count on the day shown, outcomes on the day known, so a late outcome changes the day it is known on and
no earlier one. What is expected of a day's impressions (expected.py) counts on the day shown.
"""

from collections.abc import Iterable
from datetime import date

import duckdb

from hinet_core.contract import Contract, Entity, known_day_column, label_column
from hinet_core.features.counters import counters, expected_counters, known_column
from hinet_core.features.expected import expected_sql, slot_sql
from hinet_core.features.history import (
    Lineage,
    day_number,
    each_day,
    lineage_of,
    require_counted,
    source_days,
    step_hashes,
)
from hinet_core.features.sql import as_view, key_sql, part_sql
from hinet_core.lake import Lake, Manifest, quote_identifier, quote_literal

STEP = "entity_daily"
# The smoothed rates lean on these two; a contract cannot name an entity so.
ALL_ROWS = Entity.model_construct(name="*", keys=())
EACH_SCENARIO = Entity.model_construct(name="*scenario", keys=("scenario_id",))


def counted_entities(contract: Contract) -> tuple[Entity, ...]:
    """The contract's entities and the two that base rates come from."""
    return (*contract.features.entities, EACH_SCENARIO, ALL_ROWS)


def build(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> duckdb.DuckDBPyRelation:
    """The rows of `entity_daily` for one day, ordered by entity and key."""
    rows = as_view(con, lake.scan(con, "impressions", source_days(contract, day)), "impressions")
    return con.sql(daily_sql(contract, rows, day))


def daily_sql(contract: Contract, rows: str, day: date) -> str:
    """The definition of a day over a view of impressions."""
    number, expecting = day_number(day), bool(expected_counters(*contract.features.entities))
    tables = [f"counted AS ({counted_sql(contract, rows, number)})"]
    tables += expected_sql(contract, "counted") if expecting else []
    source = "expecting" if expecting else "counted"
    keyed = "\nUNION ALL\n".join(entity_sql(contract, entity, source) for entity in counted_entities(contract))
    return f"""
        WITH {", ".join(tables)}
        SELECT CAST('{day.isoformat()}' AS DATE) AS day, CAST({number} AS INTEGER) AS day_number,
            entity, key, {", ".join(map(quote_identifier, counters(contract)))}
        FROM ({keyed}) AS keyed
        WHERE key IS NOT NULL
        ORDER BY entity NULLS LAST, key NULLS LAST"""


def counted_sql(contract: Contract, rows: str, number: int) -> str:
    """The rows that count on the day: keys of all entities, slot, and 0 or 1 for shown and for each outcome known."""
    keys = dict.fromkeys(key for entity in counted_entities(contract) for key in entity.keys)
    columns = [f"{part_sql(contract, key)} AS {quote_identifier(f'key_{key}')}" for key in keys]
    columns += [f"{slot_sql(contract)} AS slot", f"CASE WHEN r.day_number = {number} THEN 1 ELSE 0 END AS impressions"]
    some = ["impressions = 1"]
    for task in contract.tasks:
        label = f"r.{quote_identifier(label_column(task.name))}"
        # An outcome whose clock runs ahead of its impression counts on the day shown.
        known = f"GREATEST(r.{quote_identifier(known_day_column(task.name))}, r.day_number)"
        name = quote_identifier(known_column(task.name))
        columns.append(f"CASE WHEN {label} = 1 AND {known} = {number} THEN 1 ELSE 0 END AS {name}")
        some.append(f"{name} = 1")
    return f"SELECT * FROM (SELECT {', '.join(columns)} FROM {rows} AS r) AS flagged WHERE {' OR '.join(some)}"


def entity_sql(contract: Contract, entity: Entity, source: str) -> str:
    """One row per key of an entity. Rows are grouped by the columns themselves: texts would cost twice as much."""
    columns = [f"key_{key}" for key in entity.keys]
    group = ", ".join(map(quote_identifier, columns))
    others = {*expected_counters(*contract.features.entities)} - {*expected_counters(entity)}
    names = [quote_identifier(one) for one in counters(contract)]
    sums = ", ".join(
        f"CAST({'NULL' if one in others else f'SUM({quote_identifier(one)})'} AS BIGINT) AS {quote_identifier(one)}"
        for one in counters(contract)
    )
    return f"""
        SELECT {quote_literal(entity.name)} AS entity, {key_sql(columns, "g")} AS key, {", ".join(names)}
        FROM (SELECT {group + ", " if group else ""}{sums} FROM {source}
            {"GROUP BY " + group if group else ""} HAVING COUNT(*) > 0) AS g"""


def lineage(contract: Contract, lake: Lake, day: date) -> Lineage:
    """What a day's aggregates are made from."""
    return lineage_of(contract, step_hashes(lake, "ingest", source_days(contract, day)))


def write_daily(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> Manifest:
    """Compute and commit `entity_daily` of one day: ingested, or a gap on which outcomes may have become known."""
    require_counted(contract, lake, day, STEP)
    made_from = lineage(contract, lake, day)
    with lake.begin(STEP, day) as draft:
        draft.write(STEP, build(con, contract, lake, day), con)
        return draft.commit(made_from)


def write_daily_range(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, days: Iterable[date]
) -> list[Manifest]:
    """Commit several days, oldest first."""
    return [write_daily(con, contract, lake, day) for day in each_day(days, "daily aggregates")]


def daily_schema(contract: Contract) -> str:
    """The columns of `entity_daily` for a lake that holds none yet."""
    named = ", ".join(f"{quote_identifier(one)} BIGINT" for one in counters(contract))
    return f"day DATE, day_number INTEGER, entity VARCHAR, key VARCHAR, {named}"
