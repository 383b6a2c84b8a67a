"""The statistics of an online test against tests whose truth is known: T1, T2, T3, T11, T12, T13, and few orders."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import stats

from hinet_core.lift.calibration.population import Population, draw_days, draw_test, population
from hinet_core.lift.calibration.replications import METHODS, Replications, replicate
from hinet_core.lift.calibration.slow_truth import true_lift
from hinet_core.lift.statistics.chronicle import DailyArm, Look, chronicle
from hinet_core.lift.statistics.families import verdicts
from hinet_core.lift.statistics.planning import planned_log_se
from hinet_core.lift.statistics.relative import FEW, FEWEST, relative_lift, z_of
from hinet_core.lift.statistics.sample_ratio import sample_ratio
from hinet_core.lift.statistics.samples import NotEstimableError, Sample
from hinet_core.lift.statistics.sequential import ConfidenceSequence, confidence_sequence, tightest_tau

REPLICATIONS = 500
USERS = 30_000

# What was found, its value, and the bounds that it must lie between.
Row = tuple[str, float, float, float]


def calibrate(replications: int = REPLICATIONS, seed: int = 0) -> Iterator[Row]:
    """Rows (name, value, low bound, high bound): a value outside its bounds fails the suite."""
    found = replicate(population(USERS, seed), replications, seed)
    yield from false_alarms_and_coverage(found)
    yield from families(found)
    yield from looking_daily(replications, seed)
    yield from splits(replications, seed)
    yield from few_orders(replications, seed)


def false_alarms_and_coverage(found: Replications) -> Iterator[Row]:
    for method in METHODS:
        said = {name_of(cell): found.said[method, cell] for cell in found.cells}
        for cell, one in said.items():
            bounds = (0.03, 0.07) if cell == "pooled" else (0.025, 0.08)
            yield (f"T1 {method}, {cell}: identical arms rejected at 5 %", one.rejected(), *bounds)
        lowest = min(float(stats.kstest(one.p, "uniform").pvalue) for one in said.values())
        yield (f"T2 {method}: lowest p of uniform p-values over the cells", lowest, 0.001, 1.0)
        for cell, one in said.items():
            bounds = (0.93, 0.97) if cell == "pooled" else (0.92, 0.98)
            yield (f"T3 {method}, {cell}: coverage of a lift of {one.truth:+.2%}", one.covered(), *bounds)
        narrow = float(np.mean([one.covered(0.8) for one in said.values()]))
        yield (f"teeth {method}: mean coverage of intervals 20 % narrower, which must fail", narrow, 0.0, 0.92)
    naive = float(np.mean(np.array(found.naive_p) < 0.05))
    yield ("teeth, pooled: identical arms rejected when orders are taken as independent", naive, 0.1, 1.0)


def name_of(cell: int | None) -> str:
    return "pooled" if cell is None else "abcdef"[cell]


def families(found: Replications) -> Iterator[Row]:
    """T12: six scenarios without an effect, tested as one family."""
    p_RS = found.p_values("orders/user, CUPED")[:, :-1]
    any_found = np.mean([bool(verdicts(None, dict(zip("abcdef", row, strict=True))).found) for row in p_RS.tolist()])
    yield ("T12 any of six identical scenarios found after BH", float(any_found), 0.0, 0.07)
    yield ("teeth, T12: any of them below 5 % without BH", float((p_RS < 0.05).any(axis=1).mean()), 0.18, 1.0)


def looking_daily(replications: int, seed: int) -> Iterator[Row]:
    """T11: 14 looks at identical arms, tau planned from the days before; the price is paid in width."""
    people = population(6000, seed + 1)
    before = draw_test(people, np.random.default_rng(seed)).arms(None, changed=False, cuped=False, per_request=True)[0]
    tau = tightest_tau(planned_log_se(before, 3000, 3000))
    naive = []
    # Half and twice the tau that was planned: what a wrong plan costs.
    found: dict[float, list[bool]] = {0.5: [], 1.0: [], 2.0: []}
    widths: dict[float, list[float]] = {factor: [] for factor in found}
    for stream in np.random.SeedSequence(seed).spawn(replications):
        is_b_U, requests_DU, orders_DU = draw_days(people, np.random.default_rng(stream))
        a, b = (DailyArm(orders_DU[:, arm], requests_DU[:, arm]) for arm in (~is_b_U, is_b_U))
        looks = chronicle(a, b, tau)
        naive.append(any(one.fixed is not None and one.fixed.p < 0.05 for one in looks))
        for factor in found:
            band = with_tau(looks, factor * tau)
            found[factor].append(bool(band.p_L[-1] < 0.05))
            widths[factor].append(width_ratio(band, looks[-1]))
    yield ("teeth, T11: identical arms found on any of 14 days by fixed intervals", float(np.mean(naive)), 0.1, 1.0)
    for factor in found:
        named = f"T11 always-valid, tau {factor:g} times the planned one"
        yield (f"{named}: found on any day", float(np.mean(found[factor])), 0.0, 0.05)
        yield (f"{named}: width on the last day over the fixed interval's", float(np.mean(widths[factor])), 1.4, 1.9)


def with_tau(looks: list[Look], tau: float) -> ConfidenceSequence:
    usable = [one.fixed if one.low is not None else None for one in looks]
    lift_L = np.array([np.nan if one is None else one.lift for one in usable])
    log_se_L = np.array([np.nan if one is None else one.log_se for one in usable])
    return confidence_sequence(lift_L, log_se_L, tau)


def width_ratio(band: ConfidenceSequence, last: Look) -> float:
    log_se = np.nan if last.fixed is None else last.fixed.log_se
    return float(np.log((1 + band.high_L[-1]) / (1 + band.low_L[-1])) / (2 * z_of(last.level) * log_se))


def splits(replications: int, seed: int) -> Iterator[Row]:
    """T13: a fair split is hardly ever red, 50.5 to 49.5 is at 400,000 users."""
    rng = np.random.default_rng(seed)
    for share, n, name, bounds in (
        (0.5, 400_000, "T13 a fair split of 400,000 users is red", (0.0, 0.005)),
        (0.505, 400_000, "T13 50.5 % of 400,000 users is red", (0.95, 1.0)),
        (0.505, 60_000, "T13 50.5 % of 60,000 users is red", (0.15, 0.3)),
    ):
        drawn = rng.binomial(n, share, replications)
        yield (name, float(np.mean([sample_ratio((k, n - k)).hides_lift for k in drawn.tolist()])), *bounds)


def few_orders(replications: int, seed: int) -> Iterator[Row]:
    """Fieller's interval where the smaller arm has 8 to 29 orders."""
    for expected in (12, 20):
        people = population(800, seed + 2, effect=0.3, n_scenarios=1)
        per_arm = float((people.visits() * people.orders()).sum()) / 2
        people = replace(people, rate_S=people.rate_S * expected / per_arm)
        truth = true_lift(people, None)
        arms = [sparse(people, stream) for stream in np.random.SeedSequence([seed, expected]).spawn(2 * replications)]
        asked = [one for one in arms if FEWEST <= min(arm.total_U.sum() for arm in one) < FEW][:replications]
        given = [one for one in map(interval, asked) if one is not None]
        covered = float(np.mean([low <= truth <= high for low, high in given]))
        named = f"few orders, about {expected} an arm"
        yield (f"{named}: coverage of Fieller's interval", covered, 0.92, 0.98)
        yield (f"{named}: refused for want of an end", 1 - len(given) / len(asked), 0.0, 0.1)


def sparse(people: Population, stream: np.random.SeedSequence) -> tuple[Sample, Sample]:
    test = draw_test(people, np.random.default_rng(stream))
    return test.arms(None, changed=True, cuped=False, per_request=True)


def interval(arms: tuple[Sample, Sample]) -> tuple[float, float] | None:
    try:
        found = relative_lift(*arms)
    except NotEstimableError:
        return None
    return found.low, found.high
