"""How a validation day is scored during training, and the averaged weights that are scored.

N rows, T tasks.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hinet_core.dataset import Dataset

MIN_PER_CLASS = 50  # fewer positives or negatives than this make a scenario's AUC too noisy to stop on
MACRO, WEIGHTED = BY_AUC = ("macro_auc", "weighted_auc")
WARM_UP = 3  # until its decay is reached, the average covers about the last third of the steps taken


def auc(label_N: np.ndarray, score_N: np.ndarray) -> float:
    """Chance that a positive scores above a negative, ties counting half; NaN unless both classes occur."""
    positive_N = label_N > 0.5
    n_positive = int(positive_N.sum())
    n_negative = len(positive_N) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, inverse_N, count = np.unique(score_N, return_inverse=True, return_counts=True)
    rank_N = (np.cumsum(count) - (count - 1) / 2)[inverse_N]
    return float((rank_N[positive_N].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


@dataclass(frozen=True)
class Cell:
    """One scenario and task of the validation day: the rows that count."""

    scenario: int
    task: int
    rows: np.ndarray
    n_smaller_class: int


@dataclass(frozen=True)
class Scorer:
    """The stopping rule, fixed before the first epoch: labels decide which cells count, never the scores.

    `rule` is an AUC over cells with enough of both classes, else over any with both classes, else 'logloss' (negated,
    so that more is better), else 'none'. The AUC is 'macro_auc', or 'weighted_auc' where scenarios weigh by rows.
    """

    rule: str
    cells: tuple[Cell, ...]
    labels_NT: np.ndarray
    mask_NT: np.ndarray

    @classmethod
    def of(cls, valid: Dataset, min_per_class: int = MIN_PER_CLASS, by_rows: bool = False) -> "Scorer":
        labels_NT, mask_NT = valid.labels_NT.cpu().numpy(), valid.label_mask_NT.cpu().numpy() > 0
        cells = list(_cells(valid.scenario_N.cpu().numpy(), labels_NT, mask_NT))
        enough = [cell for cell in cells if cell.n_smaller_class >= min_per_class]
        usable = enough or [cell for cell in cells if cell.n_smaller_class > 0]
        of_auc = WEIGHTED if by_rows else MACRO
        rule = of_auc if usable else "logloss" if mask_NT.any() else "none"
        return cls(rule, tuple(usable), labels_NT, mask_NT)

    def auc_per_task(self, logits_NT: np.ndarray) -> dict[int, float]:
        """Mean AUC over the scenarios that count, per task; tasks without such a scenario are left out."""
        found: dict[int, list[tuple[float, float]]] = {}
        for cell in self.cells:
            value = auc(self.labels_NT[cell.rows, cell.task], logits_NT[cell.rows, cell.task])
            found.setdefault(cell.task, []).append((value, len(cell.rows) if self.rule == WEIGHTED else 1))
        return {task: sum(v * w for v, w in both) / sum(w for _, w in both) for task, both in found.items()}

    def logloss_per_task(self, logits_NT: np.ndarray) -> dict[int, float]:
        """Mean cross-entropy over the known labels, per task; tasks without one are left out."""
        result = {}
        for task in range(logits_NT.shape[1]):
            rows = self.mask_NT[:, task]
            if rows.any():
                z, y = logits_NT[rows, task].astype(np.float64), self.labels_NT[rows, task]
                result[task] = float(np.mean(np.logaddexp(0.0, z) - z * y))
        return result

    def score(self, aucs: dict[int, float], loglosses: dict[int, float]) -> float | None:
        """One number, more is better: every task weighs the same."""
        if self.rule == "none":
            return None
        return float(np.mean(list(aucs.values()))) if self.rule in BY_AUC else -sum(loglosses.values())


def _cells(scenario_N: np.ndarray, labels_NT: np.ndarray, mask_NT: np.ndarray) -> Iterator[Cell]:
    for task in range(labels_NT.shape[1]):
        for scenario in np.unique(scenario_N):
            rows = np.flatnonzero((scenario_N == scenario) & mask_NT[:, task])
            positives = int((labels_NT[rows, task] > 0.5).sum())
            yield Cell(int(scenario), task, rows, min(positives, len(rows) - positives))


class AveragedWeights:
    """Exponential moving average of a model's parameters; `decay` 0 keeps the last step's.

    The decay grows from 0 with the steps taken, so that the random start is forgotten. Parameters in `by_row` change in
    few rows a step: a row that stays at w is averaged when it is next changed or read, a <- w + (a - w) d_s ... d_t,
    where d_s ... d_t are the decays since. That equals averaging it at every step but for rounding.
    """

    def __init__(self, model: nn.Module, decay: float, by_row: Sequence[nn.Parameter] = ()) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay is {decay}, expected 0 <= decay < 1")
        self.decay = decay
        self.steps = 0
        self.log_decays = 0.0  # log of the product of all decays so far
        self.live = list(model.parameters())
        self.stored = [parameter.detach().clone() if decay else parameter.detach() for parameter in self.live]
        rows = {id(parameter) for parameter in by_row}
        # log_decays as of which each row's average holds
        self.as_of: dict[int, torch.Tensor] = {
            i: torch.zeros(len(one), dtype=torch.float64, device=one.device)
            for i, one in enumerate(self.live)
            if decay and id(one) in rows
        }

    @torch.no_grad()
    def update(self, changed: Sequence[tuple[torch.Tensor, torch.Tensor]] = ()) -> None:
        """After a step. `changed`: for each of `by_row`, the rows that the step changed and what they were before."""
        self.steps += 1
        if not self.decay:
            return
        decay = min(self.decay, self.steps / (WARM_UP + self.steps))
        for (i, as_of_R), (rows_U, before_UD) in zip(self.as_of.items(), changed, strict=True):
            average_UD = self.stored[i].index_select(0, rows_U)
            average_UD.lerp_(before_UD, self._missed(as_of_R.index_select(0, rows_U), average_UD))
            average_UD.lerp_(self.live[i].index_select(0, rows_U), 1 - decay)
            self.stored[i].index_copy_(0, rows_U, average_UD)
        self.log_decays += math.log(decay)
        for as_of_R, (rows_U, _) in zip(self.as_of.values(), changed, strict=True):
            as_of_R.index_fill_(0, rows_U, self.log_decays)
        for i, (average, live) in enumerate(zip(self.stored, self.live, strict=True)):
            if i not in self.as_of:
                average.lerp_(live, 1 - decay)

    @property
    def average(self) -> list[torch.Tensor]:
        """The averages as of the last step."""
        with torch.no_grad():
            for i, as_of_R in self.as_of.items():
                self.stored[i].lerp_(self.live[i], self._missed(as_of_R, self.stored[i]))
                as_of_R.fill_(self.log_decays)
        return self.stored

    def state(self) -> dict[str, torch.Tensor]:
        """What `update` changes, by the parameter's place. Rows whose average is behind are left so: reading it here
        would change how later steps round."""
        averages = {str(place): average for place, average in enumerate(self.stored)} if self.decay else {}
        behind = {f"as_of.{place}": as_of_R for place, as_of_R in self.as_of.items()}
        counts = {"steps": torch.tensor(self.steps), "log_decays": torch.tensor(self.log_decays, dtype=torch.float64)}
        return averages | behind | counts

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what `state` gave."""
        self.steps, self.log_decays = int(state["steps"]), float(state["log_decays"])
        for name, mine in self.state().items():
            mine.copy_(state[name])

    def _missed(self, as_of_R: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """What the steps since move each row's average towards an unchanged value -> (R, 1), 1 - d_s ... d_t"""
        return -torch.expm1(self.log_decays - as_of_R).to(like.dtype)[:, None]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model holds the averaged weights."""
        if not self.decay:
            yield
            return
        live = [parameter.detach().clone() for parameter in self.live]
        self.load(self.average)
        try:
            yield
        finally:
            self.load(live)

    @torch.no_grad()
    def load(self, weights: list[torch.Tensor]) -> None:
        for parameter, weight in zip(self.live, weights, strict=True):
            parameter.copy_(weight)
