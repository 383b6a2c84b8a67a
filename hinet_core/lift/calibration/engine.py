"""The A/B engine in a simulated world against plain loops: T4 to T10, T15 and T19.

Loops find slates and what they are worth for themselves (slow_world). R requests, C candidates, K = 2 outcomes.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from hinet_core.contract import load_contract
from hinet_core.lift.ab_test.paired_rows import paired_rows
from hinet_core.lift.ab_test.replay import Replayed, replay
from hinet_core.lift.ab_test.shown import Scorers, Shown, drawn, slate
from hinet_core.lift.calibration.online import Row
from hinet_core.lift.calibration.rankings import noisy
from hinet_core.lift.calibration.slow_world import SlowWorld, Visit, ranked
from hinet_core.lift.ceilings import expected_auc
from hinet_core.lift.policies import POLICIES, Floats, Judged, by_score, judged
from hinet_core.lift.tables import Row as LiftRow
from hinet_core.world.day import day_pieces
from hinet_core.world.draws import drawn_again
from hinet_core.world.load import load
from hinet_core.world.posterior import known_chances
from hinet_core.world.truth import Requests, World

SMALL = {"users": 4000, "items": 300, "calibration_requests": 1000}
DOSES = {"oracle": 0.0, "0.4": 0.4, "0.8": 0.8, "1.6": 1.6, "chance": math.inf}
# At 500 replications; in proportion otherwise.
REDRAWN_LIFTS, REDRAWN_VALUES, REDRAWN_LABELS = 200, 2000, 200


def world_of(**settings: Any) -> World:
    """The packaged world with fewer users and shops, and with settings of one's own."""
    contract = load_contract("meishi")
    return load(contract.model_copy(update={"world": {**(contract.world or {}), **SMALL, **settings}}))


def calibrate(replications: int = 500, seed: int = 0) -> Iterator[Row]:
    """Rows (name, value, low bound, high bound): a value outside its bounds fails the suite."""
    world = world_of()
    yield from identical(world_of(units_per_order=1.8), seed)
    yield from redrawn_lifts(world, max(REDRAWN_LIFTS * replications // 500, 2), seed)
    yield from redrawn_values(world, max(REDRAWN_VALUES * replications // 500, 2), seed)
    yield from in_order(world, seed)
    yield from labels(world, max(REDRAWN_LABELS * replications // 500, 2), seed)
    yield from doses(world, seed)
    yield from harm(world, seed)
    yield from same_log(seed)
    yield from no_constants(seed)


def rows_of(
    world: World, scorers: Scorers, names: tuple[str, str], seed: int, n: int = 200, luck: int = 0
) -> list[LiftRow]:
    """L1 and L2, pooled and per scenario, of so many requests of each scenario on the first weekend."""
    return paired_rows(world, replayed(world, scorers, names, seed, n, luck), names)


def replayed(world: World, scorers: Scorers, names: tuple[str, str], seed: int, n: int, luck: int = 0) -> Replayed:
    first = world.traffic.first_day
    days = [first + timedelta(days=4), first + timedelta(days=5)]
    return replay(world, scorers, names, days, n, seed=seed, outcome_seed=luck)


def visit_of(requests: Requests, r: int) -> Visit:
    user, scenario = int(requests.user_R[r]), int(requests.scenario_R[r])
    return Visit(user, scenario, bool(requests.weekend_R[r]), requests.item_RC[r].tolist())


def slow_values(slow: SlowWorld, requests: Requests, score_RC: NDArray[np.floating]) -> Floats:
    """(R,) expected orders under a ranking, shop by shop."""
    values = []
    for r in range(len(requests)):
        visit = visit_of(requests, r)
        values.append(slow.worth(visit, ranked(visit.items, score_RC[r].tolist(), slow.config.slots)))
    return np.array(values)


def identical(world: World, seed: int) -> Iterator[Row]:
    """T4: a ranking against itself and against its copy under another name."""
    scorers = noisy(a=0.8)
    rows = rows_of(world, scorers, ("a", "a"), seed)
    rows += rows_of(world, lambda truth: dict.fromkeys("ab", scorers(truth)["a"]), ("a", "b"), seed)
    zero = [(row["lift"], row["low"], row["high"], row["p_raw"]) == (0.0, 0.0, 0.0, 1.0) for row in rows]
    yield (f"T4 identical rankings: share of {len(rows)} lifts that are exactly 0", float(np.mean(zero)), 1, 1)


def redrawn_lifts(world: World, n_draws: int, seed: int) -> Iterator[Row]:
    """T5: totals over totals, since a mean of ratios has a bias of its own."""
    scorers, names = noisy(a=1.2, b=0.2), ("a", "b")
    found = [replayed(world, scorers, names, seed, 40, luck) for luck in range(n_draws)]
    a_D, b_D = (np.array([one.drawn[arm]["orders"].sum() for one in found]) for arm in (0, 1))
    slow, total = SlowWorld(world), np.zeros(2)
    for day in (4, 5):
        requests = world.requests(world.traffic.first_day + timedelta(days=day), 20, seed)
        scores = scorers(judged(world, requests))
        total += [slow_values(slow, requests, scores[name]).sum() for name in names]
    truth = total[1] / total[0] - 1
    off = standard_errors((b_D - (1 + truth) * a_D) / a_D.mean(), 0.0)
    yield (f"T5 mean of L2 over {n_draws} outcome seeds from the loops' {truth:+.1%}, in SE", off, 0, 3)
    engine = found[0].expected[1]["orders"].sum() / found[0].expected[0]["orders"].sum() - 1
    # Logits are single precision in the engine: six digits.
    yield ("T5 L1 of the same requests from the loops', in points of lift", 100 * abs(float(engine) - truth), 0, 0.01)


def redrawn_values(world: World, n_draws: int, seed: int) -> Iterator[Row]:
    """T6: what slates yield, drawn again and again, and what they are worth in closed form."""
    requests = world.requests(world.traffic.first_day, -(-2000 // len(world.scenario_ids)), seed)
    truth = judged(world, requests)
    score_RC = noisy(b=0.5)(truth)["b"]
    shown = slate(world, truth, score_RC)
    worth_R = slow_values(SlowWorld(world), requests, score_RC)
    total_D = redraws(world, requests, shown, n_draws)
    yield (
        f"T6 {n_draws} redraws of {len(requests)} requests from the loops' orders, in SE",
        standard_errors(total_D, float(worth_R.sum())), 0, 3,
    )  # fmt: skip
    furthest = np.abs(shown.expected()["orders"] / worth_R - 1).max()
    yield ("T6 closed form of a request from the loops', largest relative miss", float(furthest), 0, 1e-4)


def redraws(world: World, requests: Requests, shown: Shown, n_draws: int) -> Floats:
    """(D,) orders of all requests."""
    totals = []
    for luck in range(n_draws):
        key_R = drawn_again(requests.key_R, luck)
        totals.append(drawn(world, requests.user_R, shown, key_R)["orders"].sum())
    return np.array(totals)


def standard_errors(value_D: Floats, truth: float) -> float:
    """How far the mean of independent values is from the truth; infinitely far where they are all the same."""
    se = float(value_D.std(ddof=1)) / math.sqrt(len(value_D))
    return abs(float(value_D.mean()) - truth) / se if se > 0 else math.inf


def in_order(world: World, seed: int) -> Iterator[Row]:
    """T7; "features" ranks by all that a row's features tell, which is as good as a model can be."""
    requests = world.requests(world.traffic.first_day, 150, seed)
    truth = judged(world, requests)
    scores = {"logger": truth.logger_RC, "features": feature_score(world, truth), "oracle": truth.worth_RC}
    value_R = {"random": POLICIES["random"](truth)} | {name: by_score(truth, one) for name, one in scores.items()}
    n_scenarios = len(world.scenario_ids)
    mean_PS = [np.bincount(requests.scenario_R, one, n_scenarios) for one in value_R.values()]
    ordered_S = (np.diff(mean_PS, axis=0) > 0).all(axis=0)
    named = f"T7 scenarios of {n_scenarios} in which random < logger < features < oracle"
    yield (named, int(ordered_S.sum()), n_scenarios, n_scenarios)
    slow = SlowWorld(world)
    some = np.arange(0, len(requests), 3)
    part = requests.part(slice(None, None, 3))
    best_R = np.array([best(slow, visit_of(part, r)) for r in range(len(part))])
    others = {"reversed": -truth.worth_RC} | scores
    above = [(by_score(truth, one)[some] > best_R + 1e-6).sum() for one in others.values()]
    named = f"T7 rankings of {len(others)} times {len(part)} requests that are worth more than the loops' best"
    yield (named, int(sum(above)), 0, 0)
    short = float(np.abs(by_score(truth, truth.worth_RC)[some] / best_R - 1).max())
    yield ("T7 the oracle's worth of a request from the loops' best, largest relative miss", short, 0, 1e-4)


def best(slow: SlowWorld, visit: Visit) -> float:
    """What the best slate is worth: the best chances where users look most."""
    worth = sorted((click * order for click, order in slow.chances(visit, visit.items)), reverse=True)
    seen = sorted(slow.seen[visit.scenario], reverse=True)
    return math.fsum(map(lambda look, p: look * p, seen, worth))


def feature_score(world: World, truth: Judged) -> Floats:
    """(R, C) chance of an order given the features."""
    requests = truth.requests
    row = np.repeat(np.arange(len(requests)), requests.item_RC.shape[1])
    return known_chances(world, requests, row, requests.item_RC.ravel())[:, 1].reshape(truth.worth_RC.shape)


def labels(world: World, n_draws: int, seed: int) -> Iterator[Row]:
    """T8: expected AUC without labels against that of labels drawn by another generator, of rows as a log has them."""
    requests = world.requests(world.traffic.first_day, 120, seed)
    truth = judged(world, requests)
    shown = slate(world, truth, truth.logger_RC)
    row_N = np.repeat(np.arange(len(requests)), world.config.slots)
    known_NT = shown.theta_RN.reshape(-1, 1) * known_chances(world, requests, row_N, shown.item_RN.ravel())
    rng = np.random.default_rng(seed)
    for task, (name, p_RN) in enumerate({"click": shown.click_RN, "order": shown.click_RN * shown.order_RN}.items()):
        p_N, noise_N, chance_N = p_RN.ravel(), *rng.standard_normal((2, p_RN.size))
        scores = {
            "oracle": p_N, "features": known_NT[:, task], "noise 0.8": np.log(p_N) + 0.8 * noise_N,
            "logger": shown.score_RN.ravel(), "chance": chance_N,
        }  # fmt: skip
        label_DN = [rng.random(len(p_N)) < p_N for _ in range(n_draws)]
        sampled = {one: np.array([mann_whitney(rank_N, label_N) for label_N in label_DN])
                   for one, rank_N in ((one, rankdata(score_N)) for one, score_N in scores.items())}  # fmt: skip
        ceiling = expected_auc(p_N, p_N)
        yield (
            f"T8 {name}: expected AUC of the oracle from that of {n_draws} draws of labels, in SE",
            standard_errors(sampled["oracle"], ceiling), 0, 3,
        )  # fmt: skip
        above = [expected_auc(score_N, p_N) > ceiling for score_N in scores.values()]
        se = float(sampled["oracle"].std(ddof=1)) / math.sqrt(n_draws)
        above += [one.mean() > ceiling + 3 * se for one in sampled.values()]
        yield (f"T8 {name}: scores of {len(scores)} above the latent ceiling", sum(above), 0, 0)


def mann_whitney(rank_N: Floats, label_N: NDArray[np.bool_]) -> float:
    """AUC of labels: how often a positive's rank is above a negative's."""
    n_positive = int(label_N.sum())
    below = rank_N[label_N].sum() - n_positive * (n_positive + 1) / 2
    return float(below / (n_positive * (len(rank_N) - n_positive)))


def doses(world: World, seed: int) -> Iterator[Row]:
    """T9: log p + sigma epsilon, from none to nothing but noise."""
    names, scorers = list(DOSES), noisy(**DOSES)
    found = {name: replayed(world, scorers, ("oracle", name), seed, 200) for name in names}
    lift = {name: one.expected[1]["orders"].sum() / one.reference["logger"].sum() - 1 for name, one in found.items()}
    fall = min(lift[above] - lift[below] for above, below in pairwise(names))
    yield ("T9 least fall of the lift from a dose of noise to the next", float(fall), 0.01, 1)
    best = found["oracle"].reference
    off = abs(lift["oracle"] - (best["oracle"].sum() / best["logger"].sum() - 1))
    yield ("T9 lifts without noise that are further than 1e-9 from the oracle's", float(off > 1e-9), 0, 0)


def harm(world: World, seed: int) -> Iterator[Row]:
    """T10: the truth upside down."""
    rows = [row for row in rows_of(world, noisy(a=0.0, b=None), ("a", "b"), seed, 600) if row["status"] == "estimated"]
    yield ("T10 reversed ranking: least loss of orders", min(-row["lift"] for row in rows), 0.5, 1)
    holding = sum(row["high"] >= 0 for row in rows)
    yield (f"T10 reversed ranking: intervals of {len(rows)} that hold 0", holding, 0, 0)
    yield ("T10 reversed ranking: scopes with an L1", sum(row["estimator"] == "L1" for row in rows), 7, 7)


def same_log(seed: int) -> Iterator[Row]:
    """T15, without the processes: tests/world/test_streaming.py has one process and two."""
    worlds = [world_of(seed=number, requests_per_day=200) for number in (seed + 1, seed + 2)]
    digests = [[digest(world, piece) for piece in (7, 50, 200)] for world in worlds]
    yield ("T15 logs of one seed in pieces of 7, 50 and 200 requests: different ones", len(set(digests[0])), 1, 1)
    yield ("T15 logs of two seeds: different ones", len({one for each in digests for one in each}), 2, 2)


def digest(world: World, piece: int) -> str:
    """Of every cell of a day's rows."""
    rows = [row for table in day_pieces(world, world.traffic.first_day, piece) for row in table.to_pylist()]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def no_constants(seed: int) -> Iterator[Row]:
    """T19: another world, other requests and other luck move every lift; swapping the rankings turns it round."""
    scorers, settings = noisy(a=1.0, b=0.5), {"units_per_order": 1.8}
    first = rows_of(world_of(**settings), scorers, ("a", "b"), seed)
    for what, other in (
        ("another world", rows_of(world_of(seed=2, **settings), scorers, ("a", "b"), seed)),
        ("other requests", rows_of(world_of(**settings), scorers, ("a", "b"), seed + 1)),
    ):
        yield (f"T19 {what}: lifts of {len(first)} by L1 and L2 that stay", same(first, other), 0, 0)
    lucky = rows_of(world_of(**settings), scorers, ("a", "b"), seed, luck=1)
    second = [[row for row in rows if row["estimator"] == "L2"] for rows in (first, lucky)]
    yield (f"T19 other luck: lifts of {len(second[0])} by L2 that stay", same(*second), 0, 0)
    swapped = rows_of(world_of(**settings), scorers, ("b", "a"), seed)
    off = [abs(other["lift"] - (1 / (1 + row["lift"]) - 1)) for row, other in zip(first, swapped, strict=True)]
    yield ("T19 rankings swapped: lifts further than 1e-9 from 1 / (1 + r) - 1", sum(one > 1e-9 for one in off), 0, 0)


def same(rows: Sequence[LiftRow], others: Sequence[LiftRow]) -> int:
    """How many rows say the same, or nothing. Ratios of counts may be equal by chance, their intervals are not."""
    said, other_said = ([(row["lift"], row["low"]) for row in one] for one in (rows, others))
    return sum(one[0] is None or one == other for one, other in zip(said, other_said, strict=True))
