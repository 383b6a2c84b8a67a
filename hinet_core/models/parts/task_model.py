"""How every network ends. B batch, S scenarios, T tasks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import MLP, Calibration, PositionTerm
from hinet_core.models.parts.axes import Axes, scenarios


def of_own_scenario(of_all: Tensor, scenario_B: Tensor) -> Tensor:
    """(B, S, ...) -> (B, ...): each row's entry of its own scenario; the others get no gradient from it."""
    return of_all[torch.arange(scenario_B.shape[0], device=scenario_B.device), scenario_B]


class TaskModel(nn.Module):
    """How every network ends: most with one tower per task, all with the slot's term and then the calibration.

    A model inherits this, calls `add_towers` (or `add_end`) last in its `__init__`, and returns `from_towers` (or
    `finish`).
    """

    def add_towers(self, spec: FeatureSpec, n_in: int, widths: Sequence[int]) -> None:
        """One ReLU network with one output per task, each on a vector of `n_in` numbers."""
        self.towers = nn.ModuleList(MLP(n_in, widths, 1) for _ in spec.tasks)
        self.add_end(spec)

    def add_end(self, spec: FeatureSpec) -> None:
        self.spec = spec
        n_scenarios, n_tasks = len(spec.scenarios), len(spec.tasks)
        self.position = PositionTerm(n_scenarios, spec.n_positions, n_tasks)
        self.calibration = Calibration(n_scenarios, n_tasks)

    def end_axes(self, spec: FeatureSpec) -> Axes:
        """What a warm start must know of the end; a model's own `axes(spec)` adds the rest."""
        slots = list(range(spec.n_positions))
        end = Axes({"position.slots_SPT": (scenarios(spec), slots, spec.tasks)})
        return end | Axes(members={"towers": spec.tasks}) if hasattr(self, "towers") else end

    def from_towers(self, tasks: Sequence[Tensor], batch: Batch) -> Tensor:
        """One (B, n_in) per task -> logits_BT"""
        columns = [tower(task_BH) for tower, task_BH in zip(self.towers, tasks, strict=True)]
        return self.finish(torch.cat(columns, dim=1), batch)

    def finish(self, logits_BT: Tensor, batch: Batch) -> Tensor:
        """-> logits_BT with the slot's term, calibrated outside training"""
        logits_BT = logits_BT + self.position(batch.scenario_B, batch.position_B)
        return self.calibration(logits_BT, batch.scenario_B)
