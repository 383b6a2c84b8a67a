"""Metrics of all rows of a place: exact values, and draws moved by as much as their bins move the value.

N rows, D draws of users.
"""

from collections.abc import Sequence

import numpy as np

from hinet_core.evaluation.binned import by_place
from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.metrics import ScoreMetric
from hinet_core.evaluation.places import Ints, Judged, Labelled, Place
from hinet_core.evaluation.ranked import Floats, Ranked


def of_scores(
    labelled: Labelled,
    order_N: Ints,
    logit_N: Floats,
    places: Sequence[Place],
    users: UserDraws,
    metrics: Sequence[ScoreMetric],
) -> dict[str, list[Judged]]:
    """Each metric in every place; `order_N` sorts the logits."""
    found: dict[str, list[Judged]] = {one.name: [] for one in metrics}
    if metrics:
        columns = labelled.label_N, labelled.scenario_N, labelled.user_N
        ranks = by_place(order_N, logit_N, *columns, len(places) - 1, users)
        for place, (rows, binned) in zip(places, ranks, strict=True):
            for one in metrics:
                found[one.name].append(judged(place, one, rows, binned))
    return found


def judged(place: Place, metric: ScoreMetric, rows: Ranked, binned: Ranked) -> Judged:
    """`rows` as they are; `binned` with every user once in column 0, then as each draw counts them."""
    reason = metric.undefined(place.n, place.n_positives)
    if reason is not None:
        return Judged(value=None, value_D=np.full(binned.positive_GD.shape[1] - 1, np.nan), null_reason=reason)
    value, binned_D = float(metric.compute(rows)[0]), metric.compute(binned)
    defined = metric.noisy and not np.isnan(binned_D[1:]).all()
    centre = np.nanmean(binned_D[1:]) if defined else binned_D[0]
    return Judged(value=value, value_D=binned_D[1:] + (value - centre))
