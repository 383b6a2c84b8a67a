"""How a model is trained: every setting in one place, and the presets."""

import math
from dataclasses import dataclass

from hinet_core.models.parts.config import BELOW_1, NOT_NEGATIVE, POSITIVE, check_kinds, check_number

OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("constant", "cosine")
EMBEDDING_OPTIMIZERS = ("dense_adam", "rowwise_adagrad", "touched_adam")
CHOICES = {
    "optimizer": OPTIMIZERS,
    "embedding_optimizer": EMBEDDING_OPTIMIZERS,
    "schedule": SCHEDULES,
    "precision": ("float32", "bfloat16", "auto"),
    "loss_mean": ("batch", "scenario"),
    "task_balance": ("fixed", "uncertainty"),
    "auc_mean": ("scenario", "row"),
}
RANGES = {
    **dict.fromkeys(("epochs", "patience", "batch_size", "learning_rate", "predict_batch_size"), POSITIVE),
    **dict.fromkeys(("weight_decay", "embedding_learning_rate", "embedding_l2", "warm_up_steps"), NOT_NEGATIVE),
    "slice_rows": NOT_NEGATIVE,
    "ema_decay": BELOW_1,
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and how fast; the model's own sizes are in its Config."""

    epochs: int = 6  # at most; early stopping usually ends sooner
    patience: int = 2  # epochs without a better validation score before stopping
    batch_size: int = 1024
    optimizer: str = "adam"  # of all but the embedding table: adam or adamw
    learning_rate: float = 1e-3  # Adam
    schedule: str = "constant"  # of all learning rates: constant, or cosine down to 0 at the end of all epochs
    warm_up_steps: int = 0  # at first the learning rates grow linearly over so many steps
    weight_decay: float = 0.0  # decoupled, of adamw only
    # Of the embedding table: dense_adam moves every row at every step; rowwise_adagrad (one sum of squares per row) and
    # touched_adam (each row's own Adam, whose clock are the batches with that row) move the batch's rows only.
    embedding_optimizer: str = "dense_adam"
    embedding_learning_rate: float = 0.0  # 0 = learning_rate; rowwise_adagrad needs about 20 times that of Adam
    embedding_l2: float = 1e-4  # coupled L2 of the embedding table: of the rows that the step moves
    ema_decay: float = 0.998  # of the weights that are validated and kept; 0 = the last step's weights
    clip_norm: float = 5.0  # of the gradient of all parameters; inf = no clipping
    # Of the products of a step: bfloat16 is faster where the device multiplies it, weights, loss and prediction stay
    # float32; auto is bfloat16 on such a device.
    precision: str = "float32"
    slice_rows: int = 0  # > 0: a batch passes in slices of so many rows, which takes less memory; 0 = as a whole
    # Weights of the loss in the contract's order, multiplied with each other; empty = all 1. A contract gives them by
    # name (settings.py). A weight of 0 leaves a task, a scenario or a cell out of the loss.
    task_weights: tuple[float, ...] = ()  # lambda_t
    scenario_weights: tuple[float, ...] = ()  # lambda_i
    cell_weights: tuple[tuple[float, ...], ...] = ()  # lambda_it: a row per scenario, a value per task
    # Of a positive's loss, per task. The odds that are learned are that many times too high, which calibration undoes.
    positive_weights: tuple[float, ...] = ()
    loss_mean: str = "batch"  # over the batch, or per "scenario": then small scenarios weigh as much as large ones
    task_balance: str = "fixed"  # the weights above alone, or "uncertainty": also a learned one per task
    # Of the validation AUC that stops a training and that a search compares: every scenario weighs the same (macro), or
    # as much as it has "row"s, where many scenarios are too small to tell two epochs apart.
    auc_mean: str = "scenario"
    predict_batch_size: int = 4096
    deterministic: bool = False  # on a GPU, too, only kernels that give the same bits each time; a CPU's always do

    def __post_init__(self) -> None:
        check_kinds(self)
        for name, allowed in RANGES.items():
            check_number(f"{name} is", getattr(self, name), allowed)
        if not self.clip_norm > 0:
            raise ValueError(f"clip_norm is {self.clip_norm}, expected more than 0")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}")
        for name in ("task_weights", "scenario_weights", "positive_weights"):
            _check_weights(name, getattr(self, name))
        for row in self.cell_weights:
            _check_weights("cell_weights", row)
        if 0 in self.positive_weights:
            raise ValueError("positive_weights holds 0, expected more than 0: without positives nothing is learned")
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError(f"weight_decay is {self.weight_decay}, but optimizer is adam: set it to adamw")

    @property
    def largest_weight(self) -> float:
        """Of the loss of any row: what all kinds of weights can make of it together."""
        cells = [weight for row in self.cell_weights for weight in row]
        kinds = (self.task_weights, self.scenario_weights, cells, self.positive_weights)
        return math.prod(max(kind, default=1.0) for kind in kinds)


def _check_weights(name: str, weights: tuple[float, ...]) -> None:
    if wrong := [weight for weight in weights if not 0 <= weight < math.inf]:
        raise ValueError(f"{name} holds {wrong[0]}, expected finite numbers of 0 or more")


TRAIN_PRESETS = {
    "quick": TrainConfig(),
    # The authors' code: Adam 1e-4, batch 4096, 8 epochs, no weight decay that acts.
    "paper": TrainConfig(epochs=8, patience=8, batch_size=4096, learning_rate=1e-4, embedding_l2=0.0, ema_decay=0.0),
}
TRAIN_PRESETS["authors"] = TRAIN_PRESETS["paper"]


def training_of(preset: str) -> TrainConfig:
    """How a model of this preset is trained: as `quick` where nothing else is said."""
    return TRAIN_PRESETS.get(preset, TRAIN_PRESETS["quick"])
