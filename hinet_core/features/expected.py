"""Expected outcomes: what the impressions of an entity would bring if it were like any other in the same places.

An impression expects the smoothed rate of its place on the day it was shown: of its scenario and slot (clicks over
expected clicks) or of its scenario alone (residuals). The day is over when its rates are taken, so every later day
knows them.
"""

from hinet_core.contract import Contract
from hinet_core.features.arithmetic import double
from hinet_core.features.counters import MICRO, at_slot_column, expected_counters, in_scenario_column, known_column
from hinet_core.features.sql import START_IMPRESSIONS, START_RATE, smoothed_sql
from hinet_core.lake import quote_identifier


def slot_sql(contract: Contract) -> str:
    """The slot of a row as text; rows without one share a place."""
    position = contract.column_for("position")
    value = f"CAST(r.{quote_identifier(position.name)} AS STRING)" if position else "CAST(NULL AS STRING)"
    return f"COALESCE({value}, '')"


def expected_sql(contract: Contract, counted: str) -> list[str]:
    """Common tables, the last of which, `expecting`, is `counted` with the expected counters beside the others.

    `counted` has `impressions`, the known outcomes of every task, `key_scenario_id` and `slot`.
    """
    prior, wanted = contract.features.prior_impressions, expected_counters(*contract.features.entities)
    pairs = [(quote_identifier(known_column(task.name)), rate_column(task.name)) for task in contract.tasks]
    start = [
        f"{smoothed_sql(f'SUM({known})', 'SUM(impressions)', START_IMPRESSIONS, double(START_RATE))} AS {rate}"
        for known, rate in pairs
    ]
    scenario = [f"{smoothed_sql(f'c.{known}', 'c.impressions', prior, f'a.{rate}')} AS {rate}" for known, rate in pairs]
    slot = [f"{smoothed_sql(f'c.{known}', 'c.impressions', prior, f's.{rate}')} AS {rate}" for known, rate in pairs]
    sums = ", ".join(f"SUM({one}) AS {one}" for one in ("impressions", *(known for known, _ in pairs)))
    by_scenario = f"(SELECT key_scenario_id, {sums} FROM {counted} GROUP BY key_scenario_id)"
    by_slot = f"(SELECT key_scenario_id, slot, {sums} FROM {counted} GROUP BY key_scenario_id, slot)"
    rates = {at_slot_column(task.name): f"p.{rate_column(task.name)}" for task in contract.tasks}
    rates |= {in_scenario_column(task.name): f"s.{rate_column(task.name)}" for task in contract.tasks}
    columns = [f"{micro_sql(rates[one])} AS {quote_identifier(one)}" for one in wanted]
    return [
        f"everywhere AS (SELECT {', '.join(start)} FROM {counted})",
        f"""scenarios AS (SELECT c.key_scenario_id, {", ".join(scenario)}
            FROM {by_scenario} AS c CROSS JOIN everywhere AS a)""",
        f"""slots AS (SELECT c.key_scenario_id, c.slot, {", ".join(slot)}
            FROM {by_slot} AS c JOIN scenarios AS s ON s.key_scenario_id = c.key_scenario_id)""",
        f"""expecting AS (SELECT c.*, {", ".join(columns)}
            FROM {counted} AS c
            LEFT JOIN scenarios AS s ON s.key_scenario_id = c.key_scenario_id
            LEFT JOIN slots AS p ON p.key_scenario_id = c.key_scenario_id AND p.slot = c.slot)""",
    ]


def rate_column(task: str) -> str:
    return quote_identifier(f"rate_{task}")


def micro_sql(rate: str) -> str:
    """What an impression of the day expects; the row of an earlier day whose outcome became known expects nothing."""
    micro = f"CAST(FLOOR({rate} * {double(MICRO)} + {double(0.5)}) AS BIGINT)"
    return f"CASE WHEN c.impressions = 1 THEN {micro} ELSE 0 END"
