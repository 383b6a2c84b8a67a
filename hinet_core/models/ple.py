"""PLE: experts of each task beside shared ones, in levels (Tang et al., RecSys 2020). One level is CGC.

B batch, D width of x, H hidden, T tasks.
"""

from dataclasses import dataclass

from torch import Tensor

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import Dropout, FieldEmbedding
from hinet_core.models.parts.axes import Axes, of_x
from hinet_core.models.parts.cgc import CustomizedGateControl
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.task_model import TaskModel


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """DEPARTS: the scenario, of which the paper has one, enters as one more id in x."""

    embedding: int = 8  # width of every field's embedding
    levels: int = 2
    own_experts: int = 2  # per task and level
    shared_experts: int = 2  # per level
    expert_widths: tuple[int, ...] = (64, 32)  # of every level
    tower_widths: tuple[int, ...] = (32,)
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each expert layer
    scenario_in_x: bool = True


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=16, expert_widths=(128, 64), tower_widths=(128, 64), dropout=0.3),
}


class PLE(TaskModel):
    """Batch -> logits_BT"""

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        self.fields = FieldEmbedding(spec, c.embedding, c.scenario_in_x)
        self.input_dropout = Dropout(c.input_dropout)
        self.cgc = CustomizedGateControl(
            len(spec.tasks), c.own_experts, c.shared_experts, self.fields.width, c.expert_widths, c.dropout, c.levels
        )
        self.add_towers(spec, c.expert_widths[-1], c.tower_widths)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        tasks, _ = self.cgc(self.input_dropout(self.fields(batch)))
        # y^k(x) = t^k(g^{k,N}(x)), equation 6
        return self.from_towers(tasks, batch)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start."""
        return self.end_axes(spec) | self.cgc.axes("cgc", [*spec.tasks, "shared experts"], of_x(self.fields, spec))


def build(spec: FeatureSpec, config: Config) -> PLE:
    return PLE(spec, config)
