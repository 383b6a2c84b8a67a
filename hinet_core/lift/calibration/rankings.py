"""Rankings with a known place between chance and the truth: log p + sigma epsilon, keyed by request and item."""

import math

import numpy as np
from numpy.typing import NDArray

from hinet_core.lift.ab_test.shown import Scorers
from hinet_core.lift.policies import Judged
from hinet_core.world.draws import Stage, drawn_again, normal

# Keys of a ranking's noise: none of those that redraw outcomes.
FIRST_SEED = 1000


def noisy(**sigmas: float | None) -> Scorers:
    """A scorer per name; sigma 0 is the oracle, infinity is chance, None the truth upside down."""

    def scorers(truth: Judged) -> dict[str, NDArray[np.floating]]:
        found: dict[str, NDArray[np.floating]] = {}
        for code, (name, sigma) in enumerate(sigmas.items()):
            log_worth = np.log(truth.worth_RC)
            if sigma is None:
                found[name] = -log_worth
                continue
            epsilon = noise(truth, code)
            found[name] = epsilon if math.isinf(sigma) else log_worth + sigma * epsilon
        return found

    return scorers


def noise(truth: Judged, code: int) -> NDArray[np.float64]:
    """(R, C) standard normals of a ranking's own."""
    key_R1 = drawn_again(truth.requests.key_R, FIRST_SEED + code)[:, None]
    return normal(key_R1, Stage.RANKING, truth.requests.item_RC)
