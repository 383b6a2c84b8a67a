"""The one trainer: any model, any log, early stopping on the validation day.

B batch, K numbers, N rows, T tasks.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hinet_core.dataset import Dataset
from hinet_core.training.calibration import CalibratedCell, calibrate, undo_sampling
from hinet_core.training.config import TrainConfig
from hinet_core.training.step import Stepper
from hinet_core.training.stopping import Scorer

log = logging.getLogger(__name__)
REPORTS_PER_EPOCH = 10
CHECKED_AT_ONCE = 65_536  # rows; a mapped training set is never read whole


class TrainingDivergedError(ValueError):
    """The loss is no longer a number."""


@dataclass
class History:
    """What happened. `rows`: task index or None (all tasks), split, metric, epoch, step, wall_s, value."""

    rule: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float | None = None
    epochs: int = 0
    steps: int = 0
    rows_per_s: float = 0.0  # training rows per second, validation left out
    calibration: list[CalibratedCell] = field(default_factory=list)  # empty where nothing could be calibrated

    def add(self, task: int | None, split: str, metric: str, epoch: float, wall_s: float, value: float) -> None:
        self.rows.append(
            {"task": task, "split": split, "metric": metric, "epoch": epoch, "step": self.steps}
            | {"wall_s": wall_s, "value": value}
        )


def device_of(name: str) -> torch.device:
    """'auto' is the GPU where there is one. Raises ValueError for a GPU that is not there."""
    if name not in ("auto", "cpu") and not name.startswith("cuda"):
        raise ValueError(f"device is {name!r}, expected auto, cpu or cuda")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device is cuda, but torch finds no GPU here: set the device to auto or cpu")
    return torch.device("cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu"))


def fit(
    model: nn.Module,
    train: Dataset,
    valid: Dataset,
    config: TrainConfig,
    seed: int = 0,
    device: str = "auto",
    on_epoch: Callable[[int, list[dict[str, Any]]], None] | None = None,
) -> History:
    """Train in place; the model ends with the averaged weights of its best epoch, on `device`, in eval mode.

    Its probabilities are those of all rows, also where `train` is a sample, and calibrated on `valid`. Same seed, data
    and thread count give the same bits on a CPU.
    `on_epoch(epoch, its history rows)` is called after each validation. Raises ValueError for
    unusable data, TrainingDivergedError for a loss of NaN.
    """
    _check_inputs(train, config)
    target = device_of(device)
    undo_sampling(model, train)
    model.to(target)
    train, valid = train.to(target), valid.to(target)
    scorer = Scorer.of(valid)
    if scorer.rule == "none":
        log.warning("no validation label is known: training runs all %d epochs", config.epochs)
    history = History(scorer.rule)
    run = _Run(model, train, config, history)
    best = None
    with torch.random.fork_rng(devices=[target] if target.type == "cuda" else []):
        torch.manual_seed(seed)
        for epoch in range(1, config.epochs + 1):
            first_row = len(history.rows)
            run.epoch(epoch, seed)
            with run.stepper.averaged.in_place():
                score = _validate(model, valid, scorer, config, history, epoch, run.wall_s())
            shown = "unknown" if score is None else f"{score:.4f}"
            log.info("epoch %d of %d: %s %s, %.0f rows/s", epoch, config.epochs, scorer.rule, shown, history.rows_per_s)
            if score is None or history.best_score is None or score > history.best_score:
                history.best_epoch, history.best_score = epoch, score
                best = [weight.clone() for weight in run.stepper.averaged.average]
            if on_epoch:
                on_epoch(epoch, history.rows[first_row:])
            if epoch - history.best_epoch >= config.patience:
                break
    if best is not None:
        run.stepper.averaged.load(best)
    model.eval()
    if scorer.rule != "none":
        history.calibration = calibrate(model, valid, predict(model, valid, config.predict_batch_size))
    return history


@torch.inference_mode()
def predict(model: nn.Module, dataset: Dataset, batch_size: int = 4096) -> np.ndarray:
    """-> logits (N, T) float32 in row order, each row at the position the dataset gives it."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    logits = [model(batch).float().cpu() for batch in dataset.to(device).batches(batch_size)]
    model.train(was_training)
    return torch.cat(logits).numpy() if logits else np.zeros(tuple(dataset.labels_NT.shape), np.float32)


class _Run:
    """The state of one training: what a step changes, and the clock."""

    def __init__(self, model: nn.Module, train: Dataset, config: TrainConfig, history: History) -> None:
        self.model, self.train, self.config, self.history = model, train, config, history
        self.stepper = Stepper(model, config, n_tasks=train.labels_NT.shape[1])
        self.started = time.perf_counter()
        self.train_s = 0.0

    def wall_s(self) -> float:
        return time.perf_counter() - self.started

    def epoch(self, epoch: int, seed: int) -> None:
        """One pass in an order drawn from seed and epoch, reporting the train loss along the way."""
        began = time.perf_counter()
        self.model.train()
        n_steps = math.ceil(len(self.train) / self.config.batch_size)
        report_every = math.ceil(n_steps / REPORTS_PER_EPOCH)
        sums_2T = torch.zeros_like(self.stepper.weight_T).repeat(2, 1)
        for step, batch in enumerate(self.train.batches(self.config.batch_size, seed=seed * 10_007 + epoch), 1):
            loss_BT = self.stepper.step(batch)
            self.history.steps += 1
            sums_2T += torch.stack([loss_BT.sum(dim=0), batch.label_mask_BT.sum(dim=0)])
            if step % report_every == 0 or step == n_steps:
                self._report(sums_2T, epoch - 1 + step / n_steps)
                sums_2T.zero_()
        self.train_s += time.perf_counter() - began
        self.history.epochs = epoch
        self.history.rows_per_s = epoch * len(self.train) / self.train_s

    def _report(self, sums_2T: Tensor, epoch: float) -> None:
        """Mean loss per task since the last report; the only place that waits for the device."""
        for task, (total, known) in enumerate(sums_2T.t().tolist()):
            if not math.isfinite(total):
                largest = largest_number(self.train)
                raise TrainingDivergedError(
                    f"the training loss of task {task} became {total} by step {self.history.steps} "
                    f"(epoch {epoch:.2f}), expected a finite number: lower learning_rate (now "
                    f"{self.config.learning_rate:g}) or clip_norm (now {self.config.clip_norm:g}), or scale the "
                    f"features (largest absolute number: {largest:g})"
                )
            if known:
                self.history.add(task, "train", "logloss", epoch, self.wall_s(), total / known)


def _validate(
    model: nn.Module,
    valid: Dataset,
    scorer: Scorer,
    config: TrainConfig,
    history: History,
    epoch: int,
    wall_s: float,
) -> float | None:
    """Logloss at the logged position, AUC as a ranking is judged: every row at slot 1. -> the score."""
    if scorer.rule == "none":
        return None
    logits_NT = predict(model, valid, config.predict_batch_size)
    loglosses = scorer.logloss_per_task(logits_NT)
    if bool((valid.position_N > 1).any()):
        logits_NT = predict(model, valid.at_first_slot(), config.predict_batch_size)
    aucs = scorer.auc_per_task(logits_NT)
    score = scorer.score(aucs, loglosses)
    for metric, values in (("logloss", loglosses), ("auc", aucs)):
        for task, value in values.items():
            history.add(task, "valid", metric, float(epoch), wall_s, value)
    if score is not None:
        history.add(None, "valid", "score", float(epoch), wall_s, score)
    return score


def largest_number(dataset: Dataset) -> float:
    """The largest absolute number of any row; 0 where there are no numbers."""
    parts = (batch.numbers_BN.abs() for batch in dataset.batches(CHECKED_AT_ONCE))
    return max((part.max().item() for part in parts if part.numel()), default=0.0)


def _check_inputs(train: Dataset, config: TrainConfig) -> None:
    if len(train) == 0:
        raise ValueError("the training set has no row: check the training window and which days are committed")
    parts = [
        ((batch.label_mask_BT > 0).any(), torch.isfinite(batch.numbers_BN).all(dim=0))
        for batch in train.batches(CHECKED_AT_ONCE)
    ]
    if not any(bool(known) for known, _ in parts):
        raise ValueError("no training row has a known label: the window may be younger than the labels' maturity")
    finite_K = torch.stack([finite_K for _, finite_K in parts]).all(dim=0)
    if not bool(finite_K.all()):
        columns = (~finite_K).nonzero().flatten().tolist()
        raise ValueError(f"number columns {columns} hold NaN or infinity: fill and scale them when encoding")
    n_tasks = train.labels_NT.shape[1]
    if config.task_weights and len(config.task_weights) != n_tasks:
        raise ValueError(f"task_weights has {len(config.task_weights)} values, expected {n_tasks}, one per task")
