"""Permutation importance: how much AUC a model loses where a field's values are shuffled among the rows of a scenario.

Breiman (2001); shuffling inside the scenario leaves what the scenario itself tells. Fields that say the same share
their importance: each can stand in for the other. A bootstrap for each of a hundred fields would take longer than the
predictions, so intervals are by DeLong's variance over users (`delong.py`), which needs one sort.

N rows, T tasks, U users.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hinet_core.dataset import Dataset, FeatureSpec
from hinet_core.evaluation.delong import pulls, shares
from hinet_core.evaluation.gates import Finding
from hinet_core.evaluation.intervals import MIN_USERS, Interval, normal, too_few
from hinet_core.evaluation.metrics import METRICS, ScoreMetric
from hinet_core.evaluation.places import Labelled, Place, Users, places_of
from hinet_core.evaluation.ranked import Floats
from hinet_core.evaluation.rows import Rows, Scores
from hinet_core.progress import track
from hinet_core.training.loop import predict

BATCH = 2048  # what a layer makes is still in the processor's cache when the next one reads it
# Fewer positives or negatives do not say how far an AUC is off.
MIN_LABELS = 5


@dataclass(frozen=True)
class Spot:
    """A task's rows in a scenario, or all of them: where they are in the split, their labels and users."""

    place: Place
    row_N: NDArray[np.int64]
    label_N: Floats
    user_N: NDArray[np.int64]

    @property
    def no_auc(self) -> str | None:
        return cast(ScoreMetric, METRICS["auc"]).undefined(self.place.n, self.place.n_positives)

    @property
    def no_interval(self) -> str | None:
        positives, negatives = self.place.n_positives, self.place.n - self.place.n_positives
        few = too_few(positives, "positive", MIN_LABELS) or too_few(negatives, "negative", MIN_LABELS)
        return too_few(self.place.n_users, "user", MIN_USERS) or few


@dataclass(frozen=True)
class Auc:
    """An AUC, or what became of it, and how far each user pulls it."""

    value: float
    pull_U: Floats

    def interval(self, n_users: int) -> Interval:
        variance = n_users / (n_users - 1) * float((self.pull_U**2).sum())
        return normal(self.value, math.sqrt(variance))


def importance(model: nn.Module, data: Dataset, rows: Rows, spec: FeatureSpec, seed: int) -> list[Finding]:
    """AUC at slot 1 as it is minus with the field shuffled, per field of x, task and scenario, pooled and macro.

    The interval is over users, for one shuffle.
    """
    data, people = data.at_first_slot(), Users.of(rows)
    tasks = [spots_of(rows, people, task) for task in range(len(rows.tasks))]
    n_users = int(people.user_N.max(initial=-1)) + 1
    logits_NT = scored(model, data)
    whole = [[auc_of(spot, logits_NT[:, task], n_users) for spot in spots] for task, spots in enumerate(tasks)]
    n_fields = sum(field.in_x for field in (*spec.fields, *spec.numbers, *spec.lists))
    found = []
    for name, shuffled in track(shuffles(data, spec, seed), "shuffling fields", total=n_fields):
        after_NT = scored_again(model, data, shuffled, logits_NT)
        for task, spots in enumerate(tasks):
            without = [auc_of(spot, after_NT[:, task], n_users) for spot in spots]
            found += drops(name, spots, whole[task], without)
    return found


def spots_of(rows: Rows, people: Users, task: int) -> list[Spot]:
    """Each scenario in the contract's order, then all rows."""
    labelled = Labelled.of(rows, people, task)
    insides = [labelled.scenario_N == code for code in range(len(rows.scenarios))]
    insides.append(np.ones(len(labelled.row_N), dtype=bool))
    return [
        Spot(place, labelled.row_N[inside_N], labelled.label_N[inside_N], labelled.user_N[inside_N])
        for place, inside_N in zip(places_of(labelled, rows, task), insides, strict=True)
    ]


def auc_of(spot: Spot, logit_N: Floats, n_users: int) -> Auc | None:
    """None where one class is missing."""
    if spot.no_auc:
        return None
    one = shares(logit_N[spot.row_N], spot.label_N)
    return Auc(one.auc, pulls(one, spot.user_N, n_users))


def drops(name: str, spots: Sequence[Spot], before: Sequence[Auc | None], after: Sequence[Auc | None]) -> list[Finding]:
    """What shuffling this field costs one task: in each scenario, in all rows, and as the mean over scenarios."""
    lost = [
        Auc(one.value - other.value, one.pull_U - other.pull_U) if one and other else None
        for one, other in zip(before, after, strict=True)
    ]
    *scenarios, (whole, _) = zip(spots, lost, strict=True)
    defined = [(spot, one) for spot, one in scenarios if one]
    mean, no_interval = None, None
    if defined:
        mean = Auc(
            float(np.mean([one.value for _, one in defined])), np.mean([one.pull_U for _, one in defined], axis=0)
        )
        no_interval = next((spot.no_interval for spot, _ in defined if spot.no_interval), None)
    macro = replace(whole.place, scope="macro", n=sum(spot.place.n for spot, _ in defined))
    nowhere = None if defined else f"undefined in each of {len(scenarios)} scenarios"
    return [
        *(finding(name, spot.place, one, spot.no_auc, spot.no_interval) for spot, one in zip(spots, lost, strict=True)),
        finding(name, macro, mean, nowhere, no_interval),
    ]


def finding(name: str, place: Place, lost: Auc | None, no_auc: str | None, no_interval: str | None) -> Finding:
    interval = Interval(None, None, no_interval)
    if lost is not None and no_interval is None:
        interval = lost.interval(place.n_users)
    return Finding(
        part="importance", scenario_id=place.scenario_id or place.scope, task=place.task, name=name, metric="auc_drop",
        value=lost.value if lost else None, low=interval.low, high=interval.high, n=place.n,
        reason=no_auc or interval.reason,
    )  # fmt: skip


def scored(model: nn.Module, data: Dataset) -> Floats:
    """-> logits (N, T) in double. Raises NotFiniteError where one is no number."""
    logits_NT = predict(model, data, BATCH).astype(np.float64)
    return Scores(model="", first_NT=logits_NT, logged_NT=logits_NT).first_NT


def scored_again(model: nn.Module, data: Dataset, shuffled: Dataset, logits_NT: Floats) -> Floats:
    """The logits of the shuffled rows; those whose value a shuffle leaves as it was are not computed anew."""
    pairs = [(data.fields_NF, shuffled.fields_NF), (data.numbers_NK, shuffled.numbers_NK)]
    pairs += [(data.lists[name], shuffled.lists[name]) for name in data.lists]
    moved_N = torch.stack([(one != other).any(dim=1) for one, other in pairs if one is not other]).any(dim=0)
    if not bool(moved_N.any()):
        return logits_NT
    after_NT = logits_NT.copy()
    after_NT[moved_N.numpy()] = scored(model, shuffled.map(lambda tensor: tensor[moved_N]))
    return after_NT


def shuffles(data: Dataset, spec: FeatureSpec, seed: int) -> Iterator[tuple[str, Dataset]]:
    """Per field, number and list that enters x, the dataset with its values in another order inside each scenario."""
    order_N = torch.from_numpy(order_inside(data.scenario_N.numpy(), seed))
    for place, field in enumerate(spec.fields):
        if field.in_x:
            yield field.name, replace(data, fields_NF=with_column(data.fields_NF, place, order_N))
    for place, field in enumerate(spec.numbers):
        if field.in_x:
            yield field.name, replace(data, numbers_NK=with_column(data.numbers_NK, place, order_N))
    for field in spec.lists:
        if field.in_x:
            yield field.name, replace(data, lists={**data.lists, field.name: data.lists[field.name][order_N]})


def with_column(values_NF: torch.Tensor, place: int, order_N: torch.Tensor) -> torch.Tensor:
    changed_NF = values_NF.clone()
    changed_NF[:, place] = values_NF[order_N, place]
    return changed_NF


def order_inside(scenario_N: np.ndarray, seed: int) -> np.ndarray:
    """Row n takes the value of row order_N[n], one of its own scenario."""
    order_N, draw = np.empty(len(scenario_N), np.int64), np.random.default_rng(seed)
    for code in np.unique(scenario_N):
        places = np.flatnonzero(scenario_N == code)
        order_N[places] = draw.permutation(places)
    return order_N
