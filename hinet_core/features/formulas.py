"""Each kind of computed feature over the sums of its window.

rate      (known + prior·base) / (impressions + prior), base being the rate of the row's scenario, itself smoothed
          towards the rate of all rows
coec      (known + a) / (expected at the slots + a), with a = prior · rate of all rows; 1 without history
residual  (known - expected in the scenarios) / (impressions + prior); 0 without history
"""

from collections.abc import Callable
from datetime import date

from hinet_core.contract import Computed, Contract, Entity
from hinet_core.contract.computed import IMPRESSIONS
from hinet_core.features.arithmetic import Sql, Term, excess, ratio_to_expected, smoothed
from hinet_core.features.counters import MICRO, at_slot_column, in_scenario_column, known_column
from hinet_core.features.history import day_number
from hinet_core.features.recent import list_table
from hinet_core.features.windows import base_column, counters_of, entity_table, sum_column


def estimate(
    contract: Contract, feature: Computed, total: Callable[[str], Term], base: Callable[[], Term],
    overall: Callable[[], Term],
) -> Term:  # fmt: skip
    """A rate, coec or residual from the sum of a counter in the feature's window and from the two base rates: that of
    the row's scenario and that of all rows."""
    known, prior = total(known_column(feature.task)), contract.features.prior_impressions
    if feature.kind == "rate":
        by_itself = is_scenario(contract, entity_of(contract, feature))
        return smoothed(known, total(IMPRESSIONS), prior, overall() if by_itself else base())
    if feature.kind == "coec":
        return ratio_to_expected(known, total(at_slot_column(feature.task)) / MICRO, prior * overall())
    return excess(known, total(in_scenario_column(feature.task)) / MICRO, total(IMPRESSIONS), prior)


def feature_sql(contract: Contract, feature: Computed, day: date) -> str:
    """One computed column over the rows `r` and the joins of windows.py and recent.py."""
    if feature.kind == "recent":
        return f"{list_table(contract, feature.name)}.items"
    table = entity_table(contract, entity_of(contract, feature))
    if feature.kind == "recency":
        return f"CAST({day_number(day)} - {table}.last_shown AS INTEGER)"
    if feature.kind not in ("rate", "coec", "residual"):
        (counter,) = counters_of(feature)
        return f"CAST(COALESCE({sum_column(counter, feature.window, table)}, 0) AS BIGINT)"

    def total(counter: str) -> Sql:
        return Sql(f"CAST(COALESCE({sum_column(counter, feature.window, table)}, 0) AS DOUBLE)")

    overall = base_column(feature.task, feature.window, "o")
    # A scenario without history has the rate of all rows.
    base = f"COALESCE({base_column(feature.task, feature.window, 'b')}, {overall})"
    return estimate(contract, feature, total, lambda: Sql(base), lambda: Sql(overall)).text


def entity_of(contract: Contract, feature: Computed) -> Entity:
    return next(one for one in contract.features.entities if one.name == feature.entity)


def is_scenario(contract: Contract, entity: Entity) -> bool:
    """Whether an entity is the scenario itself, whose base is the rate of all rows."""
    return entity.keys == ("scenario_id",) or entity.keys == (contract.name_of("scenario"),)
