"""The lift of architectures over simulated training seeds whose truth is known: coverage, false alarms, and its teeth.

A training multiplies what user u's requests are worth by exp(spread * s_u * z), with z drawn anew for every training of
either model and s_u how much user u feels it; the other model is worth `effect` more. U users, R requests, M seeds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from hinet_core.lift.architecture import ArchitectureLift, architecture_lift
from hinet_core.lift.expected import ratio_lift
from hinet_core.lift.statistics.samples import Floats

# What was found, its value, and the bounds that it must lie between.
Row = tuple[str, float, float, float]

# Standard deviation of a training's lift as measured between seeds of one architecture: 1.0 to 1.3 points.
SPREAD = 0.008
EFFECT = 0.017


@dataclass(frozen=True)
class Makers:
    """Everybody who may come: what a request is worth under the first model, and what trainings do to it."""

    worth_U: Floats
    gain_U: Floats
    feels_U: Floats
    spread: float = SPREAD


def makers(n_users: int = 2000, seed: int = 0, effect: float = EFFECT, spread: float = SPREAD) -> Makers:
    """Users differ in worth (log-normal), in what the other model brings, and in how much a training moves them."""
    rng = np.random.default_rng(seed)
    gain_U = effect * (1 + 0.5 * rng.standard_normal(n_users)) if effect else np.zeros(n_users)
    return Makers(rng.lognormal(-3, 0.7, n_users), gain_U, rng.uniform(0.5, 1.5, n_users), spread)


def slow_truth(people: Makers, n_quantiles: int = 200) -> float:
    """exp(mean log(V_B / V_A)) - 1 over all trainings and users, in plain Python, user by user, by quantiles."""
    users = list(zip(people.worth_U.tolist(), people.gain_U.tolist(), people.feels_U.tolist(), strict=True))
    logs_a, logs_b = [], []
    for k in range(n_quantiles):
        z = NormalDist().inv_cdf((k + 0.5) / n_quantiles)
        under_a = [worth * math.exp(people.spread * feels * z) for worth, _, feels in users]
        logs_a.append(math.log(math.fsum(under_a)))
        gained = (value * (1 + gain) for value, (_, gain, _) in zip(under_a, users, strict=True))
        logs_b.append(math.log(math.fsum(gained)))
    return math.expm1((math.fsum(logs_b) - math.fsum(logs_a)) / n_quantiles)


@dataclass(frozen=True)
class Drawn:
    """Values (M, R) of both models from M seeds, on the same requests (`user_R`: (R,)) or on own ones (M, R)."""

    a_MR: Floats
    b_MR: Floats
    user_R: np.ndarray


def draw(people: Makers, n_seeds: int, n_requests: int, own: bool, rng: np.random.Generator) -> Drawn:
    """Train both models from so many seeds and let users come."""
    shape = (n_seeds, n_requests) if own else (n_requests,)
    user_R = rng.integers(0, len(people.worth_U), shape)
    moved_MR = people.spread * people.feels_U[user_R]
    # What one training does to one request beside what it does to a user.
    noise = lambda: 0.02 * rng.standard_normal((n_seeds, n_requests))  # noqa: E731
    a_MR, b_MR = (
        people.worth_U[user_R] * np.exp(moved_MR * rng.standard_normal((n_seeds, 1))) * (1 + noise()) for _ in range(2)
    )
    return Drawn(a_MR, b_MR * (1 + people.gain_U[user_R]), user_R)


def lifts(
    people: Makers, n: int, seed: int, n_seeds: int = 5, n_requests: int = 2000, own: bool = False
) -> list[tuple[ArchitectureLift, tuple[float, float]]]:
    """`n` comparisons, each with the interval over requests alone of its first seed's pair of trained models."""
    found = []
    for stream in np.random.SeedSequence(seed).spawn(n):
        one = draw(people, n_seeds, n_requests, own, np.random.default_rng(stream))
        alone = ratio_lift(one.a_MR[0], one.b_MR[0], one.user_R[0] if own else one.user_R)
        found.append((architecture_lift(one.a_MR, one.b_MR, one.user_R), (alone.low, alone.high)))
    return found


def covered(found: Sequence[tuple[ArchitectureLift, object]], truth: float, width: float = 1.0) -> float:
    """Share of the intervals that hold the truth, were they `width` times as wide on the log scale."""
    inside = []
    for one, _ in found:
        middle, half = math.log1p(one.lift), math.log1p(one.high) - math.log1p(one.lift)
        inside.append(abs(math.log1p(truth) - middle) <= width * half)
    return float(np.mean(inside))


def calibrate(replications: int = 500, seed: int = 0) -> Iterator[Row]:
    """Rows (name, value, low bound, high bound): a value outside its bounds fails the suite."""
    people, same = makers(seed=seed), makers(seed=seed, effect=0.0)
    truth = slow_truth(people)
    found = lifts(people, replications, seed)
    named = f"architecture, 5 seeds, a lift of {truth:+.2%}"
    yield (f"{named}: coverage", covered(found, truth), 0.93, 0.97)
    narrow = covered(found, truth, 0.8)
    yield (f"teeth, {named}: coverage of intervals 20 % narrower, which must fail", narrow, 0.0, 0.93)
    alone = float(np.mean([low <= truth <= high for _, (low, high) in found]))
    yield (f"teeth, {named}: coverage of one seed's interval over requests alone", alone, 0.0, 0.5)
    null = lifts(same, replications, seed + 1)
    rejected = float(np.mean([one.p < 0.05 for one, _ in null]))
    yield ("architecture, 5 seeds of one model twice: found at 5 %", rejected, 0.03, 0.07)
    pairs = float(np.mean([low > 0 or high < 0 for _, (low, high) in null]))
    yield ("teeth, 5 seeds of one model twice: one pair found at 5 % over requests alone", pairs, 0.5, 1.0)
    own = lifts(people, replications, seed + 2, n_requests=100, own=True)
    yield ("architecture, each seed with 100 requests of its own: coverage", covered(own, truth), 0.93, 0.97)
    few = lifts(people, replications, seed + 3, n_requests=100)
    yield ("architecture, the same 100 requests for all seeds: coverage", covered(few, truth), 0.93, 1.0)
