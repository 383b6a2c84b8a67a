"""How good a model of a simulated log can be at all: the best AUC, the best lift, and how much of the way is done.

With true chances p in place of labels, a score g has the AUC that it would have on infinitely many draws of labels,

    AUC*(g) = sum_i sum_j p_i (1 - p_j) ([g_i > g_j] + [g_i = g_j] / 2) / (sum p  sum (1 - p))

pairs i = j counting one half: one sort. g = p is the latent ceiling, of who knows everything; the chances given a row's
features are the feature ceiling, which models are held against. N rows, R requests, T = 2 tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from hinet_core.lift.expected import relative
from hinet_core.lift.policies import POLICIES, judged
from hinet_core.quality.auc import grouped_auc
from hinet_core.world.posterior import known_chances, true_chances
from hinet_core.world.slates import top_slots
from hinet_core.world.truth import World

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ceilings:
    """Of one scenario. AUC per task, of impressions as the logging policy shows them, the slot known.

    Lifts are of expected orders over the logging policy (0.01 = 1 %).
    """

    scenario: str
    latent_auc_T: tuple[float, float]
    feature_auc_T: tuple[float, float]
    lifts: Mapping[str, float]


def expected_auc(score_N: Floats, chance_N: Floats) -> float:
    """AUC*(g) of scores for rows whose true chances are known; O(n log n).

    ValueError for NaN scores, chances outside [0, 1], and where all chances are 0 or all are 1.
    """
    if score_N.shape != chance_N.shape:
        raise ValueError(f"expected a score per chance, found {score_N.shape} scores and {chance_N.shape} chances")
    if np.isnan(score_N).any():
        raise ValueError(f"expected scores without NaN, found {int(np.isnan(score_N).sum())}; check the model")
    if not ((chance_N >= 0) & (chance_N <= 1)).all():
        raise ValueError("expected chances from 0 to 1, found others; give probabilities, not logits")
    found = grouped_auc(score_N, chance_N, 1 - chance_N)
    if found is None:
        raise ValueError("expected rows of which some can be positive and some negative, found one kind only")
    return found


def attainable_share(auc: float, feature_auc: float) -> float:
    """How much of the way from chance to the feature ceiling a model has gone; 1 is all that its rows tell."""
    if feature_auc <= 0.5:
        raise ValueError(f"expected a ceiling above 0.5, found {feature_auc}: nothing is to be known")
    return (auc - 0.5) / (feature_auc - 0.5)


def ceilings_of(world: World, day: date, n_per_scenario: int, seed: int = 0) -> list[Ceilings]:
    """The ceilings of every scenario on fresh requests of a day, then those of all as `pooled`, weighted by traffic.

    The pooled AUC is that of as many rows of each scenario.
    """
    requests = world.requests(day, n_per_scenario, seed)
    truth = judged(world, requests)
    value_R = {name: policy(truth) for name, policy in POLICIES.items()}
    top_RN = top_slots(truth.logger_RC, requests.item_RC, world.config.slots)
    row_N = np.repeat(np.arange(len(requests)), top_RN.shape[1])
    item_N = np.take_along_axis(requests.item_RC, top_RN, axis=1).ravel()
    seen_N1 = truth.theta_RN.reshape(-1, 1)
    true_NT = seen_N1 * true_chances(world, requests, row_N, item_N)
    known_NT = seen_N1 * known_chances(world, requests, row_N, item_N)

    scenario_R, found = requests.scenario_R, []
    everyone = np.ones(len(requests), dtype=bool)
    for code, name in [*enumerate(world.scenario_ids), (None, "pooled")]:
        mine_R = everyone if code is None else scenario_R == code
        rows = mine_R[row_N]
        weight_R = world.shares_S[scenario_R[mine_R]]
        found.append(
            Ceilings(
                name,
                _auc_T(true_NT[rows], true_NT[rows]),
                _auc_T(known_NT[rows], true_NT[rows]),
                {one: relative(value[mine_R], value_R["logger"][mine_R], weight_R) for one, value in value_R.items()},
            )
        )
    return found


def _auc_T(score_NT: Floats, chance_NT: Floats) -> tuple[float, float]:  # noqa: N802
    click, order = (expected_auc(score_NT[:, task], chance_NT[:, task]) for task in range(2))
    return click, order
