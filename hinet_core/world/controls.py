"""Control worlds: the world of a contract with another structure of tastes, in which no model should win by as much.

What is expected of models there was written before any of them was trained. If one architecture wins equally in all of
them, something leaks. Only tastes change with the variance: effects of quality, distance and price and how readily a
user clicks are as they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hinet_core.contract import Contract
from hinet_core.world.config import Variance, read_config


@dataclass(frozen=True)
class Control:
    """A control world as a contract of its own, and what is expected of models in it."""

    contract: Contract
    prediction: str


def control_worlds(contract: Contract) -> dict[str, Control]:
    """The controls of a contract's world: all_shared, nothing_shared, no_task_link, scenarios_identical, interactions.

    Raises ValueError where the contract has no world.
    """
    variance = read_config(contract).variance
    return {
        "all_shared": Control(
            _with(contract, "all_shared", _variance(shared=1.0)),
            "models that share are alike within the spread of seeds; single-task models are behind where rows are few",
        ),
        "nothing_shared": Control(
            _with(contract, "nothing_shared", _variance(0.05, 0.05, 0.05, 0.05, 0.80)),
            "a model per scenario catches up where rows are many; what sharing gains vanishes there",
        ),
        "no_task_link": Control(
            _with(contract, "no_task_link", _unlinked(variance)),
            "gates of experts of their own per task gain more over a shared bottom than in the contract's world",
        ),
        "scenarios_identical": Control(
            _with(contract, "scenarios_identical", _identical(contract, variance)),
            "knowing the scenario is worth nothing: no model that separates scenarios beats one that does not",
        ),
        "interactions": Control(
            _with(contract, "interactions", {"variance": {**variance.model_dump(), "interaction": 0.5}}),
            "logistic regression, as good as the best network in the contract's world, falls behind every network that "
            "learns from all scenarios: half of a taste is in products of two matches, which no sum of columns has",
        ),
    }


def _with(contract: Contract, control: str, changes: Mapping[str, Any]) -> Contract:
    """The contract under a name of its own, so that it has folders of its own."""
    words = control.replace("_", " ")
    update = {"name": f"{contract.name}_{control}", "title": f"{contract.title}: {words}"}
    return contract.model_copy(update=update | {"world": {**(contract.world or {}), **changes}})


def _variance(
    shared: float = 0.0, task: float = 0.0, factor: float = 0.0, scenario: float = 0.0, scenario_task: float = 0.0
) -> dict[str, Any]:
    parts = Variance(shared=shared, task=task, factor=factor, scenario=scenario, scenario_task=scenario_task)
    return {"variance": parts.model_dump()}


def _unlinked(was: Variance) -> dict[str, Any]:
    """No part that a task has in all scenarios, half that only a task of one scenario has; the rest as it stood."""
    rest = 0.5 / (was.shared + was.factor + was.scenario)
    return _variance(was.shared * rest, 0.0, was.factor * rest, was.scenario * rest, 0.5)


def _identical(contract: Contract, was: Variance) -> dict[str, Any]:
    """All scenarios are the first but for their shares; click and order of one scenario are as alike as they were."""
    settings = (contract.world or {})["scenarios"]
    first = next(iter(settings.values()))
    task = was.task + was.scenario_task
    return _variance(shared=1 - task, task=task) | {
        "scenarios": {name: {**first, "share": one["share"]} for name, one in settings.items()}
    }
