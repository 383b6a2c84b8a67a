"""A small logger whose truth is known, for the calibration of the estimators; shares no code with them.

Users come with several requests; each request has C candidates with their own probability of an order. Policies rank by
the truth with noise of their own. The logger shows A's slate, or with probability epsilon a uniform one.
"""

from dataclasses import dataclass

import numpy as np

from hinet_core.lift.off_policy.logged import Codes, Floats

THETA_S = np.arange(1, 6) ** -0.5


@dataclass(frozen=True)
class Population:
    """worth_RC: probability of an order in slot 1; rank_a_RC, rank_b_RC: candidates best first; user_R ascending."""

    user_R: Codes
    worth_RC: Floats
    rank_a_RC: Codes
    rank_b_RC: Codes

    @property
    def n_users(self) -> int:
        return int(self.user_R[-1]) + 1


@dataclass(frozen=True)
class Drawn:
    """One log: which request of the population, who asked (a user drawn twice is two), what was shown and ordered."""

    request_R: Codes
    user_R: Codes
    shown_RS: Codes
    outcome_RS: Floats


def population(
    seed: int, users: int = 2000, candidates: int = 20, rate: float = 0.1, noise_a: float = 0.8, noise_b: float = 0.6
) -> Population:
    """Users of 1 to 7 requests; log-normal worth, of which a user's share clusters; B ranks with less noise than A."""
    rng = np.random.default_rng(seed)
    user_R = np.repeat(np.arange(users), rng.integers(1, 8, users))
    shape = (len(user_R), candidates)
    worth_RC = np.clip(rate * np.exp(0.4 * rng.normal(size=users)[user_R, None] + 0.7 * rng.normal(size=shape)), 0, 0.9)
    ranks = [
        np.argsort(-(np.log(worth_RC) + noise * rng.normal(size=shape)), axis=1) for noise in (noise_a, noise_b)
    ]
    return Population(user_R, worth_RC, ranks[0], ranks[1])


def true_value(people: Population, rank_RC: Codes) -> float:
    """Orders per request of a policy that always shows its first slots: request by request, slot by slot."""
    total = 0.0
    for worth_C, rank_C in zip(people.worth_RC, rank_RC, strict=True):
        for slot, effect in enumerate(THETA_S):
            total += float(effect) * float(worth_C[rank_C[slot]])
    return total / len(people.user_R)


def draw(people: Population, epsilon: float, users: int, seed: int) -> Drawn:
    """Users with replacement first, then what the logger showed them, then their orders."""
    rng = np.random.default_rng(seed)
    first_U = np.searchsorted(people.user_R, np.arange(people.n_users + 1))
    chosen_U = rng.integers(0, people.n_users, users)
    count_U = first_U[chosen_U + 1] - first_U[chosen_U]
    user_R = np.repeat(np.arange(users), count_U)
    start_R = np.repeat(first_U[chosen_U], count_U)
    request_R = start_R + np.arange(len(user_R)) - np.repeat(np.cumsum(count_U) - count_U, count_U)
    shown_RS = people.rank_a_RC[request_R, : len(THETA_S)].copy()
    exploring = np.flatnonzero(rng.random(len(user_R)) < epsilon)
    shuffled = rng.random((len(exploring), people.worth_RC.shape[1])).argsort(axis=1)
    shown_RS[exploring] = shuffled[:, : len(THETA_S)]
    chance_RS = THETA_S * people.worth_RC[request_R[:, None], shown_RS]
    return Drawn(request_R, user_R, shown_RS, (rng.random(chance_RS.shape) < chance_RS).astype(float))
