"""The lift of one architecture over another, as ideas: what a further training of each would bring.

Two trainings of one architecture differ by more than requests do, so the unit is the training seed m of M:

    l_m = log(V_B(m) / V_A(m)),    lift = exp(mean l) - 1,    se^2 = var(l) / M + c,    t with M - 1 degrees of freedom

on the scale of log(1 + lift), so that swapping A and B inverts lift and interval exactly. c is what var(l) cannot see
of the requests' variance: with the same requests for all seeds, what residuals of two seeds have in common,

    e_u(m) = U (B_u(m) / V_B(m) - A_u(m) / V_A(m)),    c = mean over m != k of cov_u(e(m), e(k)) / U

and with requests of its own for each seed it is 0, since var(l) has all of it. The lift of two trained models
(`expected.ratio_lift`) is another question: its interval is over requests alone. M seeds, R requests, U users.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hinet_core.lift.expected import relative_values
from hinet_core.lift.statistics.samples import LEVEL, Floats, NotEstimableError

KIND = "architecture"
METHOD = "expected value; over training seeds, t, and what their requests have in common"
# With fewer, the spread over seeds is hardly known: at 3 the interval is twice as wide as at 5.
FEWEST_SEEDS = 5


@dataclass(frozen=True)
class ArchitectureLift:
    """A relative lift (0.01 = 1 %) of B over A with its interval at 95 % over training seeds and requests.

    `of_seeds`: each seed's lift. `log_se` and `requests_log_se` are standard errors of log(1 + lift), the latter what
    one pair of trained models shows over requests alone. `value_a`, `value_b`: expected orders per request, mean over
    seeds.
    """

    lift: float
    low: float
    high: float
    p: float
    mde80: float
    log_se: float
    requests_log_se: float
    of_seeds: tuple[float, ...]
    value_a: float
    value_b: float
    n_users: int
    n_requests: int
    kind: str = KIND

    @property
    def n_seeds(self) -> int:
        return len(self.of_seeds)


def architecture_lift(
    a_MR: Floats, b_MR: Floats, user_R: NDArray[np.int64], weight_R: Floats | None = None
) -> ArchitectureLift:
    """Lift of B over A from the values of each seed's models, shape (M, R): seed m of A beside seed m of B.

    `user_R` of shape (R,): the same requests for all seeds; (M, R): each seed has requests of its own, as many.
    `weight_R`, of the shape of `user_R`, restores shares of a stratified sample. NotEstimableError, with the reason,
    below five seeds, without requests, with one user, and where a ranking is worth no orders.
    """
    require_seeds(len(a_MR))
    user_MR, weight_MR = in_shape(a_MR, b_MR, user_R, weight_R)
    pairs = [relative_values(a, b, weight) for a, b, weight in zip(a_MR, b_MR, weight_MR, strict=True)]
    value_M2 = np.array(pairs)
    if (value_M2[:, 1] <= 0).any():
        raise NotEstimableError("the other model's ranking is worth no orders, so its lift is -100 % whatever the seed")
    log_M = np.log(value_M2[:, 1] / value_M2[:, 0])
    own, common, n_users = variances_over_requests(weight_MR * a_MR, weight_MR * b_MR, value_M2, user_MR)
    if user_R.ndim == 2:
        common = 0.0
    middle, df = float(log_M.mean()), len(log_M) - 1
    se = math.sqrt(float(log_M.var(ddof=1)) / len(log_M) + common)
    quantile = float(stats.t.ppf((1 + LEVEL) / 2, df))
    return ArchitectureLift(
        lift=math.expm1(middle),
        low=math.expm1(middle - quantile * se),
        high=math.expm1(middle + quantile * se),
        p=float(2 * stats.t.sf(abs(middle) / se, df)) if se > 0 else float(middle == 0),
        mde80=math.expm1((quantile + float(stats.t.ppf(0.8, df))) * se),
        log_se=se,
        requests_log_se=math.sqrt(own),
        of_seeds=tuple(float(one) for one in np.expm1(log_M)),
        value_a=float(value_M2[:, 0].mean()),
        value_b=float(value_M2[:, 1].mean()),
        n_users=n_users,
        n_requests=user_R.size,
    )


def require_seeds(n_seeds: int) -> None:
    """Refuse fewer than five: what one training did is not what the architecture does."""
    if n_seeds < FEWEST_SEEDS:
        raise NotEstimableError(
            f"the lift of an architecture is over training seeds: expected {FEWEST_SEEDS} or more, found {n_seeds}. "
            "Train each model from more seeds; two trained models have the lift of artifacts, which is another question"
        )


def in_shape(
    a_MR: Floats, b_MR: Floats, user_R: NDArray[np.int64], weight_R: Floats | None
) -> tuple[NDArray[np.int64], Floats]:
    """Users and weights as (M, R), the weights of a seed summing to 1."""
    if a_MR.shape != b_MR.shape or a_MR.ndim != 2:
        shapes = f"{a_MR.shape} and {b_MR.shape}"
        raise ValueError(f"expected values (seeds, requests) of both models alike, found {shapes}")
    if user_R.shape not in (a_MR.shape, a_MR.shape[1:]):
        raise ValueError(f"expected a user per request, {a_MR.shape[1:]} or {a_MR.shape}, found {user_R.shape}")
    if not user_R.size:
        raise NotEstimableError("there is no request to judge")
    weight = np.ones(user_R.shape) if weight_R is None else weight_R
    weight_MR = np.broadcast_to(weight, a_MR.shape)
    return np.broadcast_to(user_R, a_MR.shape), weight_MR / weight_MR.sum(axis=1, keepdims=True)


def variances_over_requests(
    a_MR: Floats, b_MR: Floats, value_M2: Floats, user_MR: NDArray[np.int64]
) -> tuple[float, float, int]:
    """Of log(1 + lift), clustered by user: a single seed's own, what two seeds share, and the number of users.

    What they share is only meant where all seeds have the same requests; `a_MR`, `b_MR` are weighted.
    """
    users, code = np.unique(user_MR, return_inverse=True)
    code_MR, n_users = code.reshape(user_MR.shape), len(users)
    seen_M = np.array([len(np.unique(one)) for one in code_MR])
    if seen_M.min() < 2:
        raise NotEstimableError("all requests come from one user, so there is nothing to tell the spread from")
    residual_MR = b_MR / value_M2[:, 1:] - a_MR / value_M2[:, :1]
    e_MU = np.stack([
        np.bincount(code, residual, n_users) for code, residual in zip(code_MR, residual_MR, strict=True)
    ]) * seen_M[:, None]  # fmt: skip
    # A seed's residuals sum to 0, so users that it has not seen add nothing to its sum of squares.
    own_M = (e_MU**2).sum(axis=1) / (seen_M - 1) / seen_M
    together = float((e_MU.mean(axis=0) ** 2).sum()) / (n_users - 1) / n_users
    n_seeds = len(e_MU)
    common = (n_seeds * together - float(own_M.mean())) / (n_seeds - 1)
    return float(own_M.mean()), max(common, 0.0), n_users
