"""The one trainer: any model, any log, early stopping on the validation day.

K numbers, N rows, T tasks.
"""

import logging
import time
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn

from hinet_core.dataset import Dataset
from hinet_core.progress import duration
from hinet_core.training.arithmetic import kernels
from hinet_core.training.calibration import calibrate, undo_sampling
from hinet_core.training.config import TrainConfig
from hinet_core.training.epochs import Epochs
from hinet_core.training.history import History
from hinet_core.training.inputs import check_rows
from hinet_core.training.memory import enough_memory
from hinet_core.training.progress import Progress
from hinet_core.training.stopping import Scorer

log = logging.getLogger(__name__)


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
    progress: Progress | None = None,
) -> History:
    """Train in place; the model ends with the averaged weights of its best epoch, on `device`, in eval mode.

    Its probabilities are those of all rows, also where `train` is a sample, and calibrated on `valid`. Same seed, data
    and thread count give the same bits on a CPU.
    `on_epoch(epoch, its history rows)` is called after each validation. With `progress`, a training that was killed at
    any step is taken up where it was last saved, and ends with the same bits. Raises ValueError for unusable data,
    TrainingDivergedError for a loss of NaN. A model with `fit_rows(train, valid, config, seed)` learns by that instead
    of by steps.
    """
    check_rows(model, train, valid)
    target = device_of(device)
    undo_sampling(model, train)
    with kernels(config.deterministic, target), enough_memory(config, model, progress):
        return _fitted(model, train, valid, config, seed, target, on_epoch, progress)


def _fitted(
    model: nn.Module,
    train: Dataset,
    valid: Dataset,
    config: TrainConfig,
    seed: int,
    target: torch.device,
    on_epoch: Callable[[int, list[dict[str, Any]]], None] | None,
    progress: Progress | None,
) -> History:
    model.to(target)
    train, valid = train.to(target), valid.to(target)
    scorer = Scorer.of(valid, by_rows=config.auc_mean == "row")
    if scorer.rule == "none":
        log.warning("no validation label is known: training runs all %d epochs", config.epochs)
    history = History(scorer.rule)
    if hasattr(model, "fit_rows"):
        _fit_rows(model, train, valid, config, seed, scorer, history)
        if on_epoch:
            on_epoch(1, history.of_epoch(1))
    else:
        _fit_steps(model, train, valid, config, seed, scorer, history, on_epoch, progress)
    model.eval()
    if scorer.rule != "none":
        history.calibration = calibrate(model, valid, predict(model, valid, config.predict_batch_size))
    return history


def _fit_rows(
    model: Any, train: Dataset, valid: Dataset, config: TrainConfig, seed: int, scorer: Scorer, history: History
) -> None:
    """Trees and linear models: all rows at once, on the CPU, as one epoch without steps."""
    began, device = time.perf_counter(), train.device
    model.cpu().fit_rows(train, valid, config, seed)
    model.to(device)
    wall_s = time.perf_counter() - began
    history.epochs = history.best_epoch = 1
    history.rows_per_s = len(train) / wall_s
    history.best_score = _validate(model, valid, scorer, config, history, 1, wall_s)


def _fit_steps(
    model: nn.Module,
    train: Dataset,
    valid: Dataset,
    config: TrainConfig,
    seed: int,
    scorer: Scorer,
    history: History,
    on_epoch: Callable[[int, list[dict[str, Any]]], None] | None,
    progress: Progress | None,
) -> None:
    """Gradient steps in epochs, until the validation day says no more."""
    target = train.device
    run = Epochs(model, train, config, history, seed, progress)
    with torch.random.fork_rng(devices=[target] if target.type == "cuda" else []):
        torch.manual_seed(seed)
        run.resume()
        while not run.finished:
            epoch = run.epoch
            run.run_epoch()
            try:
                with run.stepper.averaged.in_place():
                    score = _validate(model, valid, scorer, config, history, epoch, run.wall_s())
            except FloatingPointError as error:
                raise run.diverged(str(error), epoch) from error
            shown = "unknown" if score is None else f"{score:.4f}"
            pace = f"{history.rows_per_s:,.0f} rows/s, at most {duration(run.left_s())} left"
            log.info("epoch %d of %d: %s %s, %s", epoch, config.epochs, scorer.rule, shown, pace)
            run.end_epoch(score)
            if on_epoch:
                on_epoch(epoch, history.of_epoch(epoch))
    if run.best is not None:
        run.stepper.averaged.load(run.best)


@torch.inference_mode()
def predict(model: nn.Module, dataset: Dataset, batch_size: int = 4096) -> np.ndarray:
    """-> logits (N, T) float32 in row order, each row at the position the dataset gives it."""
    device = next(chain(model.parameters(), model.buffers())).device
    was_training = model.training
    model.eval()
    logits = [model(batch).float().cpu() for batch in dataset.to(device).batches(batch_size)]
    model.train(was_training)
    return torch.cat(logits).numpy() if logits else np.zeros(tuple(dataset.labels_NT.shape), np.float32)


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
    if not np.isfinite(logits_NT).all():
        raise FloatingPointError("a logit of the validation day became NaN or infinite")
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
