"""Shared bottom: one network for all scenarios and tasks, one tower per task. The baseline of the comparison.

B batch, D width of x, H hidden, T tasks.
"""

from dataclasses import dataclass

from torch import Tensor

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import MLP, Dropout, FieldEmbedding
from hinet_core.models.parts.axes import Axes, of_mlp, of_x
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.task_model import TaskModel


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """The scenario reaches this model as one more id in x, as usual for it."""

    embedding: int = 8  # width of every field's embedding
    bottom_widths: tuple[int, ...] = (128, 64)
    tower_widths: tuple[int, ...] = (32,)
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each bottom layer
    scenario_in_x: bool = True


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=16, bottom_widths=(256, 128), tower_widths=(128, 64), dropout=0.3),
}


class SharedBottom(TaskModel):
    """Batch -> logits_BT"""

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        self.fields = FieldEmbedding(spec, c.embedding, c.scenario_in_x)
        self.input_dropout = Dropout(c.input_dropout)
        self.bottom = MLP(self.fields.width, c.bottom_widths, dropout=c.dropout)
        self.add_towers(spec, c.bottom_widths[-1], c.tower_widths)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        bottom_BH = self.bottom(self.input_dropout(self.fields(batch)))
        return self.from_towers([bottom_BH] * len(self.towers), batch)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start."""
        return self.end_axes(spec) | of_mlp("bottom", self.bottom, of_x(self.fields, spec))


def build(spec: FeatureSpec, config: Config) -> SharedBottom:
    return SharedBottom(spec, config)
