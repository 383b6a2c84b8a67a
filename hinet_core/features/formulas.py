"""Each kind of computed feature as SQL over the sums of its window.

rate      (known + prior·base) / (impressions + prior), base being the rate of the row's scenario, itself smoothed
          towards the rate of all rows
coec      (known + a) / (expected at the slots + a), with a = prior · rate of all rows; 1 without history
residual  (known - expected in the scenarios) / (impressions + prior); 0 without history
"""

from datetime import date

from hinet_core.contract import Computed, Contract, Entity
from hinet_core.contract.computed import IMPRESSIONS
from hinet_core.features.counters import MICRO, at_slot_column, in_scenario_column, known_column
from hinet_core.features.history import day_number
from hinet_core.features.sql import double, smoothed
from hinet_core.features.windows import base_column, counters_of, sum_column


def feature_sql(contract: Contract, feature: Computed, day: date) -> str:
    """One computed column over the rows `r` and the joins of windows.py and recent.py."""
    if feature.kind == "recent":
        return f"l{[one.name for one in contract.features.recent].index(feature.name)}.items"
    index = [entity.name for entity in contract.features.entities].index(feature.entity)
    if feature.kind == "recency":
        return f"CAST({day_number(day)} - e{index}.last_shown AS INTEGER)"
    if feature.kind == "rate":
        return rate_sql(contract, feature, index)
    if feature.kind == "coec":
        return coec_sql(contract, feature, index)
    if feature.kind == "residual":
        return residual_sql(contract, feature, index)
    (counter,) = counters_of(feature)
    return f"CAST(COALESCE({sum_column(counter, feature.window, f'e{index}')}, 0) AS BIGINT)"


def rate_sql(contract: Contract, feature: Computed, index: int) -> str:
    base = base_column(feature.task, feature.window, "o")
    if not is_scenario(contract, contract.features.entities[index]):
        # A scenario without history has the rate of all rows.
        base = f"COALESCE({base_column(feature.task, feature.window, 'b')}, {base})"
    known = sum_column(known_column(feature.task), feature.window, f"e{index}")
    shown = sum_column(IMPRESSIONS, feature.window, f"e{index}")
    return smoothed(known, shown, contract.features.prior_impressions, base)


def coec_sql(contract: Contract, feature: Computed, index: int) -> str:
    prior = f"{double(contract.features.prior_impressions)} * {base_column(feature.task, feature.window, 'o')}"
    known = total(feature, index, known_column(feature.task))
    expected = f"{total(feature, index, at_slot_column(feature.task))} / {double(MICRO)}"
    return f"({known} + {prior}) / ({expected} + {prior})"


def residual_sql(contract: Contract, feature: Computed, index: int) -> str:
    known, shown = total(feature, index, known_column(feature.task)), total(feature, index, IMPRESSIONS)
    expected = f"{total(feature, index, in_scenario_column(feature.task))} / {double(MICRO)}"
    ratio = f"({known} - {expected}) / ({shown} + {double(contract.features.prior_impressions)})"
    # Clipped like a rate: outcomes may be known on other days than those of the impressions.
    return f"LEAST(GREATEST({ratio}, {double(-1.0)}), {double(1.0)})"


def total(feature: Computed, index: int, counter: str) -> str:
    return f"CAST(COALESCE({sum_column(counter, feature.window, f'e{index}')}, 0) AS DOUBLE)"


def is_scenario(contract: Contract, entity: Entity) -> bool:
    """Whether an entity is the scenario itself, whose base is the rate of all rows."""
    return entity.keys == ("scenario_id",) or entity.keys == (contract.name_of("scenario"),)
