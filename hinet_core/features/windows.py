"""Windows over `entity_daily`: what each entity's history adds up to as of one day, from earlier days only.

For day D and a window of W days the frame is [D-W, D-1]. The window 'lifetime' is the running state of the day before.
"""

from datetime import date

from hinet_core.contract import Computed, Contract, computed_features
from hinet_core.contract.computed import IMPRESSIONS, LIFETIME
from hinet_core.features.counters import ACTIVE_DAYS, at_slot_column, counters, in_scenario_column, known_column
from hinet_core.features.daily import ALL_ROWS, EACH_SCENARIO
from hinet_core.features.history import day_number
from hinet_core.features.sql import START_IMPRESSIONS, START_RATE, double, key_sql, smoothed
from hinet_core.lake import quote_identifier, quote_literal


def windows_sql(contract: Contract, daily: str, state: str | None, day: date) -> list[str]:
    """Common tables over a view of `entity_daily` and one of `entity_state` of the day before, as of a day.

    `history`: the rows of both. `sums`: per entity and key its counts in each window. `overall`: one row, each task's
    rate in each window. `by_scenario`: the same per scenario, smoothed towards `overall`.
    """
    return [
        f"history AS ({history_sql(contract, daily, state, day)})",
        f"sums AS ({sums_sql(contract, day)})",
        f"overall AS ({overall_sql(contract)})",
        f"by_scenario AS ({by_scenario_sql(contract)})",
    ]


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


def sums_sql(contract: Contract, day: date) -> str:
    frames = {f"{days}d": f"day_number >= {day_number(day) - days}" for days in contract.features.windows_days}
    frames[LIFETIME] = "day_number IS NULL"
    needed = [(one, feature.window) for feature in computed_features(contract) for one in counters_of(feature)]
    columns = []
    for counter, window in dict.fromkeys(needed):
        # Whole numbers below 2^53 add exactly in any order as DOUBLE, in two thirds of the time of BIGINT.
        one = f"CAST({quote_identifier(counter)} AS DOUBLE)"
        inside = f"CASE WHEN {frames[window]} THEN {one} ELSE {double(0.0)} END"
        columns.append(f"CAST(SUM({inside}) AS BIGINT) AS {quote_identifier(f'{counter}_{window}')}")
    columns.append("MAX(CASE WHEN impressions > 0 THEN day_number END) AS last_shown")
    return f"SELECT entity, key, {', '.join(columns)} FROM history GROUP BY entity, key"


def overall_sql(contract: Contract) -> str:
    # MAX over the single row of all rows: an aggregate answers with a row even when there is no history.
    rates = ["COUNT(*) AS n_rows"]
    for task, window in base_rates(contract):
        known = f"MAX({sum_column(known_column(task), window, 's')})"
        shown = f"MAX({sum_column(IMPRESSIONS, window, 's')})"
        rate = smoothed(known, shown, START_IMPRESSIONS, double(START_RATE))
        rates.append(f"{rate} AS {quote_identifier(f'base_{task}_{window}')}")
    return f"SELECT {', '.join(rates)} FROM sums AS s WHERE s.entity = {quote_literal(ALL_ROWS.name)}"


def by_scenario_sql(contract: Contract) -> str:
    rates = ["s.key AS key"]
    for task, window in base_rates(contract):
        known, shown = sum_column(known_column(task), window, "s"), sum_column(IMPRESSIONS, window, "s")
        rate = smoothed(known, shown, contract.features.prior_impressions, base_column(task, window, "o"))
        rates.append(f"{rate} AS {quote_identifier(f'base_{task}_{window}')}")
    where = f"s.entity = {quote_literal(EACH_SCENARIO.name)}"
    return f"SELECT {', '.join(rates)} FROM sums AS s CROSS JOIN overall AS o WHERE {where}"


def joins_sql(contract: Contract) -> list[str]:
    """Joins to the rows `r`: base rates as `o` and `b`, each entity's row of `sums` as `e0`, `e1`, …"""
    joins = ["CROSS JOIN overall AS o", "LEFT JOIN by_scenario AS b ON b.key = CAST(r.scenario_id AS STRING)"]
    for index, entity in enumerate(contract.features.entities):
        mine = f"(SELECT * FROM sums WHERE entity = {quote_literal(entity.name)})"
        joins.append(f"LEFT JOIN {mine} AS e{index} ON e{index}.key = {key_sql(entity.keys)}")
    return joins
