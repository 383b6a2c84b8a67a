"""Exposures e(i) = sum_n theta_n pi(i at n) of the policies that loggers use. R requests, C candidates, S slots."""

import numpy as np

from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.logged import Codes, Floats
from hinet_core.world.slates import top_slots

# A slate share this many standard errors from what epsilon says was shown by another policy.
SLATE_SE = 4.0


def greedy(score_RC: Floats, item_RC: Codes, theta_RS: Floats) -> Floats:
    """Always the best scores first, ties by item: theta of the slot that a candidate holds, else 0."""
    top_RS = top_slots(score_RC, item_RC, theta_RS.shape[1])
    exposure_RC = np.zeros(score_RC.shape)
    np.put_along_axis(exposure_RC, top_RS, theta_RS, axis=1)
    return exposure_RC


def uniform(theta_RS: Floats, n_candidates: int) -> Floats:
    """Every order equally likely: sum(theta) / C for each candidate."""
    return np.repeat(theta_RS.sum(axis=1, keepdims=True) / n_candidates, n_candidates, axis=1)


def epsilon_mix(score_RC: Floats, item_RC: Codes, theta_RS: Floats, epsilon: float) -> Floats:
    """The whole slate uniform with probability epsilon, else greedy: (1 - eps) theta_rank + eps sum(theta) / C."""
    if not 0 <= epsilon <= 1:
        raise ValueError(f"expected epsilon from 0 to 1, found {epsilon}")
    shown = greedy(score_RC, item_RC, theta_RS)
    return (1 - epsilon) * shown + epsilon * uniform(theta_RS, score_RC.shape[1])


def plackett_luce(score_RC: Floats, theta_RS: Floats, temperature: float, draws: int, seed: int) -> Floats:
    """Slots filled one after the other with probability softmax(score / temperature) of what is left.

    The order of score / temperature + Gumbel noise is such a draw. Monte-Carlo over `draws`; a candidate that no draw
    showed has exposure 0, so take as many as make that rare (its shown rows would be refused).
    """
    if np.isnan(score_RC).any():
        raise ValueError(f"expected scores without NaN, found {int(np.isnan(score_RC).sum())}; check the model")
    if score_RC.shape[1] < theta_RS.shape[1]:
        raise ValueError(f"expected at least {theta_RS.shape[1]} candidates a request, found {score_RC.shape[1]}")
    if not temperature > 0 or draws < 1:
        raise ValueError(f"expected a temperature above 0 and a draw or more, found {temperature} and {draws}")
    rng, exposure_RC = np.random.default_rng(seed), np.zeros(score_RC.shape)
    for _ in range(draws):
        noisy = score_RC / temperature + rng.gumbel(size=score_RC.shape)
        top_RS = np.argsort(-noisy, axis=1)[:, : theta_RS.shape[1]]
        drawn_RC = np.zeros(score_RC.shape)
        np.put_along_axis(drawn_RC, top_RS, theta_RS, axis=1)
        exposure_RC += drawn_RC
    return exposure_RC / draws


def require_slates_of(shown_RS: Codes, greedy_RS: Codes, epsilon: float, n_candidates: int) -> float:
    """Refuse a log whose slates are not those of the epsilon-mix it claims; the share of greedy slates.

    Expected: (1 - eps) + eps (C - S)! / C!, the uniform part being greedy by chance.
    """
    n_requests, n_slots = shown_RS.shape
    by_chance = float(np.prod(1.0 / np.arange(n_candidates - n_slots + 1, n_candidates + 1)))
    expected = (1 - epsilon) + epsilon * by_chance
    found = float((shown_RS == greedy_RS).all(axis=1).mean())
    allowed = SLATE_SE * np.sqrt(expected * (1 - expected) / n_requests)
    if abs(found - expected) > allowed + 1e-12:
        raise NotEstimableError(
            f"{found:.2%} of the slates are the policy's own first choice, expected {expected:.2%} +- {allowed:.2%} at "
            f"epsilon = {epsilon}: the log was not written by this policy (other scores, another epsilon, or slates "
            "changed after ranking)"
        )
    return found
