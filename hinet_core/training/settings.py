"""How the models of a contract are trained: the preset, with what `[training]` of the contract says in its place."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from hinet_core.contract import Contract
from hinet_core.contract.training import cell_name
from hinet_core.training.config import TrainConfig, training_of


def settings_of(contract: Contract, preset: str) -> TrainConfig:
    """Weights that the contract gives by name become rows in its order; a name that is left out weighs 1."""
    given = {one.name: getattr(contract.training, one.name) for one in fields(TrainConfig)}
    return replace(training_of(preset), **{name: value for name, value in (given | weights(contract)).items()
                                           if value is not None})  # fmt: skip


def weights(contract: Contract) -> dict[str, Any]:
    """The four fields of TrainConfig that hold weights, None where the contract names nothing."""
    section = contract.training
    tasks, scenarios = [one.name for one in contract.tasks], [one.id for one in contract.modelled]
    rows = {
        "task_weights": in_order(section.task_weights, tasks),
        "scenario_weights": in_order(section.scenario_weights, scenarios),
        "positive_weights": in_order(section.positive_weights, tasks),
    }
    cells = tuple(in_order(section.cell_weights, [cell_name(one, task) for task in tasks]) for one in scenarios)
    return rows | {"cell_weights": cells if section.cell_weights else None}


def in_order(named: Mapping[str, float], names: list[str]) -> tuple[float, ...] | None:
    return tuple(float(named.get(name, 1.0)) for name in names) if named else None
