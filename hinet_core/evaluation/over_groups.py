"""Metrics that are weighted means over users or requests: a draw weighs each group as often as it has its user.

N rows, G groups with both classes, S scenarios, D draws of users.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.grouped import grouped
from hinet_core.evaluation.metrics import GroupMetric
from hinet_core.evaluation.places import Ints, Judged, Labelled, Place
from hinet_core.evaluation.ranked import Floats


def of_groups(
    labelled: Labelled,
    order_N: Ints,
    logit_N: Floats,
    places: Sequence[Place],
    users: UserDraws,
    metrics: Sequence[GroupMetric],
) -> dict[str, list[Judged]]:
    """Each metric in every place; `order_N` sorts the logits."""
    found: dict[str, list[Judged]] = {}
    for one in metrics:
        group_N = labelled.groups[one.by]
        if group_N is None:
            nothing = Judged(
                value=None, value_D=np.full(users.draws, np.nan), null_reason=f"no column has the role {one.by!r}"
            )
            found[one.name] = [nothing] * len(places)
        else:
            sums = by_scenario(labelled, order_N, logit_N, group_N, len(places) - 1, users, one)
            found[one.name] = [judged(place, one, *those) for place, those in zip(places, sums, strict=True)]
    return found


def by_scenario(
    labelled: Labelled,
    order_N: Ints,
    logit_N: Floats,
    group_N: Ints,
    n_scenarios: int,
    users: UserDraws,
    metric: GroupMetric,
) -> Iterator[tuple[int, int, Floats, Floats]]:
    """Yield, for each scenario and then for all: groups, their rows, and the sums of value x weight and of weight,
    first with every user once, then as each draw counts them."""
    rows, code_G = grouped(order_N, logit_N, labelled.label_N, group_N)
    value_G, weight_G = metric.compute(rows)
    size_G = rows.per_group(rows.positive_R + rows.negative_R)
    row_G = np.zeros(int(group_N.max(initial=-1)) + 1, np.int64)
    row_G[group_N] = np.arange(len(group_N))
    row_G = row_G[code_G]
    # Draws are added up in the order of users.
    order_G = np.argsort(labelled.user_N[row_G], kind="stable")
    scenario_G = labelled.scenario_N[row_G][order_G].astype(np.int32)
    user_G = labelled.user_N[row_G][order_G]
    value_S, weight_S = (
        users.sums(scenario_G, user_G, n_scenarios, part_G[order_G]) for part_G in (value_G * weight_G, weight_G)
    )
    groups_S = np.bincount(scenario_G, minlength=n_scenarios)
    rows_S = np.bincount(scenario_G, size_G[order_G], minlength=n_scenarios)
    for code in range(n_scenarios):
        yield int(groups_S[code]), int(rows_S[code]), value_S[code], weight_S[code]
    yield int(groups_S.sum()), int(rows_S.sum()), value_S.sum(axis=0), weight_S.sum(axis=0)


def judged(
    place: Place, metric: GroupMetric, n_groups: int, n_rows: int, value_D: Floats, weight_D: Floats
) -> Judged:
    """The weighted mean, and a note of how much of the place it stands on."""
    reason = metric.undefined(place.n, n_groups)
    mean_D = np.divide(value_D, weight_D, out=np.full(len(value_D), np.nan), where=weight_D > 0)
    if reason is not None:
        return Judged(value=None, value_D=mean_D[1:] * np.nan, null_reason=reason)
    note = f"{n_groups:,} {metric.by}s with both classes, {n_rows / place.n:.0%} of the labels"
    return Judged(value=float(mean_D[0]), value_D=mean_D[1:], note=note)
