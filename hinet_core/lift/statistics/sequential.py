"""An interval that may be looked at every day: it holds at all looks together. L looks.

Robbins' normal mixture, on the scale of log(1 + r), with mixing variance tau^2 fixed before the test:

    HW_t = sqrt( SE_t^2 (SE_t^2 + tau^2) / tau^2 * ln( (SE_t^2 + tau^2) / (SE_t^2 alpha^2) ) )

The asymptotic form in n and rho is the same formula at n rho^2 = tau^2 / SE^2; they differ only in what is fixed. A tau
in units of the effect keeps the promise when users come faster or slower than planned.
"""

import math
from dataclasses import dataclass

import numpy as np

from hinet_core.lift.statistics.samples import LEVEL, Floats


@dataclass(frozen=True, eq=False)
class ConfidenceSequence:
    """Bounds of the lift per look and the p-value so far, which never rises again; `tau` as fixed beforehand."""

    low_L: Floats
    high_L: Floats
    p_L: Floats
    tau: float
    level: float


def confidence_sequence(lift_L: Floats, log_se_L: Floats, tau: float, level: float = LEVEL) -> ConfidenceSequence:
    """The sequence over looks at cumulative lifts; a look that is NaN has no bounds and leaves p where it was."""
    if not tau > 0:
        raise ValueError(f"expected tau above 0, the scale of plausible log lifts, found {tau}")
    effect_L = np.log1p(lift_L)
    half_L = half_width(log_se_L, tau, 1 - level)
    p_L = np.minimum(always_valid_p(effect_L, log_se_L, tau), 1.0)
    p_L = np.minimum.accumulate(np.where(np.isnan(p_L), 1.0, p_L))
    return ConfidenceSequence(np.expm1(effect_L - half_L), np.expm1(effect_L + half_L), p_L, tau, level)


def half_width(log_se_L: Floats, tau: float, alpha: float) -> Floats:
    v = np.square(log_se_L)
    with np.errstate(divide="ignore", invalid="ignore"):
        half_L = np.sqrt(v * (v + tau**2) / tau**2 * np.log((v + tau**2) / (v * alpha**2)))
    return np.where(v == 0, 0.0, half_L)


def always_valid_p(effect_L: Floats, log_se_L: Floats, tau: float) -> Floats:
    """The alpha at which `half_width` equals the effect x: sqrt((v + tau^2) / v) exp(-x^2 tau^2 / 2 v (v + tau^2))."""
    v = np.square(log_se_L)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_L = np.sqrt((v + tau**2) / v) * np.exp(-np.square(effect_L) * tau**2 / (2 * v * (v + tau**2)))
    return np.where(v == 0, np.where(effect_L == 0, 1.0, 0.0), p_L)


def tightest_tau(planned_log_se: float, level: float = LEVEL) -> float:
    """The tau whose interval is tightest at the end of the planned test: tau^2 = SE^2 (-2 ln a + ln(1 - 2 ln a)).

    At 95 % it is 2.8 standard errors, just what a test of that size finds with 80 % power.
    """
    surprise = -2 * math.log(1 - level)
    return planned_log_se * math.sqrt(surprise + math.log1p(surprise))
