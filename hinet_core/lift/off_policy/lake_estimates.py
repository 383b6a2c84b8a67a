"""Estimates from an ingested log, pooled and per scenario, beside what the target really got where it was in action."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from hinet_core.lift.expected import LEVEL, NotEstimableError
from hinet_core.lift.off_policy.evaluate import Estimate, Report, evaluate
from hinet_core.lift.off_policy.intervals import Interval, mean_of
from hinet_core.lift.off_policy.lake_log import LakeLog
from hinet_core.lift.off_policy.lake_targets import Choice, ItemShares, Slots, shares, slots_in
from hinet_core.lift.off_policy.logged import Codes, Floats, LoggedRows, Target
from hinet_core.lift.off_policy.reward import CrossFitted, cross_fit

# Redraws of a target's counted shares.
REDRAWS = 100
Z = float(stats.norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Scope:
    """One scope's report; truth: what the target got itself; unseen_share: of the target's choices, on items that the
    log never showed at that slot (None where only shown rows are known)."""

    scenario: str  # "" = pooled
    report: Report | None
    reason: str
    truth: dict[str, Interval]
    unseen_share: float | None
    n_rows: int


def estimates(whole: LakeLog, target: Choice, baseline: Choice, has_truth: bool, seed: int = 0) -> Iterator[Scope]:
    """Pooled first, then every scenario of the log. `whole` holds all rows; its masks say which are which."""
    slots = slots_in(whole)
    chances = shares(target, whole, slots), shares(baseline, whole, slots, "baseline_shown_by")
    scenarios = sorted(set(whole.scenario_N.tolist()))
    for scenario in ["", *scenarios] if len(scenarios) > 1 else scenarios:
        here = whole if not scenario else whole.part(whole.scenario_N == scenario)
        log = here.of("log")
        truth: dict[str, Interval] = {}
        try:
            truth = truths(log, here.of("truth"), baseline) if has_truth else {}
            report = estimated(log, (target, baseline), chances, slots, seed)
            unseen = None if chances[0] is None else unseen_share(log, slots, chances[0])
            yield Scope(scenario, report, "", truth, unseen, len(log))
        except NotEstimableError as error:
            yield Scope(scenario, None, str(error), truth, None, len(log))


def estimated(
    log: LakeLog, chosen: tuple[Choice, Choice], chances: tuple[ItemShares | None, ItemShares | None], slots: Slots,
    seed: int,
) -> Report:  # fmt: skip
    """All estimates of one scope, with what counted shares of the target add to their intervals."""
    cell_N = slots.cell_of(log)
    request_N = np.unique(log.request_N, return_inverse=True)[1]
    rows = LoggedRows(request_N, log.outcome_N, log.propensity_N, np.ones(len(log)), users(log, request_N))
    if all(one is not None or choice.kind == "logger" for one, choice in zip(chances, chosen, strict=True)):
        model = rewards(log, cell_N, rows, seed)
        rows = replace(rows, reward_N=model.predict(features(cell_N, log.item_N), model.fold_N))
    else:
        model = None
    targets = [target_of(log, one, chance, cell_N, rows, model) for one, chance in zip(chosen, chances, strict=True)]
    b, a = targets
    found = evaluate(rows, b, None if chosen[1].kind == "logger" else a, seed=seed)
    se_b, se_a = (0.0 if one is None else counted_spread(log, one, cell_N, seed) for one in chances)
    return widened(found, se_b, se_a, chosen[0] == chosen[1])


def users(log: LakeLog, request_N: Codes) -> Codes | None:
    """The user of every request; None where each row has a user of its own, which is no user."""
    if len(np.unique(log.user_N)) == len(log):
        return None
    user_R = np.zeros(int(request_N.max()) + 1, dtype=np.int64)
    user_R[request_N] = log.user_N
    return user_R


def features(cell_N: Codes, item_N: Codes) -> Any:
    return np.column_stack([item_N, cell_N])


def rewards(log: LakeLog, cell_N: Codes, rows: LoggedRows, seed: int) -> CrossFitted:
    """q-hat of item and slot, folds by user (or request)."""
    group_N = rows.clusters[rows.request_N]
    return cross_fit(features(cell_N, log.item_N), log.outcome_N, rows.theta_N, group_N, ids=(0, 1), seed=seed)


def target_of(
    log: LakeLog, chosen: Choice, chance: ItemShares | None, cell_N: Codes, rows: LoggedRows, model: CrossFitted | None
) -> Target:
    if chosen.kind == "column":
        return Target(probabilities(log, chosen.column))
    if chance is None:
        return Target(log.propensity_N)
    chance_N = chance.chance_LI[cell_N, log.item_N]
    return Target(chance_N, None if model is None else rows.per_request(modelled(chance, cell_N, model)))


def probabilities(log: LakeLog, column: str) -> Floats:
    found = log.probability_N[column]
    wrong = int((~((found >= 0) & (found <= 1))).sum())
    if wrong:
        raise NotEstimableError(
            f"{wrong} of {len(found)} rows of {column} are no probability (missing, less than 0 or above 1); expected: "
            "how likely the target policy shows the row's item at the row's slot"
        )
    return found


def modelled(chance: ItemShares, cell_N: Codes, model: CrossFitted) -> Floats:
    """(N,) sum_i pi(i | slot) q-hat(i, slot) of every row's slot, by the model that has not seen the row."""
    value_LF = np.zeros((len(chance.chance_LI), len(model.models)))
    for cell in np.unique(cell_N):
        items = np.flatnonzero(chance.chance_LI[cell])
        grid = features(np.full(len(items), cell), items)
        for fold in range(len(model.models)):
            reward = model.predict(grid, np.full(len(items), fold))
            value_LF[cell, fold] = float(chance.chance_LI[cell, items] @ reward)
    found: Floats = value_LF[cell_N, model.fold_N]
    return found


def unseen_share(log: LakeLog, slots: Slots, chance: ItemShares) -> float:
    """Of the target's choices in this log's slots, the share on items that no row showed there."""
    cell_N = slots.cell_of(log)
    seen = np.zeros(chance.chance_LI.shape, dtype=bool)
    seen[cell_N, log.item_N] = True
    missing_L = np.where(seen, 0.0, chance.chance_LI).sum(axis=1)
    return float(missing_L[cell_N].mean())


def counted_spread(log: LakeLog, chance: ItemShares, cell_N: Codes, seed: int) -> float:
    """Standard error of the IPS value for having counted the target's shares: redrawn multinomials.

    Taken for every estimator: a reward model would only smooth what the shares are multiplied with.
    """
    rng, counted_L = np.random.default_rng(seed), chance.counted_L
    if counted_L is None:
        return 0.0
    n_requests, values = len(np.unique(log.request_N)), []
    for _ in range(REDRAWS):
        drawn = np.zeros_like(chance.chance_LI)
        for cell in np.unique(cell_N):
            n = int(counted_L[cell])
            drawn[cell] = rng.multinomial(n, chance.chance_LI[cell]) / max(n, 1)
        values.append(float((drawn[cell_N, log.item_N] / log.propensity_N) @ log.outcome_N) / n_requests)
    return float(np.std(values, ddof=1))


def widened(report: Report, se_b: float, se_a: float, same: bool) -> Report:
    """Add what counting the shares of B and A did to every interval, as of independent sources unless they are one."""
    return replace(report, estimates=tuple(wider(one, se_b, se_a, same, report) for one in report.estimates))


def wider(one: Estimate, se_b: float, se_a: float, same: bool, report: Report) -> Estimate:
    if one.interval is None or not (se_b or se_a):
        return one
    at, more = one.interval.estimate, se_b
    if one.quantity == "lift":
        # d lift = (d value_b - (1 + lift) d value_a) / value_a, which of one policy over itself is 0.
        more = 0.0 if same else float(np.hypot(se_b, (1 + at) * se_a)) / value_a(report, one.estimator)
    low = at - float(np.hypot(at - one.interval.low, Z * more))
    high = at + float(np.hypot(one.interval.high - at, Z * more))
    se = float(np.hypot(one.interval.se, more))
    return replace(one, interval=replace(one.interval, se=se, low=low, high=high))


def value_a(report: Report, estimator: str) -> float:
    value, lift = report.of("value_b", estimator).interval, report.of("lift", estimator).interval
    if value is None or lift is None:
        return 1.0
    return value.estimate / (1 + lift.estimate)


def truths(log: LakeLog, target: LakeLog, baseline: Choice) -> dict[str, Interval]:
    """What the target got in its own rows, and against the logger where that is the baseline (two independent arms)."""
    if not len(target):
        raise NotEstimableError("no row has the condition of the truth")
    b = on_policy(target)
    found = {"value_b": b}
    a = on_policy(log)
    if baseline.kind == "logger" and a.estimate > 0:
        ratio = b.estimate / a.estimate
        se = float(np.hypot(b.se, ratio * a.se)) / a.estimate
        found["lift"] = Interval(ratio - 1, se, ratio - 1 - Z * se, ratio - 1 + Z * se, "two arms, delta", b.n_units)
    return found


def on_policy(log: LakeLog) -> Interval:
    """Outcomes per request, as observed."""
    request_N = np.unique(log.request_N, return_inverse=True)[1]
    user_R = users(log, request_N)
    total_R = np.bincount(request_N, log.outcome_N).astype(np.float64)
    return mean_of(total_R, np.arange(len(total_R)) if user_R is None else user_R)
