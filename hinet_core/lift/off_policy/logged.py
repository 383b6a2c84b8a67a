"""What a logger showed with which probability, what came of it, and what a target policy would show.

Position-based model: an item in slot n is ordered with probability theta_n * q. The exposure of item i under a policy
is e(i) = sum_n theta_n pi(i at n). A log that knows no more than the propensity of the shown item at its slot is the
case theta = 1, e = propensity, and the estimators are the same. N shown rows, R requests, C candidates, S slots.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hinet_core.lift.expected import NotEstimableError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
# Sums of float32 probabilities exceed 1 by their rounding.
ROUNDING = 1e-6
# The square of a weight stays finite; no logger draws so seldom.
LEAST = 1e-100
NO_EXPOSURES = "expected exposures of the target policy from 0 up, found NaN, less than 0, or nothing but 0"


@dataclass(frozen=True)
class LoggedRows:
    """request_N: 0 … R-1; outcome_N: orders; theta_N: effect of the slot; logged_N: exposure under the logger;
    user_R: who asked, None where the log does not say; reward_N: cross-fitted q-hat of the shown item at theta = 1."""

    request_N: Codes
    outcome_N: Floats
    logged_N: Floats
    theta_N: Floats
    user_R: Codes | None = None
    reward_N: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("request_N", "logged_N", "theta_N", "reward_N"):
            found = getattr(self, name)
            if found is not None and len(found) != len(self.outcome_N):
                raise ValueError(f"expected {len(self.outcome_N)} entries of {name}, one per row, found {len(found)}")
        if not len(self.outcome_N):
            raise NotEstimableError("there is no shown row to judge by")
        if not np.isfinite(self.outcome_N).all():
            raise ValueError("expected finite outcomes, found NaN or infinity")
        if self.user_R is not None and len(self.user_R) != self.n_requests:
            raise ValueError(f"expected one user per request ({self.n_requests}), found {len(self.user_R)}")
        require_propensities(self.logged_N)

    @cached_property
    def n_requests(self) -> int:
        return int(self.request_N.max()) + 1

    @property
    def unit(self) -> str:
        """Over what the spread is taken: users, or requests where the log has no user."""
        return "request" if self.user_R is None else "user"

    @property
    def clusters(self) -> Codes:
        return np.arange(self.n_requests) if self.user_R is None else self.user_R

    def per_request(self, value_N: Floats) -> Floats:
        summed: Floats = np.asarray(np.bincount(self.request_N, value_N, minlength=self.n_requests), dtype=np.float64)
        return summed


@dataclass(frozen=True)
class Target:
    """A policy to judge. exposure_N: e(i) of the shown items; direct_R: sum_i e(i) q-hat_i, None where only shown
    items are known; unsupported: share of the policy's exposure on items that the logger never shows."""

    exposure_N: Floats
    direct_R: Floats | None = None
    unsupported: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.exposure_N).all() or (self.exposure_N < 0).any():
            raise ValueError(NO_EXPOSURES)


def require_propensities(logged_N: Floats) -> None:
    """Refuse a log that does not say how likely every shown row was."""
    missing, zero = int(np.isnan(logged_N).sum()), int((logged_N <= 0).sum())
    tiny = int((logged_N < LEAST).sum()) - zero
    above = int((logged_N > 1 + ROUNDING).sum())
    n_rows = len(logged_N)
    if missing:
        raise NotEstimableError(
            f"{missing} of {n_rows} rows have no propensity: without the probability of being shown nothing can be "
            "weighted. A logger that always shows the same has none to log: let it explore on a part of the traffic"
        )
    if zero:
        raise NotEstimableError(
            f"{zero} of {n_rows} shown rows have a propensity of 0 or less: the slate is not what the logger's policy "
            "would show, so the propensities are those of another policy"
        )
    if tiny:
        raise NotEstimableError(f"{tiny} of {n_rows} propensities are below {LEAST:g}: no logger draws so seldom")
    if above:
        raise NotEstimableError(f"{above} of {n_rows} propensities are above 1, which no probability is")


def shown_of(value_RC: Floats, shown_RS: Codes) -> Floats:
    """The values of the shown items, flat: (R * S,). ValueError for what is no candidate: -1 is not the last one."""
    n_requests, n_candidates = value_RC.shape
    if len(shown_RS) != n_requests:
        raise ValueError(f"expected a slate per request, found {len(shown_RS)} slates and {n_requests} requests")
    if shown_RS.size and not (shown_RS.min() >= 0 and shown_RS.max() < n_candidates):
        odd = shown_RS.min() if shown_RS.min() < 0 else shown_RS.max()
        raise ValueError(f"expected slates of candidates 0 to {n_candidates - 1}, found {odd}; leave out empty slots")
    found: Floats = np.take_along_axis(value_RC, shown_RS, axis=1).ravel()
    return found


def rows_of_slates(
    shown_RS: Codes,
    outcome_RS: Floats,
    theta_RS: Floats,
    logged_RC: Floats,
    user_R: Codes | None = None,
    reward_RC: Floats | None = None,
) -> LoggedRows:
    """Slates with all their candidates' exposures, as rows; `shown_RS` are candidate indices."""
    n_requests, n_slots = shown_RS.shape
    return LoggedRows(
        np.repeat(np.arange(n_requests), n_slots),
        outcome_RS.ravel().astype(float),
        shown_of(logged_RC, shown_RS),
        theta_RS.ravel().astype(float),
        user_R,
        None if reward_RC is None else shown_of(reward_RC, shown_RS),
    )


def target_of_slates(
    exposure_RC: Floats, shown_RS: Codes, logged_RC: Floats, reward_RC: Floats | None = None
) -> Target:
    """A target whose exposure of every candidate is known; ValueError for exposures that are none."""
    if exposure_RC.shape != logged_RC.shape or np.isnan(logged_RC).any():
        raise ValueError(
            f"expected the logger's exposure of every candidate {exposure_RC.shape}, found {logged_RC.shape}, "
            f"{int(np.isnan(logged_RC).sum())} missing"
        )
    if not (np.isfinite(exposure_RC).all() and (exposure_RC >= 0).all() and exposure_RC.any()):
        raise ValueError(NO_EXPOSURES)
    unsupported = float(exposure_RC[logged_RC <= 0].sum() / exposure_RC.sum())
    direct_R = None if reward_RC is None else (exposure_RC * reward_RC).sum(axis=1)
    return Target(shown_of(exposure_RC, shown_RS), direct_R, unsupported)
