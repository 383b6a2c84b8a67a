"""The estimators, each as one score per request: the estimate is their mean, and lifts are ratios of such means.

    exposure IPS  sum_n w_n y_n,  w = e_pi(i) / e_0(i)                   unbiased under the position-based model
    SNIPS         mean(sum theta) * mean(sum w y) / mean(sum w theta)    linearised; the mean is exactly this
    DR            sum_i e_pi(i) q_i + sum_n w_n (y_n - theta_n q_i)      unbiased if the weights or q are right
    Switch-DR     DR without the corrections of rows with w > tau        less variance for the bias of q there
    direct        sum_i e_pi(i) q_i                                      as wrong as q, and shows no sign of it

Equations as in lift.md's section 6 and Wang, Agarwal, Dudik (2017) for Switch.
"""

from dataclasses import dataclass

import numpy as np

from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.logged import Floats, LoggedRows, Target

QUANTILES = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


def weights(log: LoggedRows, target: Target) -> Floats:
    """w = e_pi / e_0 of the shown rows."""
    return target.exposure_N / log.logged_N


def ips(log: LoggedRows, target: Target) -> Floats:
    return log.per_request(weights(log, target) * log.outcome_N)


def snips(log: LoggedRows, target: Target) -> Floats:
    """Scores whose mean is the self-normalised estimate and whose spread is that of the ratio (delta method)."""
    won_R, mass_R = ips(log, target), log.per_request(weights(log, target) * log.theta_N)
    theta_R = log.per_request(log.theta_N)
    if mass_R.sum() <= 0:
        raise NotEstimableError("the target policy shows nothing of what was logged")
    won, mass, theta = won_R.mean(), mass_R.mean(), theta_R.mean()
    value = theta * won / mass
    # d V = theta / mass (d won - won / mass d mass) + won / mass d theta
    scores: Floats = value + theta / mass * (won_R - won / mass * mass_R) + won / mass * (theta_R - theta)
    return scores


def direct(log: LoggedRows, target: Target) -> Floats:
    if target.direct_R is None or log.reward_N is None:
        raise NotEstimableError(
            "the target's exposures are known for shown rows alone, so no reward model can stand in for the others"
        )
    return target.direct_R


def doubly_robust(log: LoggedRows, target: Target, tau: float = np.inf) -> Floats:
    """DR; with a finite tau Switch-DR."""
    modelled_R, w_N = direct(log, target), weights(log, target)
    reward_N = np.zeros(len(w_N)) if log.reward_N is None else log.reward_N
    correction_N = np.where(w_N <= tau, w_N * (log.outcome_N - log.theta_N * reward_N), 0.0)
    return modelled_R + log.per_request(correction_N)


@dataclass(frozen=True)
class Switch:
    """Where Switch-DR stops correcting: the share of the target's exposure beyond tau, and at most how wrong
    (orders per request) the estimate is for it, were q wrong there by as much as the largest q."""

    tau: float
    dropped_share: float
    bias_bound: float


def choose_switch(log: LoggedRows, target: Target) -> Switch:
    """The tau with the least variance + squared bound of the bias, of quantiles of the weights and no switch at all."""
    w_N, reward_N = weights(log, target), log.reward_N
    if reward_N is None:
        raise NotEstimableError("Switch-DR needs a reward model")
    mass_N = w_N * log.theta_N
    least, best = np.inf, Switch(np.inf, 0.0, 0.0)
    for tau in (np.inf, *np.quantile(w_N, QUANTILES)):
        dropped = float(mass_N[w_N > tau].sum())
        bound = dropped / log.n_requests * float(reward_N.max())
        if bound**2 >= least:
            continue
        cost = float(doubly_robust(log, target, tau).var()) / log.n_requests + bound**2
        if cost < least:
            least, best = cost, Switch(float(tau), dropped / float(mass_N.sum()), bound)
    return best
