"""L3, an online test in a simulated world, from requests to interval as `hinet lift` runs it: T1, T3 and T11.

The truth is the lift of other requests under plain loops (slow_world). Users are the world's; who is in which arm, who
comes, what is shown and what is ordered are drawn anew in every test.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import numpy as np
from scipy import stats

from hinet_core.lift.ab_test.online import OnlineTest, online_test
from hinet_core.lift.ab_test.online_rows import ARMS, days_of, per_user
from hinet_core.lift.calibration.engine import world_of
from hinet_core.lift.calibration.online import Row
from hinet_core.lift.calibration.planted import Planted, slow_lift
from hinet_core.lift.calibration.replications import Said
from hinet_core.lift.calibration.slow_world import SlowWorld
from hinet_core.lift.own_test.analyse import from_users
from hinet_core.lift.statistics.relative import z_of
from hinet_core.lift.statistics.samples import LEVEL
from hinet_core.progress import track
from hinet_core.world.truth import World

SETTINGS = {"users": 1500, "candidates": 12, "slots": 4}
CHANGE = Planted(sigma_a=1.2, sigma_b=0.3, push=0.0)
METRICS = ("orders_per_request", "orders_per_user")
# Requests of a test of two days, and of one or fourteen; of the loops, whose error is a thirtieth of a test's.
REQUESTS, REQUESTS_OF_TWO_WEEKS, TRUTH = 2000, 2800, 20_000


def calibrate(replications: int = 500, seed: int = 0) -> Iterator[Row]:
    """Rows (name, value, low bound, high bound): a value outside its bounds fails the suite."""
    world = world_of(**SETTINGS)
    yield from coverage(world, replications, seed)
    yield from false_alarms(world, replications, seed)
    yield from looking_daily(world, replications, seed)


def first_days(world: World, n: int) -> list[date]:
    """From the first day of the log on, a Monday: two days are as the loops know them, without a weekend."""
    return [world.traffic.first_day + timedelta(days=number) for number in range(n)]


def one_test(world: World, days: Sequence[date], n_requests: int, seed: int, names: tuple[str, str]) -> OnlineTest:
    return online_test(world, CHANGE.scorers, names, days, n_requests, seed=seed)


def coverage(world: World, replications: int, seed: int) -> Iterator[Row]:
    """T3: two days of B against A, both metrics with CUPED."""
    truth = slow_lift(SlowWorld(world), CHANGE, TRUTH, seed)
    said = {metric: Said(truth) for metric in METRICS}
    for number in track(range(replications), "online tests of two rankings"):
        test = one_test(world, first_days(world, 2), REQUESTS, seed * 100_003 + number, ("a", "b"))
        for metric, one in said.items():
            row = from_users(per_user(world, test), *ARMS, "", metric)
            one.lift.append(row["lift"])
            one.low.append(row["low"])
            one.high.append(row["high"])
    for metric, one in said.items():
        named = f"L3 {metric}, a lift of {truth:+.1%} by the loops"
        yield (f"T3 {named}: coverage", one.covered(), 0.93, 0.97)
        yield (f"teeth, {named}: coverage of intervals 20 % narrower, which must fail", one.covered(0.8), 0.0, 0.93)


def false_alarms(world: World, replications: int, seed: int) -> Iterator[Row]:
    """T1: a day of A against A, twice as many as elsewhere.

    The last days of 500 tests of two weeks rejected 2.8 % (14 of 500: one chance in ninety at 5 %), 500 tests of a day
    4.6 %. With 1,000 the bounds are three standard errors away, and the spread of z tells more than its tail.
    """
    said: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for number in track(range(2 * replications), "online tests of identical rankings"):
        test = one_test(world, first_days(world, 1), REQUESTS_OF_TWO_WEEKS, (seed + 2) * 100_003 + number, ("a", "a"))
        for metric, z in said.items():
            row = from_users(per_user(world, test), *ARMS, "", metric)
            z.append(float(stats.norm.isf(row["p_raw"] / 2)))
    for metric, z in said.items():
        rejected = float(np.mean(np.array(z) > z_of(LEVEL)))
        yield (f"T1 L3 {metric}: identical rankings rejected at 5 %", rejected, 0.03, 0.07)
        # Three standard errors of 1,000, 1 / sqrt(2,000) each.
        spread = float(np.sqrt(np.mean(np.square(z))))
        yield (f"T1 L3 {metric}: standard deviation of z of identical rankings", spread, 0.93, 1.07)


def looking_daily(world: World, replications: int, seed: int) -> Iterator[Row]:
    """T11: two weeks of A against A, looked at every day; tau by the two weeks before."""
    any_look, any_fixed = [], []
    for number in track(range(replications), "two weeks of identical rankings"):
        test = one_test(world, first_days(world, 14), REQUESTS_OF_TWO_WEEKS, (seed + 1) * 100_003 + number, ("a", "a"))
        days = days_of(test, ("a", "a"))
        any_look.append(days[-1]["p_sequential"] < 0.05)
        any_fixed.append(any(day["p_raw"] is not None and day["p_raw"] < 0.05 for day in days))
    yield ("T11 L3 always-valid: identical rankings found on any of 14 days", float(np.mean(any_look)), 0.0, 0.05)
    yield ("teeth, T11 L3: found on any of 14 days by fixed intervals", float(np.mean(any_fixed)), 0.1, 1.0)
