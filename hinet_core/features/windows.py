"""Windows over `entity_daily`: what each entity's history adds up to as of one day, from earlier days only.

For day D and a window of W days the frame is [D-W, D-1]. The window 'lifetime' is the running state of the day before.
"""

from collections.abc import Sequence
from datetime import date

from hinet_core.contract import Computed, Contract, Entity, computed_features
from hinet_core.contract.computed import IMPRESSIONS, LIFETIME
from hinet_core.features.arithmetic import double
from hinet_core.features.counters import ACTIVE_DAYS, at_slot_column, counters, in_scenario_column, known_column
from hinet_core.features.daily import ALL_ROWS, EACH_SCENARIO
from hinet_core.features.history import day_number
from hinet_core.features.sql import START_IMPRESSIONS, START_RATE, key_sql, part_sql, smoothed_sql
from hinet_core.lake import quote_identifier, quote_literal


def history_sums_sql(contract: Contract, daily: str, state: str | None, day: date) -> list[str]:
    """Common tables over `entity_daily` of the days before and `entity_state` of the day before, as of a day.

    `history`: the rows of both. `sums`: per entity and key its counts in each window.
    """
    return [f"history AS ({history_sql(contract, daily, state, day)})", f"sums AS ({sums_sql(contract, day)})"]


def base_rates_sql(contract: Contract) -> list[str]:
    """Common tables over `sums`.

    `overall`: one row, each task's rate in each window. `by_scenario`: the same per scenario, smoothed towards
    `overall`.
    """
    return [f"overall AS ({overall_sql(contract)})", f"by_scenario AS ({by_scenario_sql(contract)})"]


def entities_sql(contract: Contract, entities: Sequence[Entity], rows: str) -> list[str]:
    """Common tables `e0`, `e1`, … over `sums` and a view of rows: each entity's sums for its keys among the rows."""
    return [f"{entity_table(contract, one)} AS ({met_sql(contract, one, rows)})" for one in entities]


def entity_table(contract: Contract, entity: Entity) -> str:
    """`e` and the place of the entity in the contract."""
    return f"e{[one.name for one in contract.features.entities].index(entity.name)}"


def counters_of(feature: Computed) -> list[str]:
    """The counters that a feature is made of."""
    known, kind = known_column(feature.task), feature.kind
    return {
        "impressions": [IMPRESSIONS],
        "count": [known],
        "rate": [IMPRESSIONS, known],
        "coec": [IMPRESSIONS, known, at_slot_column(feature.task)],
        "residual": [IMPRESSIONS, known, in_scenario_column(feature.task)],
        "active_days": [ACTIVE_DAYS],
    }.get(kind, [])


def base_rates(contract: Contract) -> list[tuple[str, str]]:
    """Task and window of every base rate that some feature needs."""
    pairs = ((one.task, one.window) for one in computed_features(contract) if one.kind in ("rate", "coec"))
    return list(dict.fromkeys(pairs))


def sum_column(counter: str, window: str, row: str) -> str:
    return f"{row}.{quote_identifier(f'{counter}_{window}')}"


def base_column(task: str, window: str, row: str) -> str:
    return f"{row}.{quote_identifier(f'base_{task}_{window}')}"


def history_sql(contract: Contract, daily: str, state: str | None, day: date) -> str:
    """The days before, and without a day number what all of them together add up to."""
    names, number = ", ".join(quote_identifier(one) for one in counters(contract)), day_number(day)
    text = f"""
        SELECT day_number, entity, key, {names}, CASE WHEN impressions > 0 THEN 1 ELSE 0 END AS {ACTIVE_DAYS}
        FROM {daily}
        WHERE day_number >= {number - max(contract.features.windows_days)} AND day_number < {number}"""
    if state is not None:
        text += f" UNION ALL SELECT CAST(NULL AS INTEGER), entity, key, {names}, {ACTIVE_DAYS} FROM {state}"
    return text


def summed(contract: Contract) -> list[tuple[str, str]]:
    """Counter and window of every sum that some feature needs."""
    pairs = ((one, feature.window) for feature in computed_features(contract) for one in counters_of(feature))
    return list(dict.fromkeys(pairs))


def sums_sql(contract: Contract, day: date) -> str:
    frames = {f"{days}d": f"day_number >= {day_number(day) - days}" for days in contract.features.windows_days}
    frames[LIFETIME] = "day_number IS NULL"
    columns = []
    for counter, window in summed(contract):
        # Whole numbers below 2^53 add exactly in any order as DOUBLE, in two thirds of the time of BIGINT.
        one = f"CAST({quote_identifier(counter)} AS DOUBLE)"
        inside = f"CASE WHEN {frames[window]} THEN {one} ELSE {double(0.0)} END"
        columns.append(f"CAST(SUM({inside}) AS BIGINT) AS {quote_identifier(f'{counter}_{window}')}")
    if any(entity.recency for entity in contract.features.entities):
        columns.append("MAX(CASE WHEN impressions > 0 THEN day_number END) AS last_shown")
    return f"SELECT {', '.join(['entity', 'key', *columns])} FROM history GROUP BY entity, key"


def overall_sql(contract: Contract) -> str:
    # MAX over the single row of all rows: an aggregate answers with a row even when there is no history.
    rates = ["COUNT(*) AS n_rows"]
    for task, window in base_rates(contract):
        known = f"MAX({sum_column(known_column(task), window, 's')})"
        shown = f"MAX({sum_column(IMPRESSIONS, window, 's')})"
        rate = smoothed_sql(known, shown, START_IMPRESSIONS, double(START_RATE))
        rates.append(f"{rate} AS {quote_identifier(f'base_{task}_{window}')}")
    return f"SELECT {', '.join(rates)} FROM sums AS s WHERE s.entity = {quote_literal(ALL_ROWS.name)}"


def by_scenario_sql(contract: Contract) -> str:
    rates = ["s.key AS key"]
    for task, window in base_rates(contract):
        known, shown = sum_column(known_column(task), window, "s"), sum_column(IMPRESSIONS, window, "s")
        rate = smoothed_sql(known, shown, contract.features.prior_impressions, base_column(task, window, "o"))
        rates.append(f"{rate} AS {quote_identifier(f'base_{task}_{window}')}")
    where = f"s.entity = {quote_literal(EACH_SCENARIO.name)}"
    return f"SELECT {', '.join(rates)} FROM sums AS s CROSS JOIN overall AS o WHERE {where}"


def met_sql(contract: Contract, entity: Entity, rows: str) -> str:
    """The sums of the keys among the rows, beside the parts of the key: rows are joined by these, not by texts."""
    parts = ", ".join(f"{part_sql(contract, key)} AS {quote_identifier(f'key_{key}')}" for key in entity.keys)
    shown = f"SELECT DISTINCT {parts} FROM {rows} AS r"
    keyed = f"SELECT m.*, {key_sql([f'key_{key}' for key in entity.keys], 'm')} AS met_key FROM ({shown}) AS m"
    mine = f"(SELECT * FROM sums WHERE entity = {quote_literal(entity.name)})"
    return f"SELECT k.*, s.* FROM ({keyed}) AS k JOIN {mine} AS s ON s.key = k.met_key"


def joins_sql(contract: Contract, entities: Sequence[Entity]) -> list[str]:
    """Joins of these tables to the rows `r`: base rates as `o` and `b`, entities by their names."""
    joins = ["CROSS JOIN overall AS o", "LEFT JOIN by_scenario AS b ON b.key = CAST(r.scenario_id AS STRING)"]
    for entity in entities:
        table = entity_table(contract, entity)
        same = (f"{table}.{quote_identifier(f'key_{key}')} = {part_sql(contract, key)}" for key in entity.keys)
        joins.append(f"LEFT JOIN {table} ON {' AND '.join(same)}")
    return joins
