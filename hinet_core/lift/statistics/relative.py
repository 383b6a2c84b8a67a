"""The relative lift of arm B over arm A, with the user as the unit.

    r = y_B / y_A - 1,    se = sqrt(v_A / y_A^2 + v_B / y_B^2) on the scale of log(1 + r)

tea-tasting does it: ratios by the delta method, CUPED with theta pooled over the arms, y - theta (x - mean(x)). Its
interval is symmetric on the log scale, so swapping the arms inverts it exactly. Below `FEW` events in an arm Fieller's
interval takes over, which does not divide by an uncertain mean; below `FEWEST` nothing is said (docs/lift.md). Below
`FEW_USERS` in an arm the normal quantile gives way to Welch's t, with users counted by how often they come.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from hinet_core.lift.statistics.samples import FEW_USERS, LEVEL, MDE_FACTOR, NotEstimableError, Sample

if TYPE_CHECKING:
    from tea_tasting.aggr import Aggregates

# With fewer events in an arm, CUPED's theta is noise and the delta method at its edge.
FEW = 30
# With fewer, too many intervals have no end: three of ten at five orders (docs/log.md).
FEWEST = 8
# Of the logarithm of a lift; what is less is rounding.
NO_SPREAD = 1e-7


@dataclass(frozen=True)
class RelativeLift:
    """A lift (0.01 = 1 %) with its interval at `level`; `log_se` is the standard error of log(1 + lift)."""

    lift: float
    low: float
    high: float
    level: float
    log_se: float
    p: float
    value_a: float
    value_b: float
    events_a: float
    events_b: float
    n_a: int
    n_b: int
    unit: str
    method: str
    # Degrees of freedom where users are few.
    df: float = math.inf

    @property
    def mde80(self) -> float:
        """The lift that a test of this size finds with 80 % power at 5 %, two-sided."""
        return math.expm1(MDE_FACTOR * self.log_se)


def relative_lift(a: Sample, b: Sample, level: float = LEVEL) -> RelativeLift:
    """Lift of `b` over `a`; raises NotEstimableError with the reason where there is none."""
    require_estimable(a, b)
    few = min(a.total_U.sum(), b.total_U.sum()) < FEW
    return by_fieller(a, b, level) if few else by_delta_method(a, b, level)


def require_estimable(a: Sample, b: Sample) -> None:
    """Refuse one user only, no requests, a baseline without events, too few for any interval, and users all alike."""
    if set(a.columns) != set(b.columns) or a.unit != b.unit:
        raise ValueError(f"expected both arms with the same columns and unit, found {[*a.columns]}, {[*b.columns]}")
    for name, arm in (("A", a), ("B", b)):
        if len(arm) < 2:
            raise NotEstimableError(f"insufficient: arm {name} has {len(arm)} {a.unit}(s), so its spread is unknown")
        if arm.base_U is not None and not arm.base_U.sum():
            raise NotEstimableError(f"insufficient: arm {name} has no requests")
    if not a.total_U.sum():
        raise NotEstimableError("insufficient: the baseline has no orders, so a relative lift has no meaning")
    least = min(a.total_U.sum(), b.total_U.sum())
    if least < FEWEST:
        raise NotEstimableError(f"insufficient: an arm has {least:g} orders, expected {FEWEST} or more")
    if a.variance / a.value**2 + b.variance / b.value**2 < NO_SPREAD**2:
        raise NotEstimableError(alike(a))


def alike(one: Sample) -> str:
    per = "" if one.base_U is None else " per request"
    return f"insufficient: all {one.unit}s of an arm have the same orders{per}: no spread to tell an interval from"


def by_delta_method(a: Sample, b: Sample, level: float) -> RelativeLift:
    # Importing it brings ibis: more than a second, which no other verb should pay.
    import tea_tasting as tt

    optional = {"base": "denom", "before": "numer_covariate"}
    roles = {optional[name]: name for name in a.columns if name in optional}
    metric = tt.RatioOfMeans("total", **roles, use_t=False, confidence_level=level)
    try:
        found = metric.analyze_aggregates(moments(a), moments(b))
    except ValueError as error:
        # The root of a variance that CUPED left at 0, but for rounding.
        raise NotEstimableError(alike(a)) from error
    if not (found.control > 0 and found.treatment > 0):
        raise NotEstimableError("insufficient: corrected by the time before the test, an arm is worth no orders")
    # The library does not hand the standard error out: half the interval is z of them on the log scale.
    log_se = math.log((1 + found.rel_effect_size_ci_upper) / (1 + found.rel_effect_size)) / z_of(level)
    if not log_se > NO_SPREAD:
        raise NotEstimableError(alike(a))
    method = f"{of_what(a)}, delta method{', CUPED' if a.before_U is not None else ''}"
    one = RelativeLift(
        found.rel_effect_size, found.rel_effect_size_ci_lower, found.rel_effect_size_ci_upper, level, log_se,
        two_sided_p(math.log1p(found.rel_effect_size), log_se), float(found.control), float(found.treatment),
        float(a.total_U.sum()), float(b.total_U.sum()), len(a), len(b), a.unit, method,
    )  # fmt: skip
    df = degrees_of_freedom(a, b)
    return one if math.isinf(df) else by_t(one, df)


def by_t(found: RelativeLift, df: float) -> RelativeLift:
    """The interval by t with `df` degrees of freedom."""
    effect, half = math.log1p(found.lift), float(stats.t.ppf((1 + found.level) / 2, df)) * found.log_se
    return replace(
        found, low=math.expm1(effect - half), high=math.expm1(effect + half), p=two_sided_p(effect, found.log_se, df),
        method=f"{found.method}, t, few users", df=df,
    )  # fmt: skip


def by_fieller(a: Sample, b: Sample, level: float) -> RelativeLift:
    """All t with (y_B - t y_A)^2 <= z^2 (v_B + t^2 v_A); CUPED is left out, for theta is not known well enough."""
    ratio, df = b.value / a.value, degrees_of_freedom(a, b)
    z = z_of(level) if math.isinf(df) else float(stats.t.ppf((1 + level) / 2, df))
    spread_a, spread_b = a.variance / a.value**2, b.variance / a.value**2
    g = z * z * spread_a
    inside = spread_b + ratio**2 * spread_a - g * spread_b
    if g >= 1 or ratio**2 <= z * z * spread_b:
        raise NotEstimableError("insufficient: the orders of one arm come from so few users that any lift is possible")
    half = z * math.sqrt(max(inside, 0.0))
    se = math.sqrt(a.variance + b.variance)
    method = f"{of_what(a)}, Fieller, few orders{'' if math.isinf(df) else ', t, few users'}"
    return RelativeLift(
        ratio - 1, (ratio - half) / (1 - g) - 1, (ratio + half) / (1 - g) - 1, level,
        math.sqrt(spread_a + spread_b / ratio**2), two_sided_p(b.value - a.value, se, df), a.value, b.value,
        float(a.total_U.sum()), float(b.total_U.sum()), len(a), len(b), a.unit, method, df,
    )  # fmt: skip


def degrees_of_freedom(a: Sample, b: Sample) -> float:
    """Welch's, (v_A + v_B)^2 / (v_A^2 / (n_A - 1) + v_B^2 / (n_B - 1)) on the log scale; infinite for many users."""
    arms = [(one.variance / one.value**2, one.effective) for one in (a, b)]
    least = min(n for _, n in arms)
    if least >= FEW_USERS:
        return math.inf
    if least < 1.5:
        raise NotEstimableError("insufficient: nearly all requests of an arm come from one user: no spread is known")
    below = sum(v**2 / (n - 1) for v, n in arms)
    return sum(v for v, _ in arms) ** 2 / below if below > 0 else math.inf


def moments(one: Sample) -> "Aggregates":
    """Count, means and covariances, as tea-tasting takes them."""
    from tea_tasting.aggr import Aggregates

    names = list(one.columns)
    covariance = np.atleast_2d(np.cov([one.columns[name] for name in names]))
    return Aggregates(
        len(one),
        {name: float(one.columns[name].mean()) for name in names},
        {name: float(covariance[i, i]) for i, name in enumerate(names)},
        {(names[i], names[j]): float(covariance[i, j]) for i in range(len(names)) for j in range(i)},
    )


def of_what(one: Sample) -> str:
    kind = "mean per" if one.base_U is None else "ratio clustered by"
    return f"{kind} {one.unit}{', requests taken as independent' if one.unit == 'request' else ''}"


def z_of(level: float) -> float:
    return float(stats.norm.ppf((1 + level) / 2))


def two_sided_p(effect: float, se: float, df: float = math.inf) -> float:
    """Of no effect; 1 where there is neither effect nor spread."""
    if not se > 0:
        return float(effect == 0)
    return float(2 * (stats.norm.sf(abs(effect) / se) if math.isinf(df) else stats.t.sf(abs(effect) / se, df)))
