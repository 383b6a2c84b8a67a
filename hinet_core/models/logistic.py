"""Logistic regression on one-hot ids, lists and numbers, each with a deviation per scenario. Fitted by scikit-learn.

B batch, J entries of a row, K numbers, N rows, P positions, Q columns, R rows of the table, S scenarios, T tasks.
"""

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from hinet_core.dataset import Batch, Dataset, FeatureSpec
from hinet_core.models.parts.all_rows import check_inputs, flat_logit, has_both, known_labels, rows_of
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.task_model import TaskModel

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """Coefficients w + w_s: the penalty pulls a scenario with few rows to what all share."""

    inverse_penalty: float = 0.03  # scikit-learn's C, for the loss summed over rows
    scenario_crosses: bool = True  # w_s beside w; without, scenarios differ in level alone
    iterations: int = 100  # of L-BFGS, at most
    max_rows: int = 1_000_000  # of the training set; more are drawn by the seed, since all lie in memory


PRESETS = {"quick": Config(), "paper": Config(iterations=1000)}


class Logistic(TaskModel):
    """Batch -> logits_BT. Not trained by gradients: `fit_rows` sets the coefficients, which are 0 before.

    The slot has a coefficient per scenario and task, fitted with all others and kept in `position`. A task of which the
    training rows show one label alone gets the logit of its rate.
    """

    weight_QT: Tensor
    own_SQT: Tensor
    level_ST: Tensor

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        check_inputs(spec)
        c = self.config = config or Config()
        self.shape_ST = (len(spec.scenarios), len(spec.tasks))
        self.n_positions = spec.n_positions
        self.id_columns = [i for i, field in enumerate(spec.fields) if field.in_x]
        self.number_columns = [i for i, number in enumerate(spec.numbers) if number.in_x]
        widths = [spec.fields[i].width for i in self.id_columns]
        self.offsets = [sum(widths[:i]) for i in range(len(widths))]
        self.list_offsets: dict[str, int] = {}
        for field in spec.lists:
            if field.in_x:
                self.list_offsets[field.name] = sum(widths)
                widths.append(field.width)
        self.first_number, self.n_columns = sum(widths), sum(widths) + len(self.number_columns)
        n_scenarios, n_tasks = self.shape_ST
        crossed = self.n_columns if c.scenario_crosses else 0
        self.register_buffer("weight_QT", torch.zeros(self.n_columns, n_tasks, dtype=torch.float64))
        self.register_buffer("own_SQT", torch.zeros(n_scenarios, crossed, n_tasks, dtype=torch.float64))
        self.register_buffer("level_ST", torch.zeros(n_scenarios, n_tasks, dtype=torch.float64))
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        column_BJ, value_BJ = self.entries(batch)
        weight_BJT = self.weight_QT[column_BJ]
        if self.config.scenario_crosses:
            weight_BJT = weight_BJT + self.own_SQT[batch.scenario_B[:, None], column_BJ]
        # z = level_s + sum_j (w_j + w_sj) x_j
        logits_BT = self.level_ST[batch.scenario_B] + (value_BJ[..., None] * weight_BJT).sum(dim=1)
        return self.finish(logits_BT.float(), batch)

    def entries(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-> (columns, values) (B, J): 1 for an id, an entry's share of its list (0 for padding), a number as it is."""
        ids_BF = batch.fields_BF[:, self.id_columns].long()
        columns = [ids_BF + torch.tensor(self.offsets, dtype=torch.int64, device=ids_BF.device)]
        values = [torch.ones(ids_BF.shape, dtype=torch.float64, device=ids_BF.device)]
        for name, offset in self.list_offsets.items():
            ids_BL = batch.lists[name].long()
            present_BL = (ids_BL > 0).double()
            columns.append(ids_BL + offset)
            values.append(present_BL / present_BL.sum(dim=1, keepdim=True).clamp(min=1))
        numbers_BK = batch.numbers_BN[:, self.number_columns].double()
        places_K = torch.arange(self.first_number, self.n_columns, device=ids_BF.device)
        columns.append(places_K.expand(numbers_BK.shape))
        values.append(numbers_BK)
        return torch.cat(columns, dim=1), torch.cat(values, dim=1)

    def n_fitted(self) -> int:
        """Coefficients and levels, those of ids that training lacks included; the slots' are parameters."""
        return self.weight_QT.numel() + self.own_SQT.numel() + self.level_ST.numel()

    def design(self, batch: Batch) -> csr_array:
        """-> one row per row: all columns, then per scenario its level, its own copy of the columns and its slots."""
        column_BJ, value_BJ = (part.numpy() for part in self.entries(batch))
        scenario_B1 = batch.scenario_B.numpy()[:, None]
        slot_B1 = batch.position_B.numpy()[:, None]
        parts = [(column_BJ, value_BJ), (self.n_columns + scenario_B1, np.ones(scenario_B1.shape))]
        start = self.n_columns + self.shape_ST[0]
        if self.config.scenario_crosses:
            parts.append((start + scenario_B1 * self.n_columns + column_BJ, value_BJ))
            start += self.shape_ST[0] * self.n_columns
        if self.n_positions:
            # Slot 0 is unknown and adds nothing.
            slot = (start + scenario_B1 * self.n_positions + np.maximum(slot_B1 - 1, 0), (slot_B1 > 0).astype(float))
            parts.append(slot)
            start += self.shape_ST[0] * self.n_positions
        index_BJ, data_BJ = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        places = np.arange(len(batch) + 1) * index_BJ.shape[1]
        return csr_array((data_BJ.ravel(), index_BJ.ravel(), places), shape=(len(batch), start))

    def fit_rows(self, train: Dataset, valid: Dataset, config: Any, seed: int) -> None:
        """Fit every task to the training rows; the penalty stands in for early stopping, so `valid` is not read."""
        batch = rows_of(train, self.config.max_rows, seed)
        design = self.design(batch)
        for task in range(self.shape_ST[1]):
            place_N, label_N = known_labels(batch, task)
            coefficients = np.zeros(design.shape[1])
            level = flat_logit(label_N)
            if has_both(label_N):
                model = fitted(design[place_N], label_N, self.config)
                coefficients, level = model.coef_[0], float(model.intercept_[0])
            self._store(task, coefficients, level)

    @torch.no_grad()
    def _store(self, task: int, coefficients: NDArray[np.float64], level: float) -> None:
        n_scenarios, _ = self.shape_ST
        flat = torch.from_numpy(coefficients)
        crossed = n_scenarios * self.own_SQT.shape[1]
        weight, levels, own, slots = flat.split([self.n_columns, n_scenarios, crossed, n_scenarios * self.n_positions])
        self.weight_QT[:, task] = weight
        self.level_ST[:, task] = levels + level
        self.own_SQT[..., task] = own.view(n_scenarios, -1)
        if self.position.slots_SPT is not None:
            self.position.slots_SPT[..., task] = slots.view(n_scenarios, -1)


def fitted(design: csr_array, label_N: NDArray[np.int64], c: Config) -> Any:
    """scikit-learn's LogisticRegression of one task."""
    from sklearn.exceptions import ConvergenceWarning  # costs a second to import
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c.inverse_penalty, max_iter=c.iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(design, label_N)
    if model.n_iter_[0] >= c.iterations:
        log.info("logistic regression stopped after %d iterations, before it had converged", c.iterations)
    return model


def build(spec: FeatureSpec, config: Config) -> Logistic:
    return Logistic(spec, config)
