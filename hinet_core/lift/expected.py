"""L1: the lift of expected orders, with the interval that request sampling gives it.

The outcomes are not drawn, so what remains uncertain is which users came: the user is the unit, and the
interval is that of a ratio clustered by user (delta method):

    lift = sum_r w_r V(r, B) / sum_r w_r V(r, A) - 1,    e_u = (B_u - (1 + lift) A_u) / mean(A),    SE = sd(e) / sqrt(U)

and t, with as many degrees of freedom as users less one; below `FEW_USERS` as users that come equally often.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hinet_core.lift.statistics.samples import FEW_USERS, LEVEL, MDE_FACTOR, Floats, NotEstimableError, effective_number

METHOD = "expected value; user-clustered ratio, delta method, t"


@dataclass(frozen=True)
class Lift:
    """A relative lift (0.01 = 1 %) of B over A. `value_a`, `value_b`: expected orders per request."""

    lift: float
    se: float
    low: float
    high: float
    p: float
    value_a: float
    value_b: float
    n_users: int
    n_requests: int

    @property
    def mde80(self) -> float:
        return MDE_FACTOR * self.se


def ratio_lift(a_R: Floats, b_R: Floats, user_R: NDArray[np.int64], weight_R: Floats | None = None) -> Lift:
    """Lift of B over A from their values on the same requests; `weight_R` restores shares of a stratified sample."""
    weight = np.ones(len(a_R)) if weight_R is None else weight_R
    if not len(a_R):
        raise NotEstimableError("there is no request to judge")
    weight = weight / weight.sum()
    value_a, value_b = relative_values(a_R, b_R, weight)
    _, code = np.unique(user_R, return_inverse=True)
    n_users = int(code.max()) + 1
    if n_users < 2:
        raise NotEstimableError("all requests come from one user, so there is nothing to tell the spread from")
    lift = value_b / value_a - 1
    residual_U = np.bincount(code, weight * (b_R - (1 + lift) * a_R)) / value_a * n_users
    se = float(residual_U.std(ddof=1) / np.sqrt(n_users))
    effective = effective_number(np.bincount(code, weight).astype(np.float64))
    if effective < 1.5:
        raise NotEstimableError("nearly all requests come from one user, so the spread of the others tells little")
    df = (effective if effective < FEW_USERS else n_users) - 1
    half = float(stats.t.ppf((1 + LEVEL) / 2, df)) * se
    p = float(2 * stats.t.sf(abs(lift) / se, df)) if se > 0 else float(lift == 0)
    return Lift(lift, se, lift - half, lift + half, p, value_a, value_b, n_users, len(a_R))


def relative_values(a_R: Floats, b_R: Floats, weight_R: Floats) -> tuple[float, float]:
    """Weighted means of both policies; refuses what no ratio can be taken of."""
    if not (np.isfinite(a_R).all() and np.isfinite(b_R).all()):
        raise ValueError("expected finite values per request, found NaN or infinity; check the scores")
    value_a, value_b = float((weight_R * a_R).sum()), float((weight_R * b_R).sum())
    if value_a <= 0:
        raise NotEstimableError("the baseline's ranking is worth no orders, so a relative lift has no meaning")
    return value_a, value_b


def relative(policy_R: Floats, a_R: Floats, weight_R: Floats) -> float:
    """The lift of another policy over A on the same requests, without an interval."""
    return float((weight_R * policy_R).sum() / (weight_R * a_R).sum() - 1)
