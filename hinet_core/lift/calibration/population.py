"""Users whose true lift is known, and the online tests that could have been run on them. U users, S scenarios.

A test resamples users first, then splits them, then draws what they do. Resampling after the outcomes are drawn counts
their noise twice: A/A tests then reject 14 to 20 % instead of 5 %.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_core.lift.statistics.samples import Floats, Sample

N_SLOTS = 10
DAYS = 14


@dataclass(frozen=True, eq=False)
class Population:
    """What users are like. Rates are orders per slot seen of an average user; `steep_S` is eta of theta_n = n^-eta."""

    activity_U: Floats
    taste_U: Floats
    requests_S: Floats
    rate_S: Floats
    steep_S: Floats
    effect_S: Floats

    def visits(self) -> Floats:
        """(U, S) expected requests per user in the days of a test."""
        return self.activity_U[:, None] * self.requests_S

    def orders(self) -> Floats:
        """(U, S) expected orders per request under A."""
        theta_S = (np.arange(1, N_SLOTS + 1)[:, None] ** -self.steep_S).sum(axis=0)
        return np.exp(self.taste_U)[:, None] * self.rate_S * theta_S

    def gain(self) -> Floats:
        """(U, S) what B multiplies the orders by: not alike for all users."""
        return 1 + self.effect_S + 0.03 * np.tanh(self.taste_U)[:, None]


SHARES = np.array([0.58, 0.18, 0.11, 0.07, 0.04, 0.02])
RATES = np.array([0.0075, 0.0130, 0.0045, 0.0180, 0.0220, 0.0110]) * 1.6
STEEP = np.array([0.6, 0.5, 0.7, 0.4, 0.5, 0.6])


def population(n_users: int, seed: int, effect: float = 0.014, n_scenarios: int = 6) -> Population:
    """Users of very different activity (Gamma .8) and taste (log-normal, .6), ten requests each on average."""
    rng = np.random.default_rng(seed)
    shares = SHARES[:n_scenarios] / SHARES[:n_scenarios].sum()
    spread = effect * np.linspace(0.5, 1.5, n_scenarios)
    return Population(
        rng.gamma(0.8, 1 / 0.8, n_users), rng.normal(0, 0.6, n_users), 10 * shares, RATES[:n_scenarios],
        STEEP[:n_scenarios], spread,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class OnlineTest:
    """One test as drawn. `orders_US` are those of identical arms, `changed_US` those where arm B has its effect."""

    is_b_U: NDArray[np.bool_]
    requests_US: Floats
    before_US: Floats
    orders_US: Floats
    changed_US: Floats

    def arms(self, scenario: int | None, *, changed: bool, cuped: bool, per_request: bool) -> tuple[Sample, Sample]:
        """Samples of A and B in a scenario, or pooled where it is None; users without a request there are left out."""
        total_U = of(self.changed_US if changed else self.orders_US, scenario)
        requests_U, before_U = of(self.requests_US, scenario), of(self.before_US, scenario)

        def sample(arm_U: NDArray[np.bool_]) -> Sample:
            # Per user, all who were assigned: whether somebody comes is part of what is counted.
            keep_U = arm_U & (requests_U > 0) if per_request else arm_U
            base_U = requests_U[keep_U] if per_request else None
            return Sample(total_U[keep_U], base_U, before_U[keep_U] if cuped else None)

        return sample(~self.is_b_U), sample(self.is_b_U)


def of(values_US: Floats, scenario: int | None) -> Floats:
    found: Floats = values_US.sum(axis=1) if scenario is None else values_US[:, scenario]
    return found


def draw_test(people: Population, rng: np.random.Generator) -> OnlineTest:
    """Resample users, split them by a fair coin, draw both periods."""
    n = len(people.activity_U)
    chosen_U = rng.integers(0, n, n)
    is_b_U = rng.random(n) < 0.5
    visits_US, rate_US, gain_US = people.visits()[chosen_U], people.orders()[chosen_U], people.gain()[chosen_U]
    requests_US = rng.poisson(visits_US).astype(np.float64)
    orders_US = rng.poisson(requests_US * rate_US).astype(np.float64)
    changed_US = np.where(is_b_U[:, None], rng.poisson(requests_US * rate_US * gain_US), orders_US).astype(np.float64)
    before_US = rng.poisson(visits_US * rate_US).astype(np.float64)
    return OnlineTest(is_b_U, requests_US, before_US, orders_US, changed_US)


def draw_days(people: Population, rng: np.random.Generator) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """A test of identical arms day by day, pooled: is_b_U, requests_DU, orders_DU. Users come back."""
    n = len(people.activity_U)
    chosen_U = rng.integers(0, n, n)
    is_b_U = rng.random(n) < 0.5
    visits_U = people.visits()[chosen_U].sum(axis=1)
    rate_U = (people.visits() * people.orders())[chosen_U].sum(axis=1) / visits_U
    requests_DU = rng.poisson(visits_U / DAYS, (DAYS, n)).astype(np.float64)
    return is_b_U, requests_DU, rng.poisson(requests_DU * rate_U).astype(np.float64)
