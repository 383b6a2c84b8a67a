"""How a model is trained: every setting in one place, and the presets."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and how fast; the model's own sizes are in its Config."""

    epochs: int = 6  # at most; early stopping usually ends sooner
    patience: int = 2  # epochs without a better validation score before stopping
    batch_size: int = 1024
    learning_rate: float = 1e-3  # Adam
    embedding_l2: float = 1e-4  # coupled L2 of the embedding table
    ema_decay: float = 0.998  # of the weights that are validated and kept; 0 = the last step's weights
    clip_norm: float = 5.0  # of the gradient of all parameters
    task_weights: tuple[float, ...] = ()  # lambda_t in the contract's order; empty = all 1
    predict_batch_size: int = 4096

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "batch_size", "learning_rate", "clip_norm", "predict_batch_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")


TRAIN_PRESETS = {
    "quick": TrainConfig(),
    # The authors' code: Adam 1e-4, batch 4096, 8 epochs, no weight decay that acts.
    "paper": TrainConfig(epochs=8, patience=8, batch_size=4096, learning_rate=1e-4, embedding_l2=0.0, ema_decay=0.0),
}
