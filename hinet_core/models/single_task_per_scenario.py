"""Single task per scenario: one network per scenario and task, and nothing shared, not even embeddings.

What learning across scenarios has to beat. B batch, D width of x, S scenarios, T tasks.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.parts.axes import Axes, pairs, scenarios
from hinet_core.models.parts.task_model import TaskModel, of_own_scenario
from hinet_core.models.single_task import Config as NetworkConfig
from hinet_core.models.single_task import Network


@dataclass(frozen=True, kw_only=True)
class Config(NetworkConfig):
    """A network sees one scenario alone, so the scenario is not in x."""

    scenario_in_x: bool = False


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=16, widths=(256, 128, 64), dropout=0.3),
}


class SingleTaskPerScenario(TaskModel):
    """Batch -> logits_BT. Network s T + t is that of scenario s and task t.

    All networks run on all rows and each row takes those of its scenario: S times the work of routing the rows, but one
    fixed graph for any batch.
    """

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        self.shape_ST = (len(spec.scenarios), len(spec.tasks))
        self.networks = nn.ModuleList(Network(spec, c) for _ in range(self.shape_ST[0] * self.shape_ST[1]))
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        logits_BST = torch.cat([network(batch) for network in self.networks], dim=1).unflatten(1, self.shape_ST)
        return self.finish(of_own_scenario(logits_BST, batch.scenario_B), batch)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start."""
        axes = self.end_axes(spec) | Axes(members={"networks": pairs(scenarios(spec), spec.tasks)})
        for place, network in enumerate(self.networks):
            axes |= cast(Network, network).axes(f"networks.{place}", spec)
        return axes


def build(spec: FeatureSpec, config: Config) -> SingleTaskPerScenario:
    return SingleTaskPerScenario(spec, config)
