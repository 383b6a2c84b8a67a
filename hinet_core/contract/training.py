"""`[training]`: which models are trained each day, and every setting of their training that a user may change.

Names and choices are those of `TrainConfig`; tests/training/test_contract_settings.py holds the two to each other.
"""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from hinet_core.contract.part import Part
from hinet_core.contract.values import Name

if TYPE_CHECKING:
    from hinet_core.contract.grammar import Contract

Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Weights = dict[str, NotNegative]


class TrainingSection(Part):
    """Which models are trained and judged as of each day, beside the two that the lift compares; and how.

    A setting that is left out is the one of the preset. Weights are given by name: a task, a scenario, for a cell
    "scenario/task"; a name that is left out weighs 1.
    """

    models: tuple[Name, ...] = ("hinet", "mmoe", "shared_bottom")
    epochs: Count | None = None
    patience: Count | None = None
    batch_size: Count | None = None
    optimizer: Literal["adam", "adamw"] | None = None
    learning_rate: Positive | None = None
    schedule: Literal["constant", "cosine"] | None = None
    warm_up_steps: CountOrNone | None = None
    weight_decay: NotNegative | None = None
    embedding_optimizer: Literal["dense_adam", "rowwise_adagrad", "touched_adam"] | None = None
    embedding_learning_rate: NotNegative | None = None
    embedding_l2: NotNegative | None = None
    ema_decay: Decay | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["float32", "bfloat16", "auto"] | None = None
    slice_rows: CountOrNone | None = None
    task_weights: Weights = Field(default_factory=dict)
    scenario_weights: Weights = Field(default_factory=dict)
    cell_weights: Weights = Field(default_factory=dict)
    positive_weights: dict[str, Positive] = Field(default_factory=dict)
    loss_mean: Literal["batch", "scenario"] | None = None
    task_balance: Literal["fixed", "uncertainty"] | None = None
    auc_mean: Literal["scenario", "row"] | None = None
    predict_batch_size: Count | None = None
    deterministic: bool | None = None

    @model_validator(mode="after")
    def _decays(self) -> Self:
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError(f"weight_decay: found {self.weight_decay:g}, allowed: with optimizer = 'adamw'")
        return self


def cell_name(scenario: str, task: str) -> str:
    return f"{scenario}/{task}"


def weight_references(contract: "Contract") -> list[tuple[str, str, set[str]]]:
    """Every name that is weighed: where it stands, the name, the names that exist."""
    tasks, scenarios = {one.name for one in contract.tasks}, {one.id for one in contract.modelled}
    cells = {cell_name(scenario, task) for scenario in scenarios for task in tasks}
    known = {"task_weights": tasks, "scenario_weights": scenarios, "cell_weights": cells, "positive_weights": tasks}
    return [
        (f"training.{key}", name, allowed) for key, allowed in known.items() for name in getattr(contract.training, key)
    ]


def check_some_weight(contract: "Contract") -> list[str]:
    """A weight of 0 leaves something out; not everything may be left out."""
    one = contract.training
    kept = any(
        one.task_weights.get(task.name, 1) and one.scenario_weights.get(scenario.id, 1)
        and one.cell_weights.get(cell_name(scenario.id, task.name), 1)
        for scenario in contract.modelled for task in contract.tasks
    )  # fmt: skip
    return [] if kept or not contract.modelled else [
        "training.task_weights: found 0 for every task and scenario, allowed: more than 0 for one of them"
    ]  # fmt: skip
