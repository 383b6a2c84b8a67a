"""The passes over the training set, step by step; at every step all of it can be put aside and taken up again.

T tasks.
"""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, Dataset
from hinet_core.progress import meter
from hinet_core.training.config import TrainConfig
from hinet_core.training.history import History, TrainingDivergedError
from hinet_core.training.inputs import CHECKED_AT_ONCE
from hinet_core.training.progress import Progress, Saved
from hinet_core.training.step import Stepper, part, under

log = logging.getLogger(__name__)
REPORTS_PER_EPOCH = 10


class Epochs:
    """A training: where it stands, what a step changes, and the clock."""

    def __init__(
        self,
        model: nn.Module,
        train: Dataset,
        config: TrainConfig,
        history: History,
        seed: int,
        progress: Progress | None = None,
    ) -> None:
        self.model, self.train, self.config, self.history, self.seed = model, train, config, history, seed
        self.progress = progress
        self.n_steps = math.ceil(len(train) / config.batch_size)
        self.stepper = Stepper(model, config, train.labels_NT.shape[1], total_steps=self.n_steps * config.epochs)
        self.epoch, self.step = 1, 0  # the pass at work, and how many of its steps are done
        # Of each task: the loss and the known labels since the report.
        self.sums_2T = torch.zeros_like(self.stepper.loss.positive_T).repeat(2, 1)
        self.best: list[Tensor] | None = None  # the averaged weights of the best epoch
        self.started = time.perf_counter()
        self.train_s = 0.0

    @property
    def finished(self) -> bool:
        """All epochs done, or `patience` of them without a better score."""
        done, best = self.epoch - 1, self.history.best_epoch
        return done >= self.config.epochs or (done > 0 and done - best >= self.config.patience)

    def wall_s(self) -> float:
        return time.perf_counter() - self.started

    def run_epoch(self) -> None:
        """One pass in an order drawn from seed and epoch, or what is left of it, reporting the train loss."""
        self.model.train()
        clock = time.perf_counter()
        report_every = math.ceil(self.n_steps / REPORTS_PER_EPOCH)
        for batch in self._batches():
            loss_BT = self.stepper.step(batch)
            self.step += 1
            self.history.steps += 1
            self.sums_2T += torch.stack([loss_BT.sum(dim=0), batch.label_mask_BT.sum(dim=0)])
            if self.step % report_every == 0 or self.step == self.n_steps:
                self._report(self.epoch - 1 + self.step / self.n_steps)
            if self.progress and self.progress.due(self.history.steps):
                self.train_s += time.perf_counter() - clock
                self.save()
                clock = time.perf_counter()
        self.train_s += time.perf_counter() - clock
        self.history.epochs = self.epoch
        self.history.rows_per_s = self.epoch * len(self.train) / self.train_s

    def _batches(self) -> Iterator[Batch]:
        """What is left of the epoch, in an order drawn from seed and epoch, while showing how far we are."""
        order, size, n_rows = self.seed * 10_007 + self.epoch, self.config.batch_size, len(self.train)
        label = f"training, epoch {self.epoch} of {self.config.epochs}"
        with meter(label, n_rows, unit="rows", start=self.step * size) as show:
            for batch in self.train.batches(size, seed=order, first=self.step):
                yield batch
                show(min(self.step * size, n_rows))

    def left_s(self) -> float:
        """At most how long the epochs that are left take, validation included, going by those that are done."""
        return (self.config.epochs - self.history.epochs) * self.wall_s() / max(self.history.epochs, 1)

    def end_epoch(self, score: float | None) -> None:
        """Keep the averaged weights if they are the best so far, and go on to the next epoch."""
        history = self.history
        if score is None or history.best_score is None or score > history.best_score:
            history.best_epoch, history.best_score = self.epoch, score
            self.best = [weight.clone() for weight in self.stepper.averaged.average]
        self.epoch, self.step = self.epoch + 1, 0
        if self.progress:
            self.save()

    def diverged(self, what: str, epoch: float) -> TrainingDivergedError:
        """The error that says what to change."""
        weight = self.config.largest_weight
        return TrainingDivergedError(
            f"{what} by step {self.history.steps} (epoch {epoch:.2f}), expected a finite number: lower learning_rate "
            f"(now {self.config.learning_rate:g}), clip_norm (now {self.config.clip_norm:g})"
            + (f" or the weights of the loss (up to {weight:g})" if weight > 1 else "")
            + f", or scale the features (largest absolute number: {largest_number(self.train):g})"
        )

    def _report(self, epoch: float) -> None:
        """Mean loss per task since the last report. Between two savings only this waits for the device, so that steps
        are queued there; and on a GPU rules by row, which count the distinct rows of each batch."""
        for task, (total, known) in enumerate(self.sums_2T.t().tolist()):
            if not math.isfinite(total):
                raise self.diverged(f"the training loss of task {task} became {total}", epoch)
            if known:
                self.history.add(task, "train", "logloss", epoch, self.wall_s(), total / known)
        self.sums_2T.zero_()

    # What follows puts a training aside, and takes it up again.

    def save(self) -> None:
        """Put the training aside as it stands between two steps."""
        if self.progress is None:
            return
        facts = {
            "epoch": self.epoch,
            "step": self.step,
            "train_s": self.train_s,
            "wall_s": self.wall_s(),
            "history": asdict(self.history),
            "threads": torch.get_num_threads(),
        }
        self.progress.save(self._about(), facts, self._tensors())

    def resume(self) -> None:
        """Take up what was put aside, if anything was; the random state becomes that of its step."""
        saved = None if self.progress is None else self.progress.load(self._about())
        if self.progress is None or saved is None:
            return
        try:
            self._load(saved)
        except (ValueError, KeyError, TypeError) as error:
            self.progress.refuse(error)
            return
        log.info("taken up again in epoch %d after step %d of %d", self.epoch, self.step, self.n_steps)
        if saved.facts["threads"] != torch.get_num_threads():
            log.warning(
                "began with %d threads and goes on with %d: the last bits of the result may differ from an undisturbed "
                "training's",
                saved.facts["threads"],
                torch.get_num_threads(),
            )

    def _about(self) -> dict[str, Any]:
        """What must be the same for the training to go on as if nothing had happened."""
        return {
            "rows": len(self.train),
            "tasks": len(self.stepper.loss.positive_T),
            "batch_size": self.config.batch_size,
            "seed": self.seed,
            "device": self.sums_2T.device.type,
            "torch": str(torch.__version__),
        }

    def _tensors(self) -> dict[str, Tensor]:
        tensors = self.stepper.state() | {"sums": self.sums_2T, "rng.cpu": torch.get_rng_state()}
        if self.sums_2T.is_cuda:
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.sums_2T.device)
        best = {} if self.best is None else {str(place): weight for place, weight in enumerate(self.best)}
        return tensors | under("best", best)

    def _load(self, saved: Saved) -> None:
        facts, tensors = saved.facts, saved.tensors
        history = History(**facts["history"])
        self.stepper.load_state(tensors)
        self.sums_2T.copy_(tensors["sums"])
        best = part(tensors, "best")
        device = self.sums_2T.device
        self.best = [best[str(place)].to(device, copy=True) for place in range(len(best))] or None
        vars(self.history).update(vars(history))
        self.epoch, self.step = facts["epoch"], facts["step"]
        self.train_s, self.started = facts["train_s"], time.perf_counter() - facts["wall_s"]
        torch.set_rng_state(tensors["rng.cpu"])
        if self.sums_2T.is_cuda:
            torch.cuda.set_rng_state(tensors["rng.cuda"], device)


def largest_number(dataset: Dataset) -> float:
    """The largest absolute number of any row; 0 where there are no numbers."""
    parts = (batch.numbers_BN.abs() for batch in dataset.batches(CHECKED_AT_ONCE))
    return max((part.max().item() for part in parts if part.numel()), default=0.0)
