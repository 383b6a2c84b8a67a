"""Lift, intervals, checks and detectable effects of a user's own online test, as rows of the table `lift`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hinet_core.lift.own_test.read import ArmTotals, OwnTestError, PerUser, Totals
from hinet_core.lift.statistics.families import benjamini_hochberg
from hinet_core.lift.statistics.relative import FEW, RelativeLift, two_sided_p, z_of
from hinet_core.lift.statistics.relative import relative_lift as user_lift
from hinet_core.lift.statistics.sample_ratio import SampleRatio, sample_ratio
from hinet_core.lift.statistics.samples import LEVEL, MDE_FACTOR, NotEstimableError, Sample
from hinet_core.lift.tables import LIFT, Row

NO_SPREAD = (
    "no interval: totals do not say how orders are spread over users. Give outcomes per user, or --overdispersion: "
    "the variance of orders per user over their mean (1 = every order by itself: too narrow wherever users differ)"
)
# A user with a million orders for every order of another; beyond it intervals overflow.
MOST_OVERDISPERSED = 1e6
HIDDEN = "the users are not split as intended (p {p:.1e}): whatever moved users moves the lift too, so it is not shown"


@dataclass(frozen=True)
class Checked:
    """The split of users overall (scenario "") or among those who entered in a scenario; a reason where untested."""

    scenario: str
    found: SampleRatio | None
    reason: str | None


@dataclass(frozen=True)
class Analysis:
    """Rows in the columns of the table `lift`, one per arm, scope and metric, and the checks of the split.

    `shares` are the intended ones of all `arms`, in the file's order, and sum to 1.
    """

    baseline: str
    arms: tuple[str, ...]
    shares: tuple[float, ...]
    rows: list[Row]
    checks: list[Checked]


def analyse(
    result: Totals | PerUser,
    baseline: str | None = None,
    shares: Mapping[str, float] | None = None,
    overdispersion: float | None = None,
) -> Analysis:
    """Every arm against `baseline` (default: the file's first). `shares` are the intended ones, by default equal."""
    base = known_arm(result.arms, baseline or result.arms[0])
    for arm in shares or {}:
        known_arm(result.arms, arm)
    weights = [1.0 if shares is None else shares.get(arm, 0.0) for arm in result.arms]
    if not all(0 < weight < math.inf for weight in weights):
        raise OwnTestError(f"expected a share above 0 for every arm: {', '.join(result.arms)}")
    if overdispersion is not None and not 1 <= overdispersion <= MOST_OVERDISPERSED:
        raise OwnTestError(f"expected an overdispersion from 1 to {MOST_OVERDISPERSED:g}, found {overdispersion}")
    if overdispersion is not None and isinstance(result, PerUser):
        raise OwnTestError("--overdispersion is for totals: outcomes per user say themselves how orders are spread")
    checks = checks_of(result, weights)
    hidden = {one.scenario: one.found for one in checks if one.found is not None and one.found.hides_lift}
    rows = []
    for arm in result.arms:
        if arm == base:
            continue
        for metric in ("orders_per_request", "orders_per_user"):
            family = [
                row_of(result, base, arm, scenario, metric, overdispersion, hidden) for scenario in scopes(result)
            ]
            adjust(family)
            rows += family
    return Analysis(base, result.arms, tuple(one / sum(weights) for one in weights), rows, checks)


def known_arm(arms: tuple[str, ...], arm: str) -> str:
    if arm not in arms:
        raise OwnTestError(f"found no arm {arm!r}, allowed: {', '.join(arms)}")
    return arm


def scopes(result: Totals | PerUser) -> tuple[str, ...]:
    """Pooled ("") first, then the scenarios."""
    return ("", *(one for one in result.scenarios if one))


def checks_of(result: Totals | PerUser, weights: list[float]) -> list[Checked]:
    if isinstance(result, Totals):
        users = [result.counts[arm, ""].users for arm in result.arms]
        if any(one is None for one in users):
            reason = "a user may come to several scenarios: add a line per arm, scenario empty, with all its users"
            return [Checked("", None, reason)]
        return [checked("", [one or 0 for one in users], weights)]
    found = [checked("", np.bincount(result.arm_U, minlength=len(result.arms)).tolist(), weights)]
    if result.entry_U is not None:
        for code, scenario in enumerate(result.scenarios):
            if not scenario:
                continue
            entered = np.bincount(result.arm_U[result.entry_U == code], minlength=len(result.arms))
            found.append(checked(scenario, entered.tolist(), weights))
    return found


def checked(scenario: str, users: list[int], weights: list[float]) -> Checked:
    try:
        return Checked(scenario, sample_ratio(users, weights), None)
    except NotEstimableError as error:
        return Checked(scenario, None, str(error))


def row_of(
    result: Totals | PerUser,
    base: str,
    arm: str,
    scenario: str,
    metric: str,
    overdispersion: float | None,
    hidden: Mapping[str, SampleRatio],
) -> Row:
    """One row; a broken split or too little to go on leaves the reason and no lift."""
    row: Row = dict.fromkeys(LIFT.names) | {
        "kind": "online", "metric": metric, "scope": "scenario" if scenario else "pooled", "scenario_id": scenario,
        "model_a": base, "model_b": arm, "estimator": "own test", "status": "estimated", "level": LEVEL,
    }  # fmt: skip
    try:
        broken = hidden.get("") or hidden.get(scenario)
        if broken is not None:
            raise NotEstimableError(HIDDEN.format(p=broken.p))
        if isinstance(result, PerUser):
            return row | from_users(result, base, arm, scenario, metric)
        return row | from_totals(result.counts[base, scenario], result.counts[arm, scenario], metric, overdispersion)
    except NotEstimableError as error:
        return row | {"status": "not_estimable", "reason": str(error)}


def from_users(result: PerUser, base: str, arm: str, scenario: str, metric: str) -> Row:
    """Per request: users with a request there. Per user: all of the arm, since coming there may be the arm's doing."""
    column = slice(None) if not scenario else [result.scenarios.index(scenario)]
    requests_U, orders_U = (values[:, column].sum(axis=1) for values in (result.requests_US, result.orders_US))
    before_U = None if result.before_US is None else result.before_US[:, column].sum(axis=1)

    def sample(name: str) -> Sample:
        mine = result.arm_U == result.arms.index(name)
        if metric == "orders_per_user":
            return Sample(orders_U[mine], None, None if before_U is None else before_U[mine])
        mine &= requests_U > 0
        return Sample(orders_U[mine], requests_U[mine], None if before_U is None else before_U[mine])

    a, b = sample(base), sample(arm)
    found = user_lift(a, b)
    requests = [requests_U[result.arm_U == result.arms.index(name)].sum() for name in (base, arm)]
    return figures(found) | {"n_requests": int(sum(requests))}


def figures(found: RelativeLift) -> Row:
    """What an estimate fills of a row."""
    return {
        "lift": found.lift, "low": found.low, "high": found.high, "method": found.method, "p_raw": found.p,
        "mde80": found.mde80, "value_a": found.value_a, "value_b": found.value_b, "orders_a": found.events_a,
        "orders_b": found.events_b, "n_users": found.n_a + found.n_b,
    }  # fmt: skip


def from_totals(a: ArmTotals, b: ArmTotals, metric: str, overdispersion: float | None) -> Row:
    """SE^2 = overdispersion (1 / orders_A + 1 / orders_B) on the log scale; without it a lift and no interval."""
    bases = (a.requests, b.requests) if metric == "orders_per_request" else (a.users, b.users)
    if None in bases:
        raise NotEstimableError("a user may come to several scenarios, so the arm's users are not known")
    if not all(bases):
        raise NotEstimableError(f"insufficient: an arm has no {metric.removeprefix('orders_per_')}s here")
    if not a.orders:
        raise NotEstimableError("insufficient: the baseline has no orders, so a relative lift has no meaning")
    if min(a.orders, b.orders) < FEW:
        raise NotEstimableError(f"insufficient: an arm has fewer than {FEW} orders; give outcomes per user")
    value_a, value_b = a.orders / float(bases[0] or 0), b.orders / float(bases[1] or 0)
    lift = value_b / value_a - 1
    row: Row = {
        "lift": lift, "value_a": value_a, "value_b": value_b, "orders_a": a.orders, "orders_b": b.orders,
        "n_users": None if a.users is None or b.users is None else a.users + b.users,
        "n_requests": int(a.requests + b.requests),
    }  # fmt: skip
    if overdispersion is None:
        return row | {"status": "no_interval", "reason": NO_SPREAD, "level": None}
    log_se = math.sqrt(overdispersion * (1 / a.orders + 1 / b.orders))
    half = z_of(LEVEL) * log_se
    return row | {
        "low": math.expm1(math.log1p(lift) - half), "high": math.expm1(math.log1p(lift) + half),
        "method": f"totals, Poisson orders times an assumed overdispersion of {overdispersion:g}",
        "p_raw": two_sided_p(math.log1p(lift), log_se), "mde80": math.expm1(MDE_FACTOR * log_se),
    }  # fmt: skip


def adjust(rows: list[Row]) -> None:
    """BH over the scenarios of one arm and metric; the pooled row stands alone."""
    for row in rows:
        row["p_bh"] = row["p_raw"] if row["scope"] == "pooled" else None
    tested = [row for row in rows if row["scope"] == "scenario" and row["p_raw"] is not None]
    for row, p in zip(tested, benjamini_hochberg([row["p_raw"] for row in tested]), strict=True):
        row["p_bh"] = p
