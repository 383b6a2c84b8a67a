"""Permutation importance: how much AUC a model loses where a field's values are shuffled among the rows of a scenario.

Breiman (2001); shuffling inside the scenario leaves what the scenario itself tells. Fields that say the same share
their importance: each can stand in for the other. N rows, T tasks.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from hinet_core.dataset import Dataset, FeatureSpec
from hinet_core.evaluation.cells import judge
from hinet_core.evaluation.comparison import paired_deltas
from hinet_core.evaluation.gates import Finding
from hinet_core.evaluation.rows import Rows, Scores
from hinet_core.progress import track
from hinet_core.training.loop import predict

BATCH = 8192


def importance(model: nn.Module, data: Dataset, rows: Rows, spec: FeatureSpec, seed: int, draws: int) -> list[Finding]:
    """AUC at slot 1 as it is minus with the field shuffled, per field of x, task and scenario, pooled and macro.

    The interval is over users, for one shuffle.
    """
    data = data.at_first_slot()
    names, scores = [], [scored(model, data)]
    n_fields = sum(field.in_x for field in (*spec.fields, *spec.numbers, *spec.lists))
    for name, shuffled in track(shuffles(data, spec, seed), "shuffling fields", total=n_fields):
        names.append(name)
        scores.append(scored(model, shuffled))
    whole, *without = judge(rows, scores, (seed,), draws, ["auc"])
    return [
        Finding(
            part="importance", scenario_id=delta.cell.scenario_id or delta.cell.scope, task=delta.cell.task, name=name,
            metric="auc_drop", value=delta.value, low=delta.interval.low, high=delta.interval.high, n=delta.cell.n,
            reason=delta.null_reason or delta.interval.reason,
        )
        for name, cells in zip(names, without, strict=True)
        for delta in paired_deltas(whole, cells)
    ]  # fmt: skip


def scored(model: nn.Module, data: Dataset) -> Scores:
    logits_NT = predict(model, data, BATCH).astype(np.float64)
    return Scores(model="", first_NT=logits_NT, logged_NT=logits_NT)


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
