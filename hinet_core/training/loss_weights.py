"""Weights of the loss by the names of the contract, as the settings that training reads."""

from collections.abc import Mapping
from typing import Any

from hinet_core.dataset import FeatureSpec


def by_name(spec: FeatureSpec, weights: Mapping[str, float]) -> dict[str, Any]:
    """{"order": 2, "home": 0.5, "home/order": 3} -> fields of TrainConfig; a name that is left out weighs 1.

    The weights of a cell multiply: an order in the home scenario weighs 2 · 0.5 · 3 here. Use it as
    `replace(config, **by_name(spec, {"order": 2}))`. Raises ValueError for a name that is no task, no scenario and no
    scenario/task, or one that is both.
    """
    cells = {
        f"{scenario}/{task}": (i, t) for i, scenario in enumerate(spec.scenarios) for t, task in enumerate(spec.tasks)
    }
    if both := sorted(set(weights) & set(spec.scenarios) & set(spec.tasks)):
        raise ValueError(f"{both[0]!r} is a scenario and a task: set scenario_weights or task_weights in their order")
    if unknown := sorted(set(weights) - {*spec.scenarios, *spec.tasks, *cells}):
        raise ValueError(
            f"no task or scenario {unknown[0]!r} to weigh: expected some of the tasks {', '.join(spec.tasks)}, of the "
            f"scenarios {', '.join(spec.scenarios)}, or a cell such as {next(iter(cells))}"
        )
    cell_weights = [[float(weights.get(f"{s}/{t}", 1.0)) for t in spec.tasks] for s in spec.scenarios]
    return {
        "task_weights": tuple(float(weights.get(task, 1.0)) for task in spec.tasks),
        "scenario_weights": tuple(float(weights.get(scenario, 1.0)) for scenario in spec.scenarios),
        "cell_weights": tuple(map(tuple, cell_weights)),
    }
