"""Windows over `entity_daily`: counts, smoothed rates and recency as of one day, from earlier days only.

For day D and a window of W days the frame is [D-W, D-1]. A rate is (known + prior·base) / (impressions + prior),
where base is the same window's rate of the row's scenario, itself smoothed towards the rate of all rows.
"""

from datetime import date, timedelta

from hinet_core.contract import Contract, Entity
from hinet_core.features.daily import ALL_ROWS, EACH_SCENARIO, day_number, key_sql, known_column
from hinet_core.features.plan import Computed
from hinet_core.lake import quote_identifier, quote_literal

# The rate of all rows before anything is known, worth one impression.
START_RATE = 0.1
START_IMPRESSIONS = 1.0


def history_days(contract: Contract, day: date) -> list[date]:
    """The days that the longest window of `day` looks at, oldest first."""
    return [day - timedelta(days=back) for back in range(max(contract.features.windows_days), 0, -1)]


def double(value: float) -> str:
    """A number as a DOUBLE literal; a bare 0.5 is a DECIMAL on Spark."""
    return f"CAST({value!r} AS DOUBLE)"


def smoothed(known: str, impressions: str, prior: float, base: str) -> str:
    """A rate in [0, 1]: the two counts belong to different days, so their ratio alone may leave it."""
    up = f"CAST(COALESCE({known}, 0) AS DOUBLE) + {double(prior)} * {base}"
    down = f"CAST(COALESCE({impressions}, 0) AS DOUBLE) + {double(prior)}"
    return f"LEAST(GREATEST(({up}) / ({down}), {double(0.0)}), {double(1.0)})"


def base_column(task: str, days: int, scope: str) -> str:
    return quote_identifier(f"base_{scope}_{task}_{days}")


def sums_sql(contract: Contract, history: str, day: date) -> str:
    """One row per entity and key: its counts in each window as of `day` and the last day it was shown."""
    number = day_number(day)
    counters = ["impressions", *(known_column(task.name) for task in contract.tasks)]
    sums = [
        f"CAST(SUM(CASE WHEN day_number >= {number - days} THEN {quote_identifier(counter)} ELSE 0 END) AS BIGINT) "
        f"AS {quote_identifier(f'{counter}_{days}')}"
        for days in contract.features.windows_days
        for counter in counters
    ]
    frame = f"day_number >= {number - max(contract.features.windows_days)} AND day_number < {number}"
    return (
        f"SELECT entity, key, {', '.join(sums)}, MAX(CASE WHEN impressions > 0 THEN day_number END) AS last_shown "
        f"FROM {history} WHERE {frame} GROUP BY entity, key"
    )


def of_entity(entity: Entity) -> str:
    return f"(SELECT * FROM sums WHERE entity = {quote_literal(entity.name)})"


def joined_sql(contract: Contract, rows: str) -> str:
    """FROM clause: the rows and their base rates as `r`, each entity's row of `sums` as `e0`, `e1`, …"""
    joins = [f"FROM ({with_bases_sql(contract, rows)}) AS r"]
    for index, entity in enumerate(contract.features.entities):
        joins.append(f"LEFT JOIN {of_entity(entity)} AS e{index} ON e{index}.key = {key_sql(entity.keys)}")
    return "\n".join(joins)


def with_bases_sql(contract: Contract, rows: str) -> str:
    """The rows with the base rates of all rows and of their scenario beside them."""
    prior = contract.features.prior_impressions
    pairs = [(task.name, days) for task in contract.tasks for days in contract.features.windows_days]
    overall, inner, outer = [], [], []
    for task, days in pairs:
        known, shown = quote_identifier(f"{known_column(task)}_{days}"), quote_identifier(f"impressions_{days}")
        all_rows = base_column(task, days, "all")
        overall.append(
            f"{smoothed(f'MAX({known})', f'MAX({shown})', START_IMPRESSIONS, double(START_RATE))} AS {all_rows}"
        )
        inner.append(f"a.{all_rows}")
        rate = smoothed(f"s.{known}", f"s.{shown}", prior, f"a.{all_rows}")
        outer.append(f"{rate} AS {base_column(task, days, 'scenario')}")
    # MAX over the single row of all rows: an aggregate answers with a row even when there is no history.
    return f"""
        SELECT r.*, {", ".join(inner)}, {", ".join(outer)}
        FROM {rows} AS r
        CROSS JOIN (SELECT {", ".join(overall)} FROM {of_entity(ALL_ROWS)} AS one) AS a
        LEFT JOIN {of_entity(EACH_SCENARIO)} AS s ON s.key = CAST(r.scenario_id AS STRING)"""


def is_scenario(contract: Contract, entity: Entity) -> bool:
    """Whether an entity is the scenario itself, whose base is the rate of all rows."""
    return entity.keys == ("scenario_id",) or entity.keys == (contract.name_of("scenario"),)


def feature_sql(contract: Contract, feature: Computed, day: date) -> str:
    """One computed column over the FROM clause of `joined_sql`."""
    names = [entity.name for entity in contract.features.entities]
    index = names.index(feature.entity)
    shown = f"e{index}.{quote_identifier(f'impressions_{feature.window_days}')}"
    if feature.kind == "impressions":
        return f"CAST(COALESCE({shown}, 0) AS BIGINT)"
    if feature.kind == "recency":
        return f"CAST({day_number(day)} - e{index}.last_shown AS INTEGER)"
    scope = "all" if is_scenario(contract, contract.features.entities[index]) else "scenario"
    base = f"r.{base_column(feature.task, feature.window_days, scope)}"
    known = f"e{index}.{quote_identifier(f'{known_column(feature.task)}_{feature.window_days}')}"
    return smoothed(known, shown, contract.features.prior_impressions, base)
