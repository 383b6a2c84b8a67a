"""What a ranking shows, what that is worth, and what users do with it. R requests, C candidates, N slots, I shops."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hinet_core.lift.policies import Floats, Judged
from hinet_core.world.outcomes import outcomes
from hinet_core.world.slates import top_slots
from hinet_core.world.truth import World

# Requests with their truth, to (R, C) scores per name of a ranking. Best scores are shown first, ties by item.
Scorers = Callable[[Judged], Mapping[str, NDArray[np.floating]]]


@dataclass(frozen=True)
class Shown:
    """A slate per request: item_RN, P(click) in its slot, P(order | click), E(units | order); the scores of it.

    `theta_RN` is the chance that a slot is looked at.
    """

    item_RN: NDArray[np.int64]
    theta_RN: Floats
    click_RN: Floats
    order_RN: Floats
    units_RN: Floats
    score_RN: NDArray[np.floating]

    def expected(self) -> dict[str, Floats]:
        """(R,) clicks, orders and units that the slate is worth: nothing is drawn."""
        orders_RN = self.click_RN * self.order_RN
        found = {"clicks": self.click_RN, "orders": orders_RN, "units": orders_RN * self.units_RN}
        return {name: values.sum(axis=1) for name, values in found.items()}

    def part(self, keep_R: NDArray[np.bool_]) -> "Shown":
        """The slates of some requests."""
        return Shown(*(values[keep_R] for values in vars(self).values()))

    def predicted_orders(self) -> Floats:
        """(R,) orders that the scores promise, read as logits of an order in slot 1."""
        return (self.theta_RN * expit(self.score_RN.astype(np.float64))).sum(axis=1)


def slate(world: World, truth: Judged, score_RC: NDArray[np.floating]) -> Shown:
    """The best scores in the slots; ValueError for NaN scores and for fewer candidates than slots."""
    requests = truth.requests
    top_RN = top_slots(score_RC, requests.item_RC, truth.theta_RN.shape[1])
    item_RN = np.take_along_axis(requests.item_RC, top_RN, axis=1)
    click_RN, order_RN = (np.take_along_axis(chance, top_RN, axis=1) for chance in (truth.click_RC, truth.order_RC))
    score_RN = np.take_along_axis(score_RC, top_RN, axis=1)
    units_RN = np.ones(item_RN.shape)
    if world.config.units_per_order > 1:
        units_RN = world.units.expected(requests.user_R[:, None], item_RN)
    return Shown(item_RN, truth.theta_RN, truth.theta_RN * click_RN, order_RN, units_RN, score_RN)


def most_units(world: World, truth: Judged) -> Shown:
    """The slates that are worth the most units: the oracle's, where an order is one unit."""
    if world.config.units_per_order == 1:
        return slate(world, truth, truth.worth_RC)
    units_RC = world.units.expected(truth.requests.user_R[:, None], truth.requests.item_RC)
    return slate(world, truth, truth.worth_RC * units_RC)


def drawn(
    world: World, user_R: NDArray[np.int64], shown: Shown, key_R: NDArray[np.uint64]
) -> dict[str, Floats]:
    """(R,) clicks, orders and units that these keys give the slates of these users."""
    click_RN, order_RN = outcomes(key_R, shown.item_RN, shown.click_RN, shown.order_RN)
    units_RN = order_RN.astype(np.float64)
    if world.config.units_per_order > 1:
        row, slot = np.nonzero(order_RN)
        item = shown.item_RN[row, slot]
        units_RN[row, slot] = world.units.drawn(key_R[row], user_R[row], item)
    found = {"clicks": click_RN, "orders": order_RN, "units": units_RN}
    return {name: values.sum(axis=1, dtype=np.float64) for name, values in found.items()}
