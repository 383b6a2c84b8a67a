"""Windows over `entity_daily`: what each entity's history adds up to as of one day, from earlier days only.

For day D and a window of W days the frame is [D-W, D-1].
"""

from datetime import date

from hinet_core.contract import Computed, Contract, computed_features
from hinet_core.contract.computed import IMPRESSIONS
from hinet_core.features.counters import at_slot_column, in_scenario_column, known_column
from hinet_core.features.daily import ALL_ROWS, EACH_SCENARIO
from hinet_core.features.history import day_number
from hinet_core.features.sql import START_IMPRESSIONS, START_RATE, double, key_sql, smoothed
from hinet_core.lake import quote_identifier, quote_literal

ACTIVE_DAYS = "active_days"


def windows_sql(contract: Contract, history: str, day: date) -> list[str]:
    """Common tables over a view of `entity_daily`, as of a day.

    `sums`: per entity and key its counts in each window. `overall`: one row, each task's rate in each window.
    `by_scenario`: the same per scenario, smoothed towards `overall`.
    """
    return [
        f"sums AS ({sums_sql(contract, history, day)})",
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


def sums_sql(contract: Contract, history: str, day: date) -> str:
    number = day_number(day)
    lengths = {f"{days}d": days for days in contract.features.windows_days}
    needed = [(one, feature.window) for feature in computed_features(contract) for one in counters_of(feature)]
    columns = []
    for counter, window in dict.fromkeys(needed):
        one = "CASE WHEN impressions > 0 THEN 1 ELSE 0 END" if counter == ACTIVE_DAYS else quote_identifier(counter)
        # Whole numbers below 2^53 add exactly in any order as DOUBLE, in two thirds of the time of BIGINT.
        inside = f"CASE WHEN day_number >= {number - lengths[window]} THEN CAST({one} AS DOUBLE) ELSE {double(0.0)} END"
        columns.append(f"CAST(SUM({inside}) AS BIGINT) AS {quote_identifier(f'{counter}_{window}')}")
    columns.append("MAX(CASE WHEN impressions > 0 THEN day_number END) AS last_shown")
    frame = f"day_number >= {number - max(contract.features.windows_days)} AND day_number < {number}"
    return f"SELECT entity, key, {', '.join(columns)} FROM {history} WHERE {frame} GROUP BY entity, key"


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
