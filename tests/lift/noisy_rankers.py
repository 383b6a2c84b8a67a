"""Rankings with a known place between chance and the truth: log p + sigma epsilon, keyed by request and item."""

import numpy as np

from hinet_core.world.draws import Stage, drawn_again, normal


def noisy(**sigmas):
    """A scorer per name; sigma 0 is the oracle, infinity is chance, None the truth upside down."""

    def scorers(truth):
        found = {}
        for code, (name, sigma) in enumerate(sigmas.items()):
            log_worth = np.log(truth.worth_RC)
            if sigma is None:
                found[name] = -log_worth
                continue
            key_R1 = drawn_again(truth.requests.key_R, 1000 + code)[:, None]
            epsilon = normal(key_R1, Stage.RANKING, truth.requests.item_RC)
            found[name] = epsilon if np.isinf(sigma) else log_worth + sigma * epsilon
        return found

    return scorers
