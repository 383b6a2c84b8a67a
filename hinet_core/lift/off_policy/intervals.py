"""Intervals of means and of ratios of scores on the same log; the unit is the user, or the request where none is known.

Standard errors are those of the clustered ratio (`expected.ratio_lift`). Where few orders carry the estimate, its
normal form is not to be trusted, and users are drawn anew (percentile bootstrap).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from hinet_core.lift.expected import LEVEL, NotEstimableError, ratio_lift
from hinet_core.lift.off_policy.logged import Codes, Floats

DRAWS = 1000
CLUSTERED = "clustered ratio, delta method, t"
BOOTSTRAP = "percentile bootstrap"


@dataclass(frozen=True)
class Interval:
    """`estimate` with its standard error and 95 % interval; `n_units` users (or requests)."""

    estimate: float
    se: float
    low: float
    high: float
    method: str
    n_units: int


def mean_of(score_R: Floats, cluster_R: Codes, *, few: bool = False, seed: int = 0) -> Interval:
    """The mean score per request."""
    found = ratio_of(np.ones(len(score_R)), score_R, cluster_R, few=few, seed=seed)
    return Interval(found.estimate + 1, found.se, found.low + 1, found.high + 1, found.method, found.n_units)


def ratio_of(a_R: Floats, b_R: Floats, cluster_R: Codes, *, few: bool = False, seed: int = 0) -> Interval:
    """mean(b) / mean(a) - 1 on the same requests; `few` asks for the bootstrap."""
    found = ratio_lift(a_R, b_R, cluster_R)
    if not few:
        return Interval(found.lift, found.se, found.low, found.high, CLUSTERED, found.n_users)
    low, high = bootstrap(a_R, b_R, cluster_R, seed)
    return Interval(found.lift, found.se, low, high, BOOTSTRAP, found.n_users)


def bootstrap(a_R: Floats, b_R: Floats, cluster_R: Codes, seed: int) -> tuple[float, float]:
    """Percentile interval of sum(b) / sum(a) - 1, clusters drawn with replacement.

    NotEstimableError where so many draws leave the baseline without outcomes that the interval has no end.
    """
    _, code = np.unique(cluster_R, return_inverse=True)
    totals = np.bincount(code, a_R), np.bincount(code, b_R)
    estimate = totals[1].sum() / totals[0].sum() - 1

    def lift(a_DU: Floats, b_DU: Floats, axis: int) -> Floats:
        a_D, b_D = a_DU.sum(axis=axis), b_DU.sum(axis=axis)
        # No baseline and something above it is the upper end; nothing over nothing tells neither end.
        without_D = np.where(b_D > 0, np.inf, estimate)
        return np.where(a_D > 0, b_D / np.where(a_D > 0, a_D, 1.0) - 1, without_D)

    # Only the ends are used: the standard error of draws without an end would be a warning.
    with np.errstate(invalid="ignore"):
        found = stats.bootstrap(
            totals, lift, paired=True, vectorized=True, n_resamples=DRAWS, batch=50, confidence_level=LEVEL,
            method="percentile", rng=np.random.default_rng(seed),
        )  # fmt: skip
    low, high = float(found.confidence_interval.low), float(found.confidence_interval.high)
    if not np.isfinite([low, high]).all():
        raise NotEstimableError("too many redraws of users leave the baseline no outcome: the lift has no upper end")
    return low, high
