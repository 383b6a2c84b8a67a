"""HMoE: every scenario predicts every row, and a row's prediction mixes them in the label space.

Li et al., "Improving Multi-Scenario Learning to Rank in E-commerce by Exploiting Task Relationships in the Label
Space", CIKM 2020, as its abstract and later papers describe it. B batch, D width of x, E experts, H hidden, S scenarios
(the paper's tasks), T tasks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import MLP, Dropout, Experts, FieldEmbedding, linear
from hinet_core.models.parts.axes import Axes, of_experts, of_linear, of_x, pairs, scenarios
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.task_model import TaskModel, of_own_scenario


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """The scenario is not in x: gates and towers of its own speak for it."""

    embedding: int = 8  # width of every field's embedding
    experts: int = 8
    expert_widths: tuple[int, ...] = (64, 32)
    tower_widths: tuple[int, ...] = (32,)  # of each scenario and task
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each expert layer
    scenario_in_x: bool = False


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=16, expert_widths=(128, 64), tower_widths=(128, 64), dropout=0.3),
}


class HMoE(TaskModel):
    """Batch -> logits_BT. DEPARTS: the paper has one task; each of ours has gates, towers and mixing weights."""

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        n_scenarios, n_tasks = self.shape_ST = (len(spec.scenarios), len(spec.tasks))
        self.fields = FieldEmbedding(spec, c.embedding, c.scenario_in_x)
        self.input_dropout = Dropout(c.input_dropout)
        self.experts = Experts(c.experts, self.fields.width, c.expert_widths, c.dropout)
        self.gate = linear(self.fields.width, n_scenarios * n_tasks * c.experts)
        self.scenario_towers = nn.ModuleList(
            MLP(c.expert_widths[-1], c.tower_widths, 1) for _ in range(n_scenarios * n_tasks)
        )
        # A lone scenario has nobody to mix with.
        self.mixing = linear(self.fields.width, n_scenarios * n_tasks * n_scenarios) if n_scenarios > 1 else None
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        x_BD = self.input_dropout(self.fields(batch))
        return self.finish(self._mixed(x_BD, self._per_scenario(x_BD), batch.scenario_B), batch)

    def _per_scenario(self, x_BD: Tensor) -> Tensor:
        """MMoE with a gate and a tower per scenario and task -> logits (B, S, T)"""
        experts_BEH = self.experts(x_BD).transpose(0, 1)
        gate_BUE = self.gate(x_BD).unflatten(1, (len(self.scenario_towers), -1)).softmax(dim=2)
        units = (gate_BUE @ experts_BEH).unbind(dim=1)
        logits = [tower(unit_BH) for tower, unit_BH in zip(self.scenario_towers, units, strict=True)]
        return torch.cat(logits, dim=1).unflatten(1, self.shape_ST)

    def _mixed(self, x_BD: Tensor, logits_BST: Tensor, scenario_B: Tensor) -> Tensor:
        """y_i(x) = sum_j w_ij(x) y_j(x), with w_i = softmax(W_i x) -> its logit (B, T)"""
        if self.mixing is None:
            return logits_BST[:, 0]
        n_scenarios, n_tasks = self.shape_ST
        weights_BSTS = self.mixing(x_BD).unflatten(1, (n_scenarios, n_tasks, n_scenarios))
        log_w_BTS = of_own_scenario(weights_BSTS, scenario_B).log_softmax(dim=2)
        # A row trains the prediction of its own scenario alone ("task-constrained back-propagation").
        own_BS1 = nn.functional.one_hot(scenario_B, n_scenarios)[..., None] > 0
        z_BTS = torch.where(own_BS1, logits_BST, logits_BST.detach()).transpose(1, 2)
        # As logarithms: the logit of a mean of probabilities near 0 or 1 keeps its digits.
        return (log_w_BTS + logsigmoid(z_BTS)).logsumexp(dim=2) - (log_w_BTS + logsigmoid(-z_BTS)).logsumexp(dim=2)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start. A new scenario's gates, towers and mixing weights begin anew."""
        x, experts, own = of_x(self.fields, spec), range(self.config.experts), pairs(scenarios(spec), spec.tasks)
        return (
            self.end_axes(spec)
            | of_experts("experts", experts, x)
            | of_linear("gate", pairs(own, experts), x)
            | of_linear("mixing", pairs(own, scenarios(spec)), x)
            | Axes(members={"scenario_towers": own})
        )


def build(spec: FeatureSpec, config: Config) -> HMoE:
    return HMoE(spec, config)
