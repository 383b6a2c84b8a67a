"""What happened in a training: the curves, the best epoch, the pace."""

from dataclasses import dataclass, field
from typing import Any

from hinet_core.training.calibration import CalibratedCell


class TrainingDivergedError(ValueError):
    """The loss, or a prediction, is no longer a number."""


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

    def of_epoch(self, epoch: int) -> list[dict[str, Any]]:
        """The rows of one pass and of its validation."""
        return [row for row in self.rows if epoch - 1 < row["epoch"] <= epoch]
