"""The effect theta_n of slot n, relative to slot 1, from the log itself, and how much a lift depends on it.

Position-based model: P(y = 1 | item i in slot n) = theta_n gamma_i.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.logged import Codes, Floats

EXPONENTS = (0.8, 1.0, 1.2)
ROUNDS, CLOSE = 2000, 1e-8


@dataclass(frozen=True)
class SlotEffects:
    """theta_S with theta_S[0] = 1; se_S None where the method gives none."""

    theta_S: Floats
    se_S: Floats | None
    method: str


def by_randomised_slots(position_N: Codes, outcome_N: Floats, weight_N: Floats | None = None) -> SlotEffects:
    """theta_n = rate in slot n / rate in slot 1, from rows whose slot was drawn at random (swaps, shuffled slates).

    `position_N` from 1; `weight_N` 1 / propensity restores uniform slots where the draw was not uniform.
    """
    weight_N = np.ones(len(outcome_N)) if weight_N is None else weight_N
    slots = slots_of(position_N)
    mass = np.bincount(slots, weight_N)
    rate = np.bincount(slots, weight_N * outcome_N) / mass
    if rate[0] <= 0:
        raise NotEstimableError("slot 1 has no outcome, so no other slot can be related to it")
    variance = np.bincount(slots, (weight_N * (outcome_N - rate[slots])) ** 2) / mass**2
    theta = rate / rate[0]
    # Delta method for a ratio of means of different rows; slot 1 is 1 by definition.
    se = np.sqrt(variance / rate[0] ** 2 + theta**2 * variance[0] / rate[0] ** 2)
    se[0] = 0.0
    return SlotEffects(theta, se, "randomised slots")


def by_em(item_N: Codes, position_N: Codes, outcome_N: Floats) -> SlotEffects:
    """Maximum likelihood of theta and gamma where items were seen in several slots without being put there at random.

    EM over (item, slot) cells. Seen and wanted are hidden; given no outcome,
    P(seen) = theta (1 - gamma) / (1 - theta gamma), and P(wanted) with the two exchanged (Wang et al. 2018).
    """
    slots = slots_of(position_N)
    _, item = np.unique(item_N, return_inverse=True)
    shape = (int(item.max()) + 1, int(slots.max()) + 1)
    cell = item * shape[1] + slots
    shown = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    won = np.bincount(cell, outcome_N, minlength=shape[0] * shape[1]).reshape(shape)
    lost = shown - won
    theta, gamma = np.full(shape[1], 0.5), np.full(shape[0], 0.5)
    for _ in range(ROUNDS):
        neither = 1 - theta * gamma[:, None]
        seen = won + lost * theta * (1 - gamma[:, None]) / neither
        wanted = won + lost * gamma[:, None] * (1 - theta) / neither
        before, theta = theta, seen.sum(axis=0) / shown.sum(axis=0)
        gamma = wanted.sum(axis=1) / shown.sum(axis=1)
        if np.abs(theta / theta[0] - before / before[0]).max() < CLOSE:
            break
    return SlotEffects(theta / theta[0], None, "EM of the position-based model")


def slots_of(position_N: Codes) -> Codes:
    """Positions 1 … S as 0 … S-1; every slot must have been seen."""
    found = np.unique(position_N)
    if not len(found) or found[0] != 1 or found[-1] != len(found):
        raise ValueError(f"expected positions 1, 2, … without a gap, found {found.tolist()[:10]}")
    slots: Codes = position_N.astype(np.int64) - 1
    return slots


def sensitivity(theta_S: Floats, lift: Callable[[Floats], float | None]) -> dict[float, float | None]:
    """The lift at theta^0.8, theta and theta^1.2 (None where refused): what wrong slot effects would do to it."""
    return {exponent: lift(theta_S**exponent) for exponent in EXPONENTS}
