"""How large a test must be, before it runs: power, smallest detectable effect, users needed.

Effects are relative (0.01 = 1 %), standard errors those of log(1 + lift); two-sided tests.
"""

import math

from scipy import stats

from hinet_core.lift.statistics.samples import NotEstimableError, Sample


def planned_log_se(history: Sample, n_a: int, n_b: int) -> float:
    """The standard error of a test with so many users, from a time when all of them had one policy."""
    if len(history) < 2 or not history.total_U.sum():
        raise NotEstimableError("insufficient: planning needs two or more users and an order in the time before")
    spread = history.variance * len(history) / history.value**2
    return math.sqrt(spread / n_a + spread / n_b)


def smallest_effect(log_se: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The MDE: the increase that is found with this power."""
    return math.expm1((stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)) * log_se)


def power_at(effect: float, log_se: float, alpha: float = 0.05) -> float:
    """The probability that a true lift of `effect` is found, in either tail."""
    z, shift = float(stats.norm.ppf(1 - alpha / 2)), math.log1p(effect) / log_se
    return float(stats.norm.sf(z - shift) + stats.norm.cdf(-z - shift))


def users_needed(effect: float, log_se: float, n_users: int, power: float = 0.8, alpha: float = 0.05) -> int:
    """Users of both arms together that find `effect`, where `n_users` gave this standard error."""
    if not effect:
        raise ValueError("expected an effect other than 0: no test is large enough to find nothing")
    z = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power))
    return math.ceil(n_users * (z * log_se / math.log1p(effect)) ** 2)
