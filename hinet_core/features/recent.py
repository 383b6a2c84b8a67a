"""`entity_recent`: the last values that an entity met on a day, and the merged lists as of a day.

A value is met when it was shown, or when a task's outcome became known. A day keeps as many as a list is long, so a
list over many days is merged from days without losing one.
"""

from collections.abc import Iterable, Sequence
from datetime import date

import duckdb

from hinet_core.contract import Contract, known_day_column, known_us_column, label_column
from hinet_core.contract.columns import MAX_LIST_LENGTH
from hinet_core.contract.grammar import Recent
from hinet_core.features.history import (
    Lineage,
    day_number,
    days_before,
    each_day,
    lineage_of,
    require_counted,
    source_days,
    step_hashes,
)
from hinet_core.features.sql import as_view, key_sql
from hinet_core.lake import Lake, Manifest, quote_identifier, quote_literal

STEP = "entity_recent"
SCHEMA = "day DATE, day_number INTEGER, list VARCHAR, key VARCHAR, place INTEGER, value VARCHAR"
# Between the values of a list on its way through text: the unit separator of ASCII.
SEPARATOR = "CHR(31)"


def look_back(contract: Contract, day: date) -> list[date]:
    """The days that the longest list of `day` looks at, oldest first."""
    return days_before(day, max((one.within_days for one in contract.features.recent), default=0))


def keys_of(contract: Contract, recent: Recent) -> tuple[str, ...]:
    return next(one.keys for one in contract.features.entities if one.name == recent.entity)


def day_sql(contract: Contract, rows: str, day: date) -> str:
    """The definition of a day over a view of impressions: place 1 is the newest value of a key in a list."""
    lists = "\nUNION ALL\n".join(list_sql(contract, one, rows, day_number(day)) for one in contract.features.recent)
    return f"""
        SELECT CAST('{day.isoformat()}' AS DATE) AS day, CAST({day_number(day)} AS INTEGER) AS day_number,
            list, key, CAST(place AS INTEGER) AS place, value
        FROM ({lists}) AS placed
        ORDER BY list NULLS LAST, key NULLS LAST, place NULLS LAST"""


def list_sql(contract: Contract, recent: Recent, rows: str, number: int) -> str:
    met_us, met = "r.exposed_us", f"r.day_number = {number}"
    if recent.task is not None:
        # An outcome whose clock runs ahead of its impression counts when shown.
        known_us = f"r.{quote_identifier(known_us_column(recent.task))}"
        known_day = f"r.{quote_identifier(known_day_column(recent.task))}"
        met_us = f"GREATEST({known_us}, r.exposed_us)"
        met = (
            f"r.{quote_identifier(label_column(recent.task))} = 1 AND GREATEST({known_day}, r.day_number) = {number}"
        )
    value = f"REPLACE(CAST(r.{quote_identifier(recent.of)} AS STRING), {SEPARATOR}, ' ')"
    values = (
        f"SELECT {key_sql(keys_of(contract, recent))} AS key, {value} AS value, {met_us} AS met_us "
        f"FROM {rows} AS r WHERE {met}"
    )
    if recent.distinct:
        values = f"SELECT key, value, MAX(met_us) AS met_us FROM ({values}) AS met GROUP BY key, value"
    # Values met at the same moment stand in the order of their texts, so that no order of rows matters.
    newest = "ROW_NUMBER() OVER (PARTITION BY key ORDER BY met_us DESC NULLS LAST, value ASC NULLS LAST)"
    return f"""
        SELECT {quote_literal(recent.name)} AS list, key, value, place
        FROM (SELECT key, value, {newest} AS place FROM ({values}) AS met
            WHERE key IS NOT NULL AND value IS NOT NULL) AS numbered
        WHERE place <= {recent.length}"""


def merged_sql(contract: Contract, lists: Sequence[Recent], history: str, rows: str, day: date) -> list[str]:
    """One common table per list over a view of `entity_recent`: the keys of the rows and their values, newest first.

    They are called `l0`, `l1`, … by their places in the contract.
    """
    number = day_number(day)
    return [f"{list_table(contract, one.name)} AS ({one_merged_sql(contract, one, history, rows, number)})"
            for one in lists]  # fmt: skip


def list_table(contract: Contract, name: str) -> str:
    """`l` and the place of the list in the contract."""
    return f"l{[one.name for one in contract.features.recent].index(name)}"


def one_merged_sql(contract: Contract, recent: Recent, history: str, rows: str, number: int) -> str:
    days = f"day_number >= {number - recent.within_days} AND day_number < {number}"
    mine = f"key IN (SELECT {key_sql(keys_of(contract, recent))} FROM {rows} AS r)"
    # Later days first, and within a day by place.
    newest = f"CAST(day_number AS BIGINT) * {MAX_LIST_LENGTH + 1} - place"
    values = f"""SELECT key, value, {newest} AS newest
        FROM {history} WHERE list = {quote_literal(recent.name)} AND {days} AND {mine}"""
    if recent.distinct:
        values = f"SELECT key, value, MAX(newest) AS newest FROM ({values}) AS met GROUP BY key, value"
    placed = ", ".join(f"MAX(CASE WHEN place = {place} THEN value END)" for place in range(1, recent.length + 1))
    # Spark's collect_list forgets the order; text that is split again keeps it on both engines.
    return f"""
        SELECT key, SPLIT(CONCAT_WS({SEPARATOR}, {placed}), {SEPARATOR}) AS items
        FROM (SELECT key, value, ROW_NUMBER() OVER (PARTITION BY key ORDER BY newest DESC NULLS LAST) AS place
            FROM ({values}) AS met) AS numbered
        WHERE place <= {recent.length} GROUP BY key"""


def joins_sql(contract: Contract, lists: Sequence[Recent]) -> list[str]:
    """Joins of the merged lists to the rows `r`."""
    tables = [(list_table(contract, one.name), key_sql(keys_of(contract, one))) for one in lists]
    return [f"LEFT JOIN {table} ON {table}.key = {key}" for table, key in tables]


def lineage(contract: Contract, lake: Lake, day: date) -> Lineage:
    """What a day's lists are made from."""
    return lineage_of(contract, step_hashes(lake, "ingest", source_days(contract, day)))


def write_recent(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> Manifest:
    """Compute and commit `entity_recent` of one day: ingested, or a gap on which outcomes may have become known."""
    require_counted(contract, lake, day, STEP)
    made_from = lineage(contract, lake, day)
    rows = as_view(con, lake.scan(con, "impressions", source_days(contract, day)), "impressions")
    with lake.begin(STEP, day) as draft:
        draft.write(STEP, day_sql(contract, rows, day), con)
        return draft.commit(made_from)


def write_recent_range(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, days: Iterable[date]
) -> list[Manifest]:
    """Commit several days, oldest first."""
    return [write_recent(con, contract, lake, day) for day in each_day(days, "recent lists")]
