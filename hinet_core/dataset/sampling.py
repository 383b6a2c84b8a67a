"""Fewer negatives in training: of a scenario's rows without any positive, a known share stays.

Which rows stay follows from a hash of their identity, so it depends neither on order nor on a seed. The hash is
another half of the digest than the one that orders the training set. Only training sets are sampled; validation and
evaluation read all rows. `models.layers.without_sampling` undoes it before anything reads a probability.
"""

from collections.abc import Mapping

from hinet_core.dataset.plan import IDENTITY, Plan


def rates(plan: Plan, negative_rate: Mapping[str, float]) -> tuple[float, ...]:
    """The share of negatives that stays per modelled scenario; empty when all stay."""
    found = tuple(negative_rate.get(one, 1.0) for one in plan.scenarios)
    return found if min(found) < 1 else ()


def kept_sql(plan: Plan, rate_S: tuple[float, ...]) -> str:
    """Whether a row of the encoder's query stays.

    In a sampled scenario a row whose first task is not settled yet is left out: nobody can say at what rate it came.
    """
    if not rate_S:
        return "true"
    positive = " OR ".join(f"y{i} = 1" for i in range(len(plan.tasks)))
    cases = " ".join(
        f"WHEN {i} THEN m0 = 1 AND ({positive} OR md5_number_upper({IDENTITY}) < {round(rate * 2**64)})"
        for i, rate in enumerate(rate_S)
        if rate < 1
    )
    return f"CASE scenario {cases} ELSE true END"
