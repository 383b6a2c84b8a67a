"""How often the intervals hold the truth, on logs of a logger whose truth is known (T18 of the calibration suite)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hinet_core.lift.off_policy.evaluate import Report, evaluate_slates
from hinet_core.lift.off_policy.logged import Codes, Floats
from hinet_core.lift.off_policy.simulated_log import THETA_S, Population, draw, population, true_value

REPLICATIONS = 500
ESTIMATORS = ("IPS", "SNIPS", "DR", "Switch-DR")
# Where the gates pass; between the bounds lie 99.9 % of runs of 500 replications of an exact 95 % interval.
LOW, HIGH = 0.92, 0.98


@dataclass(frozen=True)
class Setting:
    """A log (exploration, users of 4 requests each, noise of both rankings) and the share of lifts to be refused."""

    name: str
    epsilon: float
    users: int
    noise_a: float
    noise_b: float
    refused: tuple[float, float]


# The mean weight of A or B is 3 standard errors off in one sound log of 200. In the last setting hundreds of orders
# speak for the value of B, and two or three for what it adds to A.
SETTINGS = (
    Setting("epsilon 0.3", 0.3, 500, 0.8, 0.6, (0.0, 0.02)),
    Setting("epsilon 1", 1.0, 400, 0.8, 0.6, (0.0, 0.02)),
    Setting("epsilon 0.1, few support orders", 0.1, 600, 0.04, 0.03, (0.9, 1.0)),
)


def calibrate(replications: int = REPLICATIONS, seed: int = 0) -> Iterator[tuple[str, float, float, float]]:
    """Rows (name, value, low bound, high bound): a value outside its bounds fails the suite."""
    for setting in SETTINGS:
        people = population(seed, noise_a=setting.noise_a, noise_b=setting.noise_b)
        truth = {"value_b": true_value(people, people.rank_b_RC)}
        truth["lift"] = truth["value_b"] / true_value(people, people.rank_a_RC) - 1
        reports = [report(people, setting, seed * 100_003 + one) for one in range(replications)]
        named = f"off_policy, {setting.name}"
        share = float(np.mean([one.of("lift", "IPS").interval is None for one in reports]))
        yield (f"{named}: lift refused", share, *setting.refused)
        for quantity, true in truth.items():
            if quantity == "lift" and share > 0.5:
                continue
            for estimator in ESTIMATORS:
                covered = coverage(reports, quantity, estimator, true)
                yield (f"{named}: coverage of {quantity} by {estimator}", covered, LOW, HIGH)


def coverage(reports: list[Report], quantity: str, estimator: str, truth: float) -> float:
    """The share of the intervals that were given which hold the truth."""
    given = [one.of(quantity, estimator).interval for one in reports]
    return float(np.mean([one.low <= truth <= one.high for one in given if one is not None]))


def report(people: Population, setting: Setting, seed: int) -> Report:
    """One log of the setting and all its estimates; q-hat is off by a log-normal factor and by 13 % on purpose."""
    log = draw(people, setting.epsilon, setting.users, seed)
    worth_RC = people.worth_RC[log.request_R]
    theta_RS = np.broadcast_to(THETA_S, log.shown_RS.shape)
    a_RC, b_RC = (top(rank[log.request_R], theta_RS) for rank in (people.rank_a_RC, people.rank_b_RC))
    uniform = setting.epsilon * THETA_S.sum() / worth_RC.shape[1]
    noise = np.random.default_rng(seed + 1).normal(size=worth_RC.shape)
    return evaluate_slates(
        log.shown_RS, log.outcome_RS, theta_RS, (1 - setting.epsilon) * a_RC + uniform, a_RC, b_RC,
        user_R=log.user_R, reward_RC=worth_RC * np.exp(0.5 * noise), seed=seed,
    )  # fmt: skip


def top(rank_RC: Codes, theta_RS: Floats) -> Floats:
    """Exposure of a policy that always shows its first slots."""
    exposure_RC = np.zeros(rank_RC.shape)
    np.put_along_axis(exposure_RC, rank_RC[:, : theta_RS.shape[1]], theta_RS, axis=1)
    return exposure_RC
