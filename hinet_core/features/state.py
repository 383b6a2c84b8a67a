"""`entity_state`: the running counters of each entity through the end of a day, from the first day of the log on.

Day d is the state of the last day before it that has aggregates, plus `entity_daily` of d: one partition per day, so a
lifetime counter costs the same however long the history. The content is the sum of all days through d, whatever the
order in which they came; a day that changes in the middle makes all later ones stale.
"""

from collections.abc import Iterable
from datetime import date

import duckdb

from hinet_core.contract import Contract, Entity
from hinet_core.features.counters import ACTIVE_DAYS, counters
from hinet_core.features.daily import ALL_ROWS, EACH_SCENARIO
from hinet_core.features.daily import STEP as DAILY
from hinet_core.features.history import HistoryError, Lineage, day_number, each_day, lineage_of, step_hashes
from hinet_core.features.sql import as_view
from hinet_core.lake import Lake, Manifest, quote_identifier, quote_literal

STEP = "entity_state"


def kept_entities(contract: Contract) -> list[Entity]:
    """The entities that ask for it, and the two that their base rates come from."""
    asking = [one for one in contract.features.entities if one.lifetime]
    return [*asking, EACH_SCENARIO, ALL_ROWS] if asking else []


def day_before(lake: Lake, day: date) -> date | None:
    """The last day before a day that has aggregates: the log may have gaps."""
    return max((one for one in lake.days(DAILY) if one < day), default=None)


def scan_before(con: duckdb.DuckDBPyConnection, lake: Lake, day: date) -> duckdb.DuckDBPyRelation | None:
    """The running counters as of the start of a day, or None when no day came before."""
    before = day_before(lake, day)
    if before is None:
        return None
    if lake.manifest(STEP, before) is None:
        raise HistoryError(f"lifetime counters of {day} need entity_state of {before}: compute it first")
    return lake.scan(con, STEP, [before])


def state_sql(contract: Contract, daily: str, before: str | None, day: date) -> str:
    """The definition of a day over a view of its aggregates and one of the state before."""
    names = [quote_identifier(one) for one in counters(contract)]
    kept = ", ".join(quote_literal(one.name) for one in kept_entities(contract))
    active = f"CASE WHEN impressions > 0 THEN 1 ELSE 0 END AS {ACTIVE_DAYS}"
    parts = [f"SELECT entity, key, {', '.join(names)}, {active} FROM {daily} WHERE entity IN ({kept})"]
    if before is not None:
        parts.append(f"SELECT entity, key, {', '.join(names)}, {ACTIVE_DAYS} FROM {before}")
    sums = ", ".join(f"CAST(SUM({one}) AS BIGINT) AS {one}" for one in (*names, ACTIVE_DAYS))
    return f"""
        SELECT CAST('{day.isoformat()}' AS DATE) AS day, CAST({day_number(day)} AS INTEGER) AS day_number,
            entity, key, {sums}
        FROM ({" UNION ALL ".join(parts)}) AS added
        GROUP BY entity, key
        ORDER BY entity NULLS LAST, key NULLS LAST"""


def lineage(contract: Contract, lake: Lake, day: date) -> Lineage:
    """What a day's running counters are made from."""
    before = day_before(lake, day)
    inputs = {DAILY: step_hashes(lake, DAILY, [day]), STEP: step_hashes(lake, STEP, [before] if before else [])}
    return lineage_of(contract, inputs)


def write_state(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> Manifest:
    """Compute and commit `entity_state` of one day that has aggregates."""
    made_from, before = lineage(contract, lake, day), day_before(lake, day)
    if not made_from["inputs"][DAILY]:
        raise HistoryError(f"entity_state of {day}: the day has no entity_daily; compute it first")
    if before is not None and not lake.made_from(STEP, before, data_fingerprint=contract.data_fingerprint):
        raise HistoryError(
            f"entity_state of {day} goes on from {before}, which has none under this contract; "
            "compute the days oldest first"
        )
    state = scan_before(con, lake, day)
    daily = as_view(con, lake.scan(con, DAILY, [day]), "daily")
    text = state_sql(contract, daily, None if state is None else as_view(con, state, "state"), day)
    with lake.begin(STEP, day) as draft:
        draft.write(STEP, text, con)
        return draft.commit(made_from)


def write_state_range(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, days: Iterable[date]
) -> list[Manifest]:
    """Commit several days, oldest first."""
    return [write_state(con, contract, lake, day) for day in each_day(days, "running counters")]
