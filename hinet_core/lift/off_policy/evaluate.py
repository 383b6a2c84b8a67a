"""Every estimate that a log allows of what B is worth and of its lift over A, or the reason why it allows none."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.estimators import Switch, choose_switch, direct, doubly_robust, ips, snips
from hinet_core.lift.off_policy.gates import AMBER, GREEN, REFUSED, Health, Support, health, support
from hinet_core.lift.off_policy.intervals import Interval, mean_of, ratio_of
from hinet_core.lift.off_policy.logged import Codes, Floats, LoggedRows, Target, rows_of_slates, target_of_slates

DIRECT = "direct method"
MODEL_DEPENDENT = "model-dependent: as wrong as the reward model, and no figure of the log would show it"


@dataclass(frozen=True)
class Estimate:
    """`quantity`: value_b (orders per request) or lift (0.01 = 1 %); `interval` None where it is refused."""

    quantity: str
    estimator: str
    status: str  # green, amber (bootstrap interval), refused
    reason: str
    interval: Interval | None


@dataclass(frozen=True)
class Report:
    """All estimates of one log; `unit` is what the intervals draw: user, or request where the log names no user."""

    estimates: tuple[Estimate, ...]
    health: Health
    support: Support
    switch: Switch | None
    unit: str
    n_requests: int

    def of(self, quantity: str, estimator: str) -> Estimate:
        for one in self.estimates:
            if (one.quantity, one.estimator) == (quantity, estimator):
                return one
        raise KeyError(f"no {quantity} by {estimator}; there are {[(e.quantity, e.estimator) for e in self.estimates]}")


def evaluate(
    log: LoggedRows, b: Target, a: Target | None = None, *, added_share: float | None = None, seed: int = 0
) -> Report:
    """Values of B and lifts over A (None: the logger itself) by every estimator that the log allows."""
    base = logger_itself(log) if a is None else a
    found, leaning = health(log, b), also_of(health(log, base), support(log, base, b, added_share))
    switch = choose_switch(log, b) if b.direct_R is not None and log.reward_N is not None else None
    estimates = [
        one for name, score in scorers(switch) for one in both(log, base, b, name, score, found, leaning, seed)
    ]
    if switch is not None and np.isinf(switch.tau):
        estimates += [replace(one, estimator="Switch-DR") for one in estimates if one.estimator == "DR"]
    # What the model says is said beside what the weights say, never instead of it.
    if any(one.interval for one in estimates if one.estimator == "DR"):
        estimates += both(log, base, b, DIRECT, direct, found, leaning, seed)
    return Report(tuple(estimates), found, leaning, switch, log.unit, log.n_requests)


def also_of(baseline: Health, leaning: Support) -> Support:
    """What a lift leans on is its baseline too: no lift without one, and a bootstrap where it is amber."""
    if baseline.verdict == GREEN or leaning.verdict == REFUSED:
        return leaning
    reason = "; ".join(filter(None, [leaning.reason, "the baseline: " + baseline.reasons[0]]))
    return replace(leaning, verdict=baseline.verdict, reason=reason)


def scorers(switch: Switch | None) -> Iterator[tuple[str, Callable[[LoggedRows, Target], Floats]]]:
    yield "IPS", ips
    yield "SNIPS", snips
    if switch is not None:
        yield "DR", doubly_robust
    if switch is not None and np.isfinite(switch.tau):
        tau = switch.tau
        yield "Switch-DR", lambda log, target: doubly_robust(log, target, tau)


def both(
    log: LoggedRows, a: Target, b: Target, name: str, score: Callable[[LoggedRows, Target], Floats],
    found: Health, leaning: Support, seed: int,
) -> list[Estimate]:  # fmt: skip
    """The value of B and its lift over A by one estimator."""
    return [
        gated("value_b", name, found.verdict, "; ".join(found.reasons),
              lambda few: mean_of(score(log, b), log.clusters, few=few, seed=seed)),
        gated("lift", name, worst(found.verdict, leaning.verdict),
              "; ".join([*found.reasons, *([leaning.reason] if leaning.reason else [])]),
              lambda few: ratio_of(score(log, a), score(log, b), log.clusters, few=few, seed=seed)),
    ]  # fmt: skip


def gated(
    quantity: str, name: str, verdict: str, reason: str, interval: Callable[[bool], Interval]
) -> Estimate:
    if name == DIRECT:
        reason = "; ".join(filter(None, (MODEL_DEPENDENT, reason)))
    if verdict == REFUSED:
        return Estimate(quantity, name, REFUSED, reason, None)
    try:
        return Estimate(quantity, name, verdict, reason, interval(verdict == AMBER))
    except NotEstimableError as error:
        return Estimate(quantity, name, REFUSED, str(error), None)


def worst(*verdicts: str) -> str:
    order = (GREEN, AMBER, REFUSED)
    return max(verdicts, key=order.index)


def logger_itself(log: LoggedRows) -> Target:
    """The logging policy as a target: all weights are 1, so every estimate of it is what was observed."""
    reward_R = None if log.reward_N is None else log.per_request(log.theta_N * log.reward_N)
    return Target(log.logged_N, reward_R)


def evaluate_slates(
    shown_RS: Codes,
    outcome_RS: Floats,
    theta_RS: Floats,
    logged_RC: Floats,
    a_RC: Floats,
    b_RC: Floats,
    *,
    user_R: Codes | None = None,
    reward_RC: Floats | None = None,
    seed: int = 0,
) -> Report:
    """A log that holds all its candidates: exposures of the logger, of A and of B for every candidate of a request."""
    log = rows_of_slates(shown_RS, outcome_RS, theta_RS, logged_RC, user_R, reward_RC)
    a, b = (target_of_slates(one, shown_RS, logged_RC, reward_RC) for one in (a_RC, b_RC))
    added = float(np.where(a_RC <= 0, b_RC, 0.0).sum() / b_RC.sum())
    return evaluate(log, b, a, added_share=added, seed=seed)
