"""MMoE: experts shared by all scenarios, mixed by one gate per task (Ma et al., KDD 2018).

B batch, D width of x, E experts, H hidden, T tasks.
"""

from dataclasses import dataclass

from torch import Tensor

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import Dropout, Experts, FieldEmbedding, linear
from hinet_core.models.parts.axes import Axes, of_experts, of_linear, of_x, pairs
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.mixture import mix
from hinet_core.models.parts.task_model import TaskModel


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """The scenario reaches experts and gates as one more id in x."""

    embedding: int = 8  # width of every field's embedding
    experts: int = 8
    expert_widths: tuple[int, ...] = (64, 32)
    tower_widths: tuple[int, ...] = (32,)
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each expert layer
    scenario_in_x: bool = True


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=16, expert_widths=(128, 64), tower_widths=(128, 64), dropout=0.3),
}


class MMoE(TaskModel):
    """Batch -> logits_BT"""

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        self.shape_TE = (len(spec.tasks), c.experts)
        self.fields = FieldEmbedding(spec, c.embedding, c.scenario_in_x)
        self.input_dropout = Dropout(c.input_dropout)
        self.experts = Experts(c.experts, self.fields.width, c.expert_widths, c.dropout)
        self.gate = linear(self.fields.width, len(spec.tasks) * c.experts)
        self.add_towers(spec, c.expert_widths[-1], c.tower_widths)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        x_BD = self.input_dropout(self.fields(batch))
        n_tasks, n_experts = self.shape_TE
        gate_BTE = self.gate(x_BD).unflatten(1, self.shape_TE).softmax(dim=2)
        # f_t(x) = sum_e softmax(W_t x)_e f_e(x), equations 6 and 7 of the paper
        mixed = mix(self.experts, x_BD, gate_BTE, [[range(n_experts)] * n_tasks], [x_BD.shape[0]])
        return self.from_towers(mixed.unbind(), batch)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start."""
        x, experts = of_x(self.fields, spec), range(self.config.experts)
        gates = of_linear("gate", pairs(spec.tasks, experts), x)
        return self.end_axes(spec) | of_experts("experts", experts, x) | gates


def build(spec: FeatureSpec, config: Config) -> MMoE:
    return MMoE(spec, config)
