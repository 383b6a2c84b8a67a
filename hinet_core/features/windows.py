"""Windows over `entity_daily`: counts, smoothed rates and recency as of one day, from earlier days only.

For day D and a window of W days the frame is [D-W, D-1]. A rate is (known + prior·base) / (impressions + prior),
where base is the same window's rate of the row's scenario, itself smoothed towards the rate of all rows.
"""

from datetime import date

from hinet_core.contract import Computed, Contract, Entity, computed_features
from hinet_core.features.daily import ALL_ROWS, EACH_SCENARIO, known_column
from hinet_core.features.history import day_number
from hinet_core.features.sql import double, key_sql, smoothed
from hinet_core.lake import quote_identifier, quote_literal

# The rate of all rows before anything is known, worth one impression.
START_RATE = 0.1
START_IMPRESSIONS = 1.0


def windows_sql(contract: Contract, history: str, day: date) -> str:
    """Common tables over a view of `entity_daily`, as of a day.

    `sums`: per entity and key its counts in each window. `overall`: one row, each task's rate in each window.
    `by_scenario`: the same per scenario.
    """
    return f"""
        sums AS ({sums_sql(contract, history, day)}),
        overall AS ({overall_sql(contract)}),
        by_scenario AS ({by_scenario_sql(contract)})"""


def sums_sql(contract: Contract, history: str, day: date) -> str:
    number = day_number(day)
    lengths = {f"{days}d": days for days in contract.features.windows_days}
    columns = []
    for counter, window in summed(contract):
        frame = f"day_number >= {number - lengths[window]}"
        one = "CASE WHEN impressions > 0 THEN 1 ELSE 0 END" if counter == "active_days" else quote_identifier(counter)
        # Whole numbers below 2^53 add exactly in any order as DOUBLE, in two thirds of the time of BIGINT.
        total = f"SUM(CASE WHEN {frame} THEN CAST({one} AS DOUBLE) ELSE {double(0.0)} END)"
        columns.append(f"CAST({total} AS BIGINT) AS {quote_identifier(f'{counter}_{window}')}")
    columns.append("MAX(CASE WHEN impressions > 0 THEN day_number END) AS last_shown")
    frame = f"day_number >= {number - max(contract.features.windows_days)} AND day_number < {number}"
    return f"SELECT entity, key, {', '.join(columns)} FROM {history} WHERE {frame} GROUP BY entity, key"


def summed(contract: Contract) -> list[tuple[str, str]]:
    """The counters that some feature needs, each with its window."""
    found: dict[tuple[str, str], None] = {}
    for feature in computed_features(contract):
        if feature.kind in ("impressions", "rate"):
            found["impressions", feature.window] = None
        if feature.kind in ("count", "rate"):
            found[known_column(feature.task), feature.window] = None
        if feature.kind == "active_days":
            found["active_days", feature.window] = None
    return list(found)


def base_rates(contract: Contract) -> list[tuple[str, str]]:
    """Task and window of every base rate that some feature needs."""
    pairs = ((one.task, one.window) for one in computed_features(contract) if one.kind == "rate")
    return list(dict.fromkeys(pairs))


def sum_column(counter: str, window: str, row: str) -> str:
    return f"{row}.{quote_identifier(f'{counter}_{window}')}"


def base_column(task: str, window: str) -> str:
    return quote_identifier(f"base_{task}_{window}")


def overall_sql(contract: Contract) -> str:
    # MAX over the single row of all rows: an aggregate answers with a row even when there is no history.
    rates = ["COUNT(*) AS n_rows"]
    for task, window in base_rates(contract):
        known = f"MAX({sum_column(known_column(task), window, 's')})"
        shown = f"MAX({sum_column('impressions', window, 's')})"
        rate = smoothed(known, shown, START_IMPRESSIONS, double(START_RATE))
        rates.append(f"{rate} AS {base_column(task, window)}")
    return f"SELECT {', '.join(rates)} FROM sums AS s WHERE s.entity = {quote_literal(ALL_ROWS.name)}"


def by_scenario_sql(contract: Contract) -> str:
    rates = ["s.key AS key"]
    for task, window in base_rates(contract):
        base = base_column(task, window)
        known, shown = sum_column(known_column(task), window, "s"), sum_column("impressions", window, "s")
        rates.append(f"{smoothed(known, shown, contract.features.prior_impressions, f'o.{base}')} AS {base}")
    where = f"s.entity = {quote_literal(EACH_SCENARIO.name)}"
    return f"SELECT {', '.join(rates)} FROM sums AS s CROSS JOIN overall AS o WHERE {where}"


def joins_sql(contract: Contract) -> str:
    """Joins to the rows `r`: base rates as `o` and `b`, each entity's row of `sums` as `e0`, `e1`, …"""
    joins = ["CROSS JOIN overall AS o", "LEFT JOIN by_scenario AS b ON b.key = CAST(r.scenario_id AS STRING)"]
    for index, entity in enumerate(contract.features.entities):
        mine = f"(SELECT * FROM sums WHERE entity = {quote_literal(entity.name)})"
        joins.append(f"LEFT JOIN {mine} AS e{index} ON e{index}.key = {key_sql(entity.keys)}")
    return "\n".join(joins)


def is_scenario(contract: Contract, entity: Entity) -> bool:
    """Whether an entity is the scenario itself, whose base is the rate of all rows."""
    return entity.keys == ("scenario_id",) or entity.keys == (contract.name_of("scenario"),)


def feature_sql(contract: Contract, feature: Computed, day: date) -> str:
    """One computed column over the rows and the joins of `joins_sql`."""
    index = [entity.name for entity in contract.features.entities].index(feature.entity)
    row, window = f"e{index}", feature.window
    if feature.kind == "recency":
        return f"CAST({day_number(day)} - {row}.last_shown AS INTEGER)"
    if feature.kind == "rate":
        base = f"o.{base_column(feature.task, window)}"
        if not is_scenario(contract, contract.features.entities[index]):
            # A scenario without history has the rate of all rows.
            base = f"COALESCE(b.{base_column(feature.task, window)}, {base})"
        known, shown = sum_column(known_column(feature.task), window, row), sum_column("impressions", window, row)
        return smoothed(known, shown, contract.features.prior_impressions, base)
    counter = known_column(feature.task) if feature.kind == "count" else feature.kind
    return f"CAST(COALESCE({sum_column(counter, window, row)}, 0) AS BIGINT)"
