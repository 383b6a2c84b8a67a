"""What must not get worse while orders rise, each within a margin fixed here: rows beside those of the lift.

Clicks, prices, head shops and the promises of scores are of the same requests under both rankings, as L1 is; which
shops are shown is uncertain by groups of users (delete-a-group jackknife). R requests, U users, G groups, I shops.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_core.lift.ab_test.paired_rows import blank, scope
from hinet_core.lift.ab_test.replay import Replayed
from hinet_core.lift.expected import ratio_lift
from hinet_core.lift.policies import Floats
from hinet_core.lift.statistics.guardrails import guardrail
from hinet_core.lift.statistics.samples import LEVEL, NotEstimableError
from hinet_core.lift.tables import Row
from hinet_core.world.truth import World


@dataclass(frozen=True)
class Margin:
    """0.02 allows a loss of 2 %, or a rise of 2 % of what should stay low."""

    margin: float
    more_is_better: bool
    method: str


@dataclass(frozen=True)
class Effect:
    """A relative change of B over A and the standard error of its logarithm."""

    lift: float
    log_se: float


RATIO = "expected value; user-clustered ratio, delta method"
MARGINS = {
    "ctr": Margin(0.02, True, f"clicks per impression: {RATIO}"),
    "head_share": Margin(0.10, False, f"impressions of the most popular tenth of shops: {RATIO}"),
    "price": Margin(0.05, False, f"mean of exp(price) of what is shown: {RATIO}"),
    "shop_coverage": Margin(0.05, True, "shops shown at least once: jackknife over 20 groups of users"),
    "calibration": Margin(0.05, False, "how far promised / expected orders are from 1, either way: delta method"),
}


def guardrail_rows(
    world: World, found: Replayed, names: tuple[str, str], with_probabilities: Collection[str] = ()
) -> list[Row]:
    """Rows with `margin`, `verdict` (holds, broken, undecided) and `worst`, pooled and per scenario.

    Calibration needs scores that are logits of an order in slot 1, which `with_probabilities` have. A baseline without
    them counts as calibrated. A shop is shown or not over all scenarios.
    """
    rows = []
    for metric in MARGINS:
        for scenario in ("", *world.scenario_ids) if metric != "shop_coverage" else ("",):
            row = blank(names, "L1", metric, scenario) | {"margin": MARGINS[metric].margin, "level": LEVEL}
            try:
                rows.append(row | judged_row(world, found, names, metric, scenario, with_probabilities))
            except NotEstimableError as error:
                rows.append(row | {"status": "not_estimable", "reason": str(error), "verdict": None, "worst": None})
    return rows


def judged_row(
    world: World, found: Replayed, names: tuple[str, str], metric: str, scenario: str, probable: Collection[str]
) -> Row:
    mine_R, weight_R = scope(world, found, scenario)
    if not mine_R.any():
        raise NotEstimableError(f"insufficient: no request of {scenario}")
    if metric == "shop_coverage":
        values, effect = coverage(found.shown_AGI)
    elif metric == "calibration":
        if names[1] not in probable:
            raise NotEstimableError(f"the scores of {names[1]} are no probabilities")
        values, effect = calibration(found, mine_R, weight_R, names[0] in probable)
    else:
        values, effect = ratio(world, found, metric, mine_R, weight_R)
    limit = MARGINS[metric]
    judged = guardrail(effect, limit.margin, more_is_better=limit.more_is_better)
    return {
        "lift": effect.lift, "value_a": values[0], "value_b": values[1], "verdict": judged.verdict,
        "worst": judged.worst, "p_raw": judged.p, "method": limit.method, "n_requests": int(mine_R.sum()),
        "n_users": len(np.unique(found.user_R[mine_R])),
    }  # fmt: skip


def ratio(
    world: World, found: Replayed, metric: str, mine_R: NDArray[np.bool_], weight_R: Floats
) -> tuple[tuple[float, float], Effect]:
    name, source = {"ctr": ("clicks", found.expected), "head_share": ("head", found.seen)}.get(
        metric, (metric, found.seen)
    )
    per = world.config.slots if metric == "ctr" else 1
    a_R, b_R = (one[name][mine_R] / per for one in source)
    for whose, value_R in (("baseline", a_R), ("challenger", b_R)):
        if not value_R.any():
            raise NotEstimableError(f"the {whose}'s {metric} is 0")
    one = ratio_lift(a_R, b_R, found.user_R[mine_R], weight_R)
    return (one.value_a, one.value_b), Effect(one.lift, one.se / (1 + one.lift))


def coverage(shown_AGI: NDArray[np.int64]) -> tuple[tuple[float, float], Effect]:
    """Shares of shops, and their log ratio with se^2 = (G - 1) / G sum_g (x without g - mean)^2."""
    n_groups, n_items = shown_AGI.shape[1:]
    whole_AI = shown_AGI.sum(axis=1)
    a, b = ((one > 0).sum() / n_items for one in whole_AI)
    without_AG = (whole_AI[:, None] - shown_AGI > 0).sum(axis=2)
    if not without_AG.all():
        raise NotEstimableError("all requests come from one group of users")
    log_G = np.log(without_AG[1] / without_AG[0])
    se = math.sqrt((n_groups - 1) / n_groups * np.square(log_G - log_G.mean()).sum())
    return (float(a), float(b)), Effect(float(b / a - 1), se)


def calibration(
    found: Replayed, mine_R: NDArray[np.bool_], weight_R: Floats, both: bool
) -> tuple[tuple[float, float], Effect]:
    """promised / expected orders of both, and exp(|log c_B| - |log c_A|) - 1, spread over users."""
    (c_a, linear_a), (c_b, linear_b) = (
        miscalibrated({**found.seen[arm], **found.expected[arm]}, mine_R, weight_R) for arm in (0, 1)
    )
    far_a = abs(math.log(c_a)) if both else 0.0
    linear_R = linear_b - linear_a if both else linear_b
    _, code_R = np.unique(found.user_R[mine_R], return_inverse=True)
    linear_U = np.bincount(code_R, linear_R)
    if len(linear_U) < 2:
        raise NotEstimableError("all requests come from one user, so there is nothing to tell the spread from")
    se = float(linear_U.std(ddof=1) * math.sqrt(len(linear_U)))
    return (c_a if both else 1.0, c_b), Effect(math.expm1(abs(math.log(c_b)) - far_a), se)


def miscalibrated(
    values: Mapping[str, Floats], mine_R: NDArray[np.bool_], weight_R: Floats
) -> tuple[float, Floats]:
    """c = promised / expected, and what each request adds to |log c| (its derivative)."""
    promised_R, expected_R = weight_R * values["promised"][mine_R], weight_R * values["orders"][mine_R]
    promised, expected = float(promised_R.sum()), float(expected_R.sum())
    if not (promised > 0 and expected > 0):
        raise NotEstimableError("a ranking promises or is worth no orders")
    sign = 1.0 if promised >= expected else -1.0
    return promised / expected, sign * (promised_R / promised - expected_R / expected)
