"""`entity_daily`: what each entity was shown on a day and which of its outcomes became known that day.

Impressions count on the day shown, outcomes on the day known, so a late outcome changes the day it is known on and
no earlier one. The SQL keeps to the subset that Spark runs too: casts, integer days, no bare division.
"""

import itertools
import logging
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import duckdb

from hinet_core.contract import Contract, Entity, known_day_column, label_column
from hinet_core.lake import Lake, Manifest, quote_identifier, quote_literal
from hinet_core.progress import track

log = logging.getLogger(__name__)

STEP = "entity_daily"
EPOCH = date(1970, 1, 1)
# The smoothed rates lean on these two; a contract cannot name an entity so.
ALL_ROWS = Entity.model_construct(name="*", keys=())
EACH_SCENARIO = Entity.model_construct(name="*scenario", keys=("scenario_id",))

_names = itertools.count()


class HistoryError(ValueError):
    """A day cannot be computed from what is committed; the message says what is missing."""


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def known_column(task: str) -> str:
    """The counter of a task's outcomes in `entity_daily`."""
    return f"known_{task}"


def as_view(con: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, label: str) -> str:
    """A temporary view over a relation; returns its quoted name."""
    name = f"_{label}_{next(_names)}"
    rows.create_view(name, replace=True)
    return quote_identifier(name)


def key_sql(keys: Sequence[str], row: str = "r") -> str:
    """The text key of an entity, NULL when any part is; ('a|b', 'c') and ('a', 'b|c') give different keys."""
    parts = [f"CAST({row}.{quote_identifier(key)} AS STRING)" for key in keys]
    if not parts:
        return "''"
    if len(parts) == 1:
        return parts[0]
    return " || '|' || ".join(f"REPLACE(REPLACE({part}, '~', '~0'), '|', '~1')" for part in parts)


def counted_entities(contract: Contract) -> tuple[Entity, ...]:
    """The contract's entities and the two that base rates come from."""
    return (*contract.features.entities, EACH_SCENARIO, ALL_ROWS)


def source_days(contract: Contract, day: date) -> list[date]:
    """The impression days whose outcomes may become known on `day`.

    One day more than the maturity: across a clock change 24 hours can touch three dates.
    """
    return [day - timedelta(days=back) for back in range(contract.maturity_days + 1, -1, -1)]


def build(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> duckdb.DuckDBPyRelation:
    """The rows of `entity_daily` for one day, ordered by entity and key."""
    rows = as_view(con, lake.scan(con, "impressions", source_days(contract, day)), "impressions")
    return con.sql(daily_sql(contract, rows, day))


def daily_sql(contract: Contract, rows: str, day: date) -> str:
    """The definition of a day over a view of impressions."""
    counters = ["impressions", *(known_column(task.name) for task in contract.tasks)]
    number = day_number(day)
    keyed = "\nUNION ALL\n".join(entity_sql(contract, entity, rows, number) for entity in counted_entities(contract))
    sums = ", ".join(f"CAST(SUM({quote_identifier(one)}) AS BIGINT) AS {quote_identifier(one)}" for one in counters)
    some = " OR ".join(f"{quote_identifier(one)} > 0" for one in counters)
    return f"""
        SELECT CAST('{day.isoformat()}' AS DATE) AS day, CAST({number} AS INTEGER) AS day_number, entity, key, {sums}
        FROM ({keyed}) AS keyed
        WHERE key IS NOT NULL AND ({some})
        GROUP BY entity, key
        ORDER BY entity NULLS LAST, key NULLS LAST"""


def entity_sql(contract: Contract, entity: Entity, rows: str, number: int) -> str:
    """One row per impression: the entity's key, whether it was shown that day, which outcomes were known that day."""
    counted = [f"CASE WHEN r.day_number = {number} THEN 1 ELSE 0 END AS impressions"]
    for task in contract.tasks:
        label = f"r.{quote_identifier(label_column(task.name))}"
        # An outcome whose clock runs ahead of its impression counts on the day shown.
        known = f"GREATEST(r.{quote_identifier(known_day_column(task.name))}, r.day_number)"
        name = quote_identifier(known_column(task.name))
        counted.append(f"CASE WHEN {label} = 1 AND {known} = {number} THEN 1 ELSE 0 END AS {name}")
    key = key_sql(entity.keys)
    return f"SELECT {quote_literal(entity.name)} AS entity, {key} AS key, {', '.join(counted)} FROM {rows} AS r"


def write_daily(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> Manifest:
    """Compute and commit `entity_daily` of one ingested day."""
    inputs = step_hashes(lake, "ingest", source_days(contract, day))
    if day.isoformat() not in inputs:
        raise HistoryError(
            f"entity_daily of {day}: the day has no committed impressions; ingest it first, or leave it as a gap"
        )
    with lake.begin(STEP, day) as draft:
        draft.write(STEP, build(con, contract, lake, day), con)
        return draft.commit({"data_fingerprint": contract.data_fingerprint, "inputs": inputs})


def write_daily_range(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, days: Iterable[date]
) -> list[Manifest]:
    """Commit several days, oldest first."""
    wanted = sorted(set(days))
    return [write_daily(con, contract, lake, day) for day in track(wanted, "daily aggregates", total=len(wanted))]


def step_hashes(lake: Lake, step: str, days: Iterable[date]) -> dict[str, str]:
    """Day to content hash of the table that others read of a step: what a later run compares to know it is current.

    Of ingest that is `impressions`: a new finding, counter or book beside the same rows makes nothing stale.
    """
    table = "impressions" if step == "ingest" else step
    found = ((day, lake.manifest(step, day)) for day in days)
    return {day.isoformat(): manifest.hash_of(table) for day, manifest in found if manifest is not None}


def daily_schema(contract: Contract) -> str:
    """The columns of `entity_daily` for a lake that holds none yet."""
    counters = ["impressions", *(known_column(task.name) for task in contract.tasks)]
    named = ", ".join(f"{quote_identifier(one)} BIGINT" for one in counters)
    return f"day DATE, day_number INTEGER, entity VARCHAR, key VARCHAR, {named}"
