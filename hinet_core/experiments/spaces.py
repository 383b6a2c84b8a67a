"""What `hinet tune` may choose from, by the names of settings: a model is searched over those that its Config has.

Widths and depths stay those of the presets, so that models are compared at about equal size.
"""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution

Space = FloatDistribution | CategoricalDistribution

MODEL: dict[str, Space] = {
    "embedding": CategoricalDistribution((8, 16)),
    "input_dropout": FloatDistribution(0.0, 0.3),
    "dropout": FloatDistribution(0.0, 0.5),
    "task_dropout": FloatDistribution(0.0, 0.5),
    "scenario_in_x": CategoricalDistribution((False, True)),
    "sub_experts": CategoricalDistribution((1, 2, 3, 4)),
    "experts": CategoricalDistribution((4, 8, 12)),
    "own_experts": CategoricalDistribution((1, 2, 3)),
    "shared_experts": CategoricalDistribution((1, 2, 4)),
    "leaves": CategoricalDistribution((15, 31, 63)),
    "rows_per_leaf": CategoricalDistribution((20, 50, 200)),
    "l2": FloatDistribution(0.1, 50.0, log=True),
    "learning_rate": FloatDistribution(0.02, 0.2, log=True),
    "inverse_penalty": FloatDistribution(1e-3, 10.0, log=True),
}
TRAIN: dict[str, Space] = {
    "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
    "embedding_l2": FloatDistribution(1e-6, 1e-3, log=True),
    "batch_size": CategoricalDistribution((512, 1024, 2048)),
}


def space_of(model_config: Mapping[str, Any]) -> dict[str, Space]:
    """`model.dropout`, `train.learning_rate` and so on, as far as the model has them."""
    of_model = {f"model.{key}": one for key, one in MODEL.items() if key in model_config}
    by_steps = "max_rows" not in model_config  # the others are fitted to all rows at once
    return of_model | {f"train.{key}": one for key, one in TRAIN.items() if by_steps}


def of_preset(space: Mapping[str, Space], model_config: Mapping[str, Any], train_config: Any) -> dict[str, Any]:
    """The preset as a point of the space; what lies outside of it is left out."""
    given = {f"model.{key}": value for key, value in model_config.items()}
    given |= {f"train.{key}": getattr(train_config, key) for key in TRAIN}
    return {key: given[key] for key, one in space.items() if holds(one, given[key])}


def holds(space: Space, value: Any) -> bool:
    return value in space.choices if isinstance(space, CategoricalDistribution) else space.low <= value <= space.high
