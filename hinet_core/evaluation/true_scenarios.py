"""Whether SAN attends to the scenarios whose users truly want alike: known for a simulated world alone.

P permutations, S scenarios.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from hinet_core.contract import Contract
from hinet_core.evaluation.rows import Floats
from hinet_core.world.config import read_config
from hinet_core.world.preferences import N_OUTCOMES, correlation

PERMUTATIONS = 10_000


@dataclass(frozen=True)
class RankCorrelation:
    """Mean over scenarios of Spearman's rank correlation between a scenario's weights and the truth; `p` is the share
    of random orders of the weights inside each scenario that reach it (one-sided)."""

    value: float
    p: float
    n: int  # pairs of scenarios


def true_similarity(contract: Contract, scenarios: tuple[str, ...]) -> Floats:
    """(S, S) correlation over users and items of what is clicked in two scenarios, in the order asked for. For orders
    the values off the diagonal are the same."""
    config = read_config(contract)
    places = [list(config.scenarios).index(name) for name in scenarios]
    clicks_SS = correlation(config)[::N_OUTCOMES, ::N_OUTCOMES]
    return clicks_SS[np.ix_(places, places)]


def rank_correlation(san_SS: Floats, truth_SS: Floats, seed: int = 0) -> RankCorrelation | None:
    """Only the order inside a row is compared, since each row of weights is a softmax of its own. None where no row
    has an order: fewer than three scenarios, or a truth that is the same for all."""
    n_scenarios = len(san_SS)
    others_SS = ~np.eye(n_scenarios, dtype=bool)
    rows = [
        (standard(san_SS[i][others_SS[i]]), standard(truth_SS[i][others_SS[i]]))
        for i in range(n_scenarios)
        if n_scenarios > 2 and np.ptp(truth_SS[i][others_SS[i]].round(12)) > 0
    ]
    if not rows:
        return None
    value = float(np.mean([weights @ truth for weights, truth in rows]))
    draw = np.random.default_rng(seed)
    by_chance_P = np.zeros(PERMUTATIONS)
    for weights, truth in rows:
        by_chance_P += draw.permuted(np.tile(weights, (PERMUTATIONS, 1)), axis=1) @ truth / len(rows)
    reached = int((by_chance_P >= value - 1e-12).sum())
    return RankCorrelation(value, (1 + reached) / (1 + PERMUTATIONS), len(rows) * (n_scenarios - 1))


def standard(values: Floats) -> Floats:
    """Ranks as a vector of mean 0 and length 1, so that a product of two is Spearman's correlation; 0 if all tie."""
    ranks: Floats = rankdata(values.round(12)) - (len(values) + 1) / 2
    length = float(np.sqrt(ranks @ ranks))
    return ranks / length if length else ranks
