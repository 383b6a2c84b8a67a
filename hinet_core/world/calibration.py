"""Solve the base rates b so that the logging policy meets each scenario's target CTR and CTCVR.

The logging policy ignores b, so its slates are drawn once and each b is a monotone equation in one unknown.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hinet_core.world.truth import CLICK, ORDER, World

STEPS = 40
BOUND = 20.0
# Relative miss of a rate that 40 halvings leave, with room: more is a bound that was hit.
EXACT = 1e-6


def calibrated(world: World) -> World:
    """The same world with its base rates solved on `calibration_requests` requests per scenario."""
    requests = world.calibration_requests(world.config.calibration_requests)
    appeal = world.appeal(requests)
    top = world.logged_slates(requests, appeal)
    shown = np.take_along_axis(appeal, top[..., None], axis=1).astype(np.float64)
    bias = np.empty_like(world.bias_SK)
    for index, (name, target) in enumerate(world.config.scenarios.items()):
        mine = shown[requests.scenario_R == index]
        seen = np.broadcast_to(world.theta_SN[index], mine.shape[:2])
        bias[index, CLICK] = solve(mine[..., CLICK], seen, target.ctr, f"{name}.ctr")
        clicked = seen * expit(mine[..., CLICK] + bias[index, CLICK])
        bias[index, ORDER] = solve(mine[..., ORDER], clicked, target.ctcvr, f"{name}.ctcvr")
    return replace(world, bias_SK=bias)


def solve(logit: NDArray[np.float64], weight: NDArray[np.float64], target: float, key: str) -> float:
    """b with mean(weight * sigma(b + logit)) = target, by bisection; ValueError, naming `key`, when no b reaches it."""
    if weight.mean() <= target:
        raise ValueError(
            f"key world.scenarios.{key}: expected a target rate below {weight.mean():.4f}, the rate if every look "
            f"succeeded, found {target}; lower it, or position_decay"
        )
    low, high = -BOUND, BOUND
    for _ in range(STEPS):
        middle = (low + high) / 2
        if (weight * expit(logit + middle)).mean() < target:
            low = middle
        else:
            high = middle
    found = (low + high) / 2
    reached = float((weight * expit(logit + found)).mean())
    if abs(reached / target - 1) > EXACT:
        raise ValueError(
            f"key world.scenarios.{key}: found {target}, which base rates from {-BOUND:g} to {BOUND:g} on the logit do "
            f"not reach, only {reached:.2g}; choose a rate that is less extreme"
        )
    return found
