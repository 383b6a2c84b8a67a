"""What a ranking policy is worth on given requests: expected orders, from the world's own probabilities.

A policy is a function from `Judged` requests to (R,) expected orders per request; add one by writing it and
naming it in `POLICIES`. R requests, C candidates, N slots.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_core.world.draws import Stage, uniform
from hinet_core.world.slates import slate_value, top_slots
from hinet_core.world.truth import Requests, World

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Requests with their truth: theta_RN, click_RC at slot effect 1, order_RC given a click, logger_RC.

    worth_RC = click_RC * order_RC.
    """

    requests: Requests
    theta_RN: Floats
    click_RC: Floats
    order_RC: Floats
    worth_RC: Floats
    logger_RC: Floats


def judged(world: World, requests: Requests) -> Judged:
    """Look the truth of the requests up once, for all policies."""
    appeal = world.appeal(requests)
    click, order = world.probabilities(requests, appeal)
    theta = world.theta_SN[requests.scenario_R]
    return Judged(requests, theta, click, order, click * order, world.logger_score(requests, appeal))


def by_score(truth: Judged, score_RC: NDArray[np.floating]) -> Floats:
    """Show the best scores first, ties by item id."""
    top = top_slots(score_RC, truth.requests.item_RC, truth.theta_RN.shape[1])
    return slate_value(truth.theta_RN, truth.worth_RC, top)


def oracle(truth: Judged) -> Floats:
    """Sort by the truth: with theta decreasing, no policy is worth more (rearrangement inequality)."""
    return by_score(truth, truth.worth_RC)


def logger(truth: Judged) -> Floats:
    """The policy that wrote the log."""
    return by_score(truth, truth.logger_RC)


def random(truth: Judged) -> Floats:
    """A uniformly random order, in expectation: every candidate is equally often in every slot."""
    return truth.theta_RN.sum(axis=1) * truth.worth_RC.mean(axis=1)


POLICIES: dict[str, Callable[[Judged], Floats]] = {"oracle": oracle, "logger": logger, "random": random}


def random_score(truth: Judged) -> Floats:
    """One uniformly random order a request, keyed by request and item."""
    return uniform(truth.requests.key_R[:, None], Stage.RANKING, truth.requests.item_RC)


# The same policies as scores to sort by, where a slate has to be shown.
SCORES: dict[str, Callable[[Judged], Floats]] = {
    "oracle": lambda truth: truth.worth_RC,
    "logger": lambda truth: truth.logger_RC,
    "random": random_score,
}
