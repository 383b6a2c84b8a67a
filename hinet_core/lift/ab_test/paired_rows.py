"""Rows of L1 and L2 in the columns of the table `lift`: pooled first, then the scenarios, per metric."""

from collections.abc import Sequence

import numpy as np

from hinet_core.lift.ab_test.replay import Replayed
from hinet_core.lift.expected import METHOD, ratio_lift, relative
from hinet_core.lift.own_test.analyse import adjust
from hinet_core.lift.policies import POLICIES, Floats
from hinet_core.lift.statistics.relative import FEWEST
from hinet_core.lift.statistics.samples import LEVEL, NotEstimableError, effective_number
from hinet_core.lift.tables import LIFT, Row
from hinet_core.world.truth import World

L2_METHOD = "paired replay, common random numbers; user-clustered ratio, delta method, t"
# Of requests whose outcomes differ between the rankings: below, intervals of L2 hold the truth in 88 % (docs/log.md).
FEWEST_APART = 4
MEASURES = {"orders_per_request": "orders", "units_per_request": "units"}


def blank(names: tuple[str, str], estimator: str, metric: str, scenario: str) -> Row:
    return dict.fromkeys(LIFT.names) | {
        "kind": "artifact", "metric": metric, "scope": "scenario" if scenario else "pooled", "scenario_id": scenario,
        "model_a": names[0], "model_b": names[1], "estimator": estimator, "status": "estimated", "n_seeds": 1,
    }  # fmt: skip


def metrics_of(world: World) -> tuple[str, ...]:
    """Orders first; units where an order of the world has some."""
    return tuple(MEASURES)[: 2 if world.config.units_per_order > 1 else 1]


def paired_rows(world: World, found: Replayed, names: tuple[str, str]) -> list[Row]:
    """L1 of every scope and metric, then L2 with L1 as its truth.

    Both rankings answer the same requests of the same users, so orders per user would be the same lift again.
    """
    rows = []
    for estimator, values in (("L1", found.expected), ("L2", found.drawn)):
        for metric in metrics_of(world):
            family = [
                paired_row(world, found, names, estimator, metric, scenario, [one[MEASURES[metric]] for one in values])
                for scenario in ("", *world.scenario_ids)
            ]
            adjust(family)
            rows += family
    return rows


def paired_row(
    world: World,
    found: Replayed,
    names: tuple[str, str],
    estimator: str,
    metric: str,
    scenario: str,
    value_AR: Sequence[Floats],
) -> Row:
    mine_R, weight_R = scope(world, found, scenario)
    row = blank(names, estimator, metric, scenario)
    measure = MEASURES[metric]
    expected_a, expected_b = (one[measure][mine_R] for one in found.expected)
    a_R, b_R = (value_R[mine_R] for value_R in value_AR)
    try:
        if not mine_R.any():
            raise NotEstimableError(f"insufficient: no request of {scenario}")
        if estimator == "L2":
            # Units of one order come together, so that orders are counted for both.
            ordered_a, ordered_b = (one["orders"][mine_R] for one in found.drawn)
            require_enough(ordered_a, ordered_b, weight_R, alike=np.array_equal(expected_a, expected_b))
        lift = ratio_lift(a_R, b_R, found.user_R[mine_R], weight_R)
    except NotEstimableError as error:
        return row | {"status": "not_estimable", "reason": str(error)}
    if measure == "orders":
        beside = {f"{name}_lift": relative(found.reference[name][mine_R], expected_a, weight_R) for name in POLICIES}
    else:
        beside = {"oracle_lift": relative(found.reference["units"][mine_R], expected_a, weight_R)}
    if estimator == "L2":
        beside["true_lift"] = relative(expected_b, expected_a, weight_R)
    # Expected orders of the sample at the world's traffic; realised ones as they were counted.
    totals = [value * lift.n_requests for value in (lift.value_a, lift.value_b)]
    if estimator == "L2":
        totals = [float(a_R.sum()), float(b_R.sum())]
    return row | beside | {
        "lift": lift.lift, "low": lift.low, "high": lift.high, "level": LEVEL,
        "method": METHOD if estimator == "L1" else L2_METHOD, "n_users": lift.n_users, "n_requests": lift.n_requests,
        "orders_a": totals[0], "orders_b": totals[1], "value_a": lift.value_a, "value_b": lift.value_b,
        "p_raw": lift.p, "mde80": lift.mde80,
    }  # fmt: skip


def require_enough(a_R: Floats, b_R: Floats, weight_R: Floats, *, alike: bool) -> None:
    """Refuse orders from which no spread can be told: too few, or too few under one ranking alone.

    Weighted ones count as `effective_number` does. `alike`: both rankings show the same.
    """
    ask = "ask for more requests"
    least = min(a_R.sum(), b_R.sum())
    if least < FEWEST:
        raise NotEstimableError(f"insufficient: a ranking got {least:g} orders, expected {FEWEST} or more; {ask}")
    weighted = min(effective_number(weight_R * a_R), effective_number(weight_R * b_R))
    if weighted < FEWEST:
        raise NotEstimableError(
            f"insufficient: weighted by the world's traffic, a ranking's {least:g} orders tell as much as "
            f"{weighted:.1f} would, expected {FEWEST} or more; {ask}"
        )
    apart = effective_number(weight_R * (b_R - a_R))
    if apart < FEWEST_APART and not alike:
        raise NotEstimableError(
            f"insufficient: orders of {apart:.1f} requests tell the rankings apart, expected {FEWEST_APART} or "
            f"more; {ask}"
        )


def scope(world: World, found: Replayed, scenario: str) -> tuple[np.ndarray, Floats]:
    """Requests of a scenario, or all of them with weights that restore the world's traffic."""
    if scenario:
        mine_R = found.scenario_R == world.scenario_ids.index(scenario)
        return mine_R, np.ones(int(mine_R.sum()))
    count_S = np.bincount(found.scenario_R, minlength=len(world.scenario_ids))
    return np.ones(len(found), dtype=bool), (world.shares_S / np.maximum(count_S, 1))[found.scenario_R]
