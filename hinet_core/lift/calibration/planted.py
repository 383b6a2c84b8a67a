"""A planted effect in a world that no code here knows: is it found with the right sign, and do the intervals hold it?

Ranking A is the truth with noise; B has less noise, or more, or pushes every fifth shop up. The true lift of B over A
is that of plain loops over requests of their own (slow_world). L1 and L2 replay some requests under both, L3 is an
online test of one day: its users split, with CUPED by the day before.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hinet_core.contract import Contract
from hinet_core.lift.ab_test.online import online_test
from hinet_core.lift.ab_test.online_rows import ARMS, per_user
from hinet_core.lift.ab_test.paired_rows import paired_row
from hinet_core.lift.ab_test.replay import replay
from hinet_core.lift.ab_test.shown import Scorers
from hinet_core.lift.calibration.drawn_worlds import drawn_contract
from hinet_core.lift.calibration.online import Row
from hinet_core.lift.calibration.rankings import noise
from hinet_core.lift.calibration.slow_world import SlowWorld, ranked
from hinet_core.lift.own_test.analyse import row_of
from hinet_core.lift.policies import Judged
from hinet_core.lift.tables import Row as LiftRow
from hinet_core.progress import track
from hinet_core.world.load import load
from hinet_core.world.traffic import is_weekend
from hinet_core.world.truth import World

# Runs at 500 replications; requests of a replay (all scenarios), of an online test, and of the loops that tell the
# truth. Their own error costs L1 one point of coverage: 1.96 / sqrt(1 + 900 / 12,000) is the quantile of 94 %.
RUNS = 200
REPLAYED, ONLINE, TRUTH = 900, 6000, 12_000
ESTIMATORS = ("L1", "L2", "L3")
EVERY = 5


@dataclass(frozen=True)
class Planted:
    """B's ranking over A's: standard deviations of both rankings' noise, and what every fifth shop gets under B."""

    sigma_a: float
    sigma_b: float
    push: float

    def scorers(self, truth: Judged) -> dict[str, NDArray[np.floating]]:
        """As the engine asks for them."""
        log_worth = np.log(truth.worth_RC)
        push_RC = self.push * (truth.requests.item_RC % EVERY == 0)
        return {
            "a": log_worth + self.sigma_a * noise(truth, 0),
            "b": log_worth + self.sigma_b * noise(truth, 1) + push_RC,
        }


def planted(seed: int) -> Planted:
    """In turn: better, worse by noise, worse by a push."""
    kind, sigma = seed % 3, float(np.random.default_rng([seed, 78]).uniform(0.8, 1.6))
    if kind == 0:
        return Planted(sigma, sigma / 8, 0.0)
    if kind == 1:
        return Planted(sigma - 0.6, sigma + 1.2, 0.0)
    return Planted(0.4, 0.4, 2 * sigma)


def slow_lift(slow: SlowWorld, change: Planted, n: int, seed: int, *, weekend: bool = False) -> float:
    """Expected orders of `n` requests under B over those under A, minus 1: request by request, shop by shop."""
    noises = np.random.default_rng([seed, 79]).standard_normal((n, 2, slow.config.candidates)).tolist()
    total_a: list[float] = []
    total_b: list[float] = []
    for visit, (noise_a, noise_b) in zip(slow.visits(n, seed, weekend), noises, strict=True):
        worth = [click * order for click, order in slow.chances(visit, visit.items)]
        of_item = dict(zip(visit.items, worth, strict=True))
        score_a = [math.log(p) + change.sigma_a * e for p, e in zip(worth, noise_a, strict=True)]
        score_b = [
            math.log(p) + change.sigma_b * e + (change.push if item % EVERY == 0 else 0.0)
            for item, p, e in zip(visit.items, worth, noise_b, strict=True)
        ]
        for total, scores in ((total_a, score_a), (total_b, score_b)):
            slate = ranked(visit.items, scores, slow.config.slots)
            total.append(math.fsum(map(lambda seen, item: seen * of_item[item], slow.seen[visit.scenario], slate)))
    return math.fsum(total_b) / math.fsum(total_a) - 1


@dataclass
class Runs:
    """Of one estimator: per run with an interval its truth and interval; and how many runs had none."""

    truth: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    refused: int = 0

    def add(self, row: LiftRow, truth: float) -> None:
        if row["status"] != "estimated":
            self.refused += 1
            return
        self.truth.append(truth)
        self.low.append(row["low"])
        self.high.append(row["high"])

    def rows(self, named: str, least_found: float, most_refused: float) -> Iterator[Row]:
        """`least_found` of the intervals leave 0 out, `most_refused` of the runs have none."""
        yield (f"{named}: refused", self.refused / (self.refused + len(self.truth)), 0.0, most_refused)
        if not self.truth:
            return
        truth_R, low_R, high_R = (np.array(one) for one in (self.truth, self.low, self.high))
        # Worlds of few users, all of whom a test meets, are covered in more than 95 %: hence no upper bound.
        yield (f"{named}: coverage of the planted lift", share((low_R <= truth_R) & (truth_R <= high_R)), 0.91, 1.0)
        is_found_R = (low_R > 0) | (high_R < 0)
        yield (f"{named}: found at 5 %", share(is_found_R), least_found, 1.0)
        # A lift of one standard error is found with the wrong sign once in a hundred times that it is found at all.
        right_R = np.sign(low_R) == np.sign(truth_R)
        yield (f"{named}: right sign among those found", share(right_R[is_found_R]), 0.97, 1.0)


def share(is_so: NDArray[np.bool_]) -> float:
    """1 where there is nothing to count."""
    return float(np.mean(is_so)) if len(is_so) else 1.0


def calibrate(replications: int = 500, seed: int = 0) -> Iterator[Row]:
    """Rows (name, value, low bound, high bound): 200 worlds at 500 replications, each with an effect of its own."""
    runs = max(RUNS * replications // 500, 1)
    said = {name: Runs() for name in ESTIMATORS}
    for number in track(range(runs), "worlds with a planted effect"):
        run = seed * 100_003 + number
        world, change = load(drawn_contract(run)), planted(run)
        truth = slow_lift(SlowWorld(world), change, TRUTH, run)
        for name, row in estimates(world, change.scorers, run).items():
            said[name].add(row, truth)
    # An estimator that always said "undecided" would cover too: so many found are what these sizes give at least.
    least = {"L1": 0.9, "L2": 0.5, "L3": 0.4}
    for name, one in said.items():
        yield from one.rows(f"planted effect, a world drawn anew each time, {name}", least[name], 0.1)


def in_world(contract: Contract, runs: int = RUNS, seed: int = 0) -> Iterator[Row]:
    """The same in the world of one contract: three planted effects, each in a third of the runs."""
    world = load(contract)
    slow, said = SlowWorld(world), {name: Runs() for name in ESTIMATORS}
    weekend = is_weekend(world.traffic.first_day)
    for kind in range(3):
        change = planted(kind)
        truth = slow_lift(slow, change, 2 * TRUTH, seed * 100_003 + kind, weekend=weekend)
        for number in track(range(kind, runs, 3), "runs of a planted effect"):
            for name, row in estimates(world, change.scorers, seed * 100_003 + number).items():
                said[name].add(row, truth)
    # How much realised orders tell depends on the world's rates; expected ones always tell.
    for name, one in said.items():
        certain = name == "L1"
        yield from one.rows(f"planted effect, {contract.name}, {name}", 0.9 * certain, 1.0 - 0.9 * certain)


def estimates(world: World, scorers: Scorers, seed: int) -> dict[str, LiftRow]:
    """Pooled rows of the three estimators on the first day, each from requests and draws of this seed."""
    names, day, metric = ("a", "b"), world.traffic.first_day, "orders_per_request"
    per_scenario = -(-REPLAYED // len(world.scenario_ids))
    found = replay(world, scorers, names, [day], per_scenario, seed=seed, outcome_seed=seed)
    rows = {
        estimator: paired_row(world, found, names, estimator, metric, "", [one["orders"] for one in values])
        for estimator, values in (("L1", found.expected), ("L2", found.drawn))
    }
    test = online_test(world, scorers, names, [day], ONLINE, seed=seed)
    return rows | {"L3": row_of(per_user(world, test), *ARMS, "", metric, None, {})}
