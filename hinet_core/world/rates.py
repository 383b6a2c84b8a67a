"""Whether the logging policy has the rates that the settings ask for, on requests that calibration never saw.

The rates are expected ones, of an average week: outcomes are not drawn. S scenarios, K = 2 outcomes.
"""

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hinet_core.world.slates import slate_value
from hinet_core.world.traffic import is_weekend
from hinet_core.world.truth import World

FRESH_REQUESTS = 200_000
# Largest relative miss of a click rate and of an order rate.
MISS = {"ctr": 0.02, "ctcvr": 0.04}
AT_ONCE = 1000
# The seed of the first requests: none of those that rankings are judged on.
SEED = 99


class RateCheck(NamedTuple):
    """A rate per impression, and the bounds that it has to lie in."""

    name: str
    value: float
    low: float
    high: float


def rate_checks(world: World, n_per_scenario: int = FRESH_REQUESTS, seed: int = 0) -> list[RateCheck]:
    """`<scenario> ctr` and `<scenario> ctcvr` on fresh requests; the bounds are the target -/+ the largest miss."""
    found = logged_rates(world, n_per_scenario, seed)
    return [
        RateCheck(f"{name} {rate}", float(value), target * (1 - MISS[rate]), target * (1 + MISS[rate]))
        for (name, scenario), values in zip(world.config.scenarios.items(), found, strict=True)
        for rate, target, value in zip(MISS, (scenario.ctr, scenario.ctcvr), values, strict=True)
    ]


def logged_rates(world: World, n_per_scenario: int, seed: int = 0) -> NDArray[np.float64]:
    """(S, K) CTR and CTCVR of the logging policy per impression on that many fresh requests of each scenario."""
    weekend = world.traffic.weekend_share
    weekday_rates, weekend_rates = (
        _rates_on(world, day, max(round(share * n_per_scenario), 1), seed)
        for day, share in zip(_first_days(world.traffic.first_day), (1 - weekend, weekend), strict=True)
    )
    return (1 - weekend) * weekday_rates + weekend * weekend_rates


def _first_days(first: date) -> tuple[date, date]:
    """The first weekday and the first day of a weekend."""
    week = [first + timedelta(days=n) for n in range(7)]
    return next(day for day in week if not is_weekend(day)), next(day for day in week if is_weekend(day))


def _rates_on(world: World, day: date, n_per_scenario: int, seed: int) -> NDArray[np.float64]:
    sums = np.zeros((len(world.config.scenarios), 2))
    for start in range(0, n_per_scenario, AT_ONCE):
        requests = world.requests(day, min(AT_ONCE, n_per_scenario - start), (seed << 32) + SEED + start)
        appeal = world.appeal(requests)
        top = world.logged_slates(requests, appeal)
        click, order = world.probabilities(requests, appeal)
        for k, worth in enumerate((click, click * order)):
            value = slate_value(world.theta_SN[requests.scenario_R], worth, top)
            sums[:, k] += np.bincount(requests.scenario_R, value, minlength=len(sums))
    return sums / (n_per_scenario * world.config.slots)
