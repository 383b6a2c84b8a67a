"""T16: a model that learned from shuffled labels knows nothing. M shuffles, N rows, R requests, C candidates, T tasks.

A small logistic model is fitted to a log whose labels were dealt out anew, once per shuffle, and then ranks candidates.
What it finds is chance: a random direction among the features. So one shuffle may rank well or badly, and the mean over
many has to be 0.5. The same model with the labels as they are shows that there was something to learn.

Labels have to be many. A coefficient from n positives has the skewness g / sqrt(n), g that of the rows along it, and a
skewed one is more often below 0 than above: the AUC is 0.5 - g / (6 sqrt(2 pi n)). With coefficients of each
scenario's own, from 40 to 120 orders, the mean AUC of orders was 0.482 to 0.496, which a g of 1.8 would give. So here
coefficients are of all scenarios together and rates are higher: 1,400 orders, a bias of 0.003.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_core.contract import load_contract
from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec
from hinet_core.lift.ab_test.shown import slate
from hinet_core.lift.calibration.engine import standard_errors, world_of
from hinet_core.lift.calibration.online import Row
from hinet_core.lift.ceilings import expected_auc
from hinet_core.lift.expected import relative
from hinet_core.lift.policies import POLICIES, Judged, by_score, judged
from hinet_core.models.logistic import Config, Logistic
from hinet_core.progress import track
from hinet_core.training.loop import predict
from hinet_core.world.observed import exposure_columns, shop_columns, user_columns
from hinet_core.world.outcomes import outcomes
from hinet_core.world.truth import Requests, World

# A shuffle's AUC has a standard deviation of 0.06 to 0.08: the mean of 500 one of a third of the bounds' 0.01.
SEEDS = 5
# Requests of a scenario that are learned from, and that are ranked.
LOGGED, JUDGED = 200, 20
# (R, C, T) logits.
Scores = NDArray[np.float32]
ORDER = 1


def calibrate(replications: int = 500, seed: int = 0) -> Iterator[Row]:
    """Rows (name, value, low bound, high bound): a value outside its bounds fails the suite."""
    world = world_of(items=60, users=2000, scenarios=often(0.2, 0.12))
    train = logged(world, seed)
    truth = judged(world, world.requests(world.traffic.first_day, JUDGED, seed))
    honest = scores(world, train, truth)
    rng = np.random.default_rng([seed, 16])
    shuffled, coins = [], []
    for _ in track(range(max(replications, 2)), "models of shuffled labels"):
        dealt_N = torch.from_numpy(rng.permutation(len(train)))
        shuffled.append(scores(world, replace(train, labels_NT=train.labels_NT[dealt_N]), truth))
    for _ in track(range(max(replications // 4, 2)), "models of a coin's labels"):
        coins.append(scores(world, replace(train, labels_NT=tossed(train.labels_NT, rng)), truth))
    yield from ranked_by_chance(truth, honest, shuffled, coins)
    yield from aucs(world, truth, honest, shuffled)


def ranked_by_chance(truth: Judged, honest: Scores, shuffled: list[Scores], coins: list[Scores]) -> Iterator[Row]:
    """Lifts over the logging policy, of the same requests for all.

    On average a random direction ranks a little better than a random order: worth is convex in it, what one end of a
    trait gains is more than what the other loses. Five seeds, as a lift of architectures has, do not see that; hundreds
    do. They are held against models of labels that a coin drew, which know nothing by construction.
    """
    baseline_R, one_R = POLICIES["logger"](truth), np.ones(len(truth.requests))
    random = relative(POLICIES["random"](truth), baseline_R, one_R)
    lift_M, coin_M = (
        np.array([relative(by_score(truth, one[..., ORDER]), baseline_R, one_R) for one in models])
        for models in (shuffled, coins)
    )
    few_M, named = lift_M[:SEEDS], "T16 lift of models of shuffled labels"
    yield (f"{named} from random's {random:+.1%}, in SE over {len(few_M)} seeds", standard_errors(few_M, random), 0, 3)
    se = float(np.hypot(*(one.std(ddof=1) / np.sqrt(len(one)) for one in (lift_M, coin_M))))
    off = abs(float(lift_M.mean() - coin_M.mean())) / se
    yield (f"{named} from that of {len(coin_M)} of a coin's, in SE over {len(lift_M)} seeds", off, 0, 3)
    learned = relative(by_score(truth, honest[..., ORDER]), baseline_R, one_R)
    yield ("teeth, T16: lift above random's with the labels as they are", learned - random, 0.2, 2)


def aucs(world: World, truth: Judged, honest: Scores, shuffled: list[Scores]) -> Iterator[Row]:
    """Within a scenario, every candidate in slot 1: labels have an AUC without the slot, and without being drawn."""
    chance_RCT = np.stack([truth.click_RC, truth.worth_RC], axis=-1)
    learned = []
    for scenario, name in enumerate(world.scenario_ids):
        mine_R = truth.requests.scenario_R == scenario
        for task, kind in enumerate(("click", "order")):
            p_N = chance_RCT[mine_R][..., task].ravel()
            auc_M = [expected_auc(one[mine_R][..., task].ravel(), p_N) for one in shuffled]
            learned.append(expected_auc(honest[mine_R][..., task].ravel(), p_N))
            yield (f"T16 {name}, {kind}: mean AUC of models of shuffled labels", float(np.mean(auc_M)), 0.49, 0.51)
    yield ("teeth, T16: least AUC with the labels as they are", min(learned), 0.55, 1)


def tossed(label_NT: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Clicks and orders as often as they were, of no row in particular; an order is of a click."""
    u_N, rate_T = rng.random((len(label_NT), 1)), label_NT.mean(dim=0).numpy()
    return torch.from_numpy((u_N < rate_T).astype(np.float32))


def scores(world: World, train: Dataset, truth: Judged) -> Scores:
    """(R, C, T) logits in slot 1 of a model fitted to these rows."""
    requests, n_candidates = truth.requests, truth.requests.item_RC.shape[1]
    row_N = np.repeat(np.arange(len(requests)), n_candidates)
    model = Logistic(spec_of(world), Config(scenario_crosses=False))
    model.fit_rows(train, train, None, 0)
    rows = rows_of(world, requests, row_N, requests.item_RC.ravel(), np.ones(len(row_N), dtype=np.int64))
    return predict(model, rows, 8192).reshape(len(requests), n_candidates, -1)


def often(ctr: float, ctcvr: float) -> dict[str, Any]:
    """The packaged world's scenarios with these rates."""
    scenarios = (load_contract("meishi").world or {})["scenarios"]
    return {name: one | {"ctr": ctr, "ctcvr": ctcvr} for name, one in scenarios.items()}


def spec_of(world: World) -> FeatureSpec:
    numbers = tuple(FieldSpec(f"number_{k}", "number") for k in range(world.config.dimensions + 5))
    return FeatureSpec((), numbers, (), world.scenario_ids, ("click", "order"), world.config.slots)


def logged(world: World, seed: int) -> Dataset:
    """A log's rows with what came of them."""
    requests = world.requests(world.traffic.first_day, LOGGED, seed + 1)
    truth = judged(world, requests)
    shown = slate(world, truth, truth.logger_RC)
    happened = outcomes(requests.key_R, shown.item_RN, shown.click_RN, shown.order_RN)
    n_slots = world.config.slots
    row_N = np.repeat(np.arange(len(requests)), n_slots)
    position_N = np.tile(np.arange(n_slots) + 1, len(requests))
    label_NT = np.stack([one.ravel() for one in happened], axis=1).astype(np.float32)
    found = rows_of(world, requests, row_N, shown.item_RN.ravel(), position_N)
    return replace(found, labels_NT=torch.from_numpy(label_NT))


def rows_of(
    world: World, requests: Requests, row_N: NDArray[np.int64], item_N: NDArray[np.int64], position_N: NDArray[np.int64]
) -> Dataset:
    """What a log shows of these rows, as models read it; without labels."""
    seen = exposure_columns(world, requests, row_N, item_N, position_N)
    user, shop = user_columns(world), shop_columns(world)
    user_N = requests.user_R[row_N]
    columns = [seen[f"match_{j:02d}"] for j in range(world.config.dimensions)]
    columns += [np.log1p(seen["distance_km"]) - 1.5, user["price_ideal"][user_N], user["propensity"][user_N]]
    columns += [shop["price"][item_N], shop["quality"][item_N]]
    nothing_NT = np.zeros((len(row_N), 2), dtype=np.float32)
    return Dataset(
        torch.zeros((len(row_N), 0), dtype=torch.int32),
        torch.from_numpy(np.stack(columns, axis=1).astype(np.float32)),
        torch.from_numpy(requests.scenario_R[row_N]), torch.from_numpy(position_N), torch.from_numpy(nothing_NT),
        torch.from_numpy(nothing_NT + 1), torch.from_numpy(user_N), torch.zeros(len(row_N), dtype=torch.int64),
    )  # fmt: skip
