"""Single task: one network per task, and nothing shared between them, not even embeddings.

What multi-task learning has to beat. B batch, D width of x, T tasks.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import MLP, Dropout, FieldEmbedding
from hinet_core.models.parts.axes import Axes, of_mlp, of_x
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.task_model import TaskModel


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """The scenario is one more id in x of every network."""

    embedding: int = 8  # width of every field's embedding, in a table per task
    widths: tuple[int, ...] = (128, 64)
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each layer
    scenario_in_x: bool = True


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=16, widths=(256, 128, 64), dropout=0.3),
}


class Network(nn.Module):
    """Batch -> (B, 1): embeddings and layers of its own."""

    def __init__(self, spec: FeatureSpec, c: Config) -> None:
        super().__init__()
        self.fields = FieldEmbedding(spec, c.embedding, c.scenario_in_x)
        self.input_dropout = Dropout(c.input_dropout)
        self.layers = MLP(self.fields.width, c.widths, 1, c.dropout)

    def forward(self, batch: Batch) -> Tensor:
        return self.layers(self.input_dropout(self.fields(batch)))

    def axes(self, name: str, spec: FeatureSpec) -> Axes:
        """For a warm start, as the module of this name."""
        return of_mlp(f"{name}.layers", self.layers, of_x(self.fields, spec))


class SingleTask(TaskModel):
    """Batch -> logits_BT"""

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        self.networks = nn.ModuleList(Network(spec, c) for _ in spec.tasks)
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        return self.finish(torch.cat([network(batch) for network in self.networks], dim=1), batch)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start."""
        axes = self.end_axes(spec) | Axes(members={"networks": spec.tasks})
        for place, network in enumerate(self.networks):
            axes |= cast(Network, network).axes(f"networks.{place}", spec)
        return axes


def build(spec: FeatureSpec, config: Config) -> SingleTask:
    return SingleTask(spec, config)
