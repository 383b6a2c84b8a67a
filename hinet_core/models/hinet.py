"""HiNet: a scenario layer of shared and own experts under a task layer of shared and own experts.

Zhou et al., "HiNet", ICDE 2023 (arXiv 2303.06095). B batch, C width of C_i, D width of x, E sub-experts,
G expert groups (shared, then one per scenario), H hidden, K sub-experts of a group, R experts a task reads,
S scenarios (the paper's M), T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import MLP, Dropout, Experts, FieldEmbedding, linear
from hinet_core.models.parts.routed import RoutedGateControl
from hinet_core.models.parts.task_model import TaskModel


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and the switches that the paper leaves open."""

    embedding: int = 8  # width of every field's embedding
    scenario_embedding: int = 8  # width of e_i, the SAN gate's only input
    sub_experts: int = 2  # K of every SEI
    sub_expert_widths: tuple[int, ...] = (64, 32)  # the last one is H of the scenario layer
    own_experts: int = 2  # m_t of the CGC, per task
    shared_experts: int = 2  # m_s of the CGC
    expert_widths: tuple[int, ...] = (64, 32)
    levels: int = 1  # of the CGC, stacked as in PLE
    lower_reads: Literal["own", "all"] = "own"  # what a task's gate below the top level reads
    tower_widths: tuple[int, ...] = (32,)
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each sub-expert layer
    task_dropout: float = 0.0  # after each CGC expert layer
    san_norm: Literal["exclude", "zero_after"] = "exclude"  # softmax over the others, or over all then own = 0
    scenario_in_x: bool = False
    heads: Literal["per_task", "per_scenario_task"] = "per_task"  # own CGC experts, gate and tower of each


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3, task_dropout=0.3),
    # The sizes of the authors' code. DEPARTS: without its BatchNorm, ReLU gates and one head per scenario and task,
    # since there the CGC gate is dead and labels of other scenarios count as negatives.
    "paper": Config(
        embedding=16,
        scenario_embedding=64,
        sub_experts=5,
        sub_expert_widths=(128, 64),
        expert_widths=(128, 64),
        tower_widths=(128, 64),
        dropout=0.5,
    ),
}


@dataclass(frozen=True)
class Explanation:
    """Where a batch's logits come from. Every gate sums to 1 over its last axis."""

    logits_BT: Tensor
    san_SS: Tensor  # row i: what scenario i takes from the experts of each other scenario; zero diagonal
    sei_BGK: Tensor  # G = 0 is the shared group, G = j + 1 that of scenario j
    cgc_BTR: Tensor  # R = the task's own experts, then the shared ones


class SubExpertIntegration(nn.Module):
    """All SEIs at once: SEI_g(x) = sum_k softmax(W_g x)_k Q_gk(x). Sub-expert k of group g is row g K + k."""

    def __init__(self, n_groups: int, n_in: int, n_sub: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.shape_GK = (n_groups, n_sub)
        self.experts = Experts(n_groups * n_sub, n_in, widths, dropout)
        self.gate = linear(n_in, n_groups * n_sub)

    def forward(self, x_BD: Tensor) -> tuple[Tensor, Tensor]:
        """-> outputs (G, B, H), gates (B, G, K)"""
        gate_BGK = self.gate(x_BD).unflatten(1, self.shape_GK).softmax(dim=2)
        sub_GKBH = self.experts(x_BD).unflatten(0, self.shape_GK)
        return (gate_BGK.permute(1, 2, 0)[..., None] * sub_GKBH).sum(dim=1), gate_BGK


class ScenarioAwareAttention(nn.Module):
    """SAN: one row of weights per scenario over the experts of the others, from the scenario embedding alone."""

    own_SS: Tensor

    def __init__(self, n_scenarios: int, width: int, norm: str) -> None:
        super().__init__()
        if norm not in ("exclude", "zero_after"):
            raise ValueError(f"san_norm is {norm!r}, expected 'exclude' or 'zero_after'")
        self.norm = norm
        self.register_buffer("own_SS", torch.eye(n_scenarios, dtype=torch.bool), persistent=False)
        # A lone scenario has nobody to attend to: no parameters, and weights of zero instead of softmax(-inf).
        self.embedding = nn.Embedding(n_scenarios, width) if n_scenarios > 1 else None
        self.gate = linear(width, n_scenarios) if n_scenarios > 1 else None

    def forward(self) -> Tensor:
        """-> san_SS, row i = a(e_i), zero on the diagonal"""
        if self.embedding is None or self.gate is None:
            return torch.zeros_like(self.own_SS, dtype=torch.get_default_dtype())
        logits_SS = self.gate(self.embedding.weight)
        if self.norm == "exclude":
            return logits_SS.masked_fill(self.own_SS, -torch.inf).softmax(dim=1)
        return logits_SS.softmax(dim=1).masked_fill(self.own_SS, 0.0)


class TaskHeads(nn.Module):
    """The task layer: z_h = Tower_h(T_h), T_h = sum_r softmax(W_h C_i)_r [E_h ; E_s]_r(C_i), for a row's heads h.

    `per_task`: head t is task t in every scenario. `per_scenario_task`: head i T + t is task t in scenario i, and a row
    passes through those of its own scenario alone; as no other enters its loss, that is masked by scenario.
    """

    def __init__(self, c: Config, n_in: int, n_scenarios: int, n_tasks: int) -> None:
        super().__init__()
        if c.heads not in ("per_task", "per_scenario_task"):
            raise ValueError(f"heads is {c.heads!r}, expected 'per_task' or 'per_scenario_task'")
        self.n_scenarios, self.n_tasks, self.routes = n_scenarios, n_tasks, c.heads == "per_scenario_task"
        n_heads = n_scenarios * n_tasks if self.routes else n_tasks
        self.cgc = RoutedGateControl(
            n_heads, c.own_experts, c.shared_experts, n_in, c.expert_widths, c.task_dropout, c.levels, c.lower_reads
        )
        self.towers = nn.ModuleList(MLP(c.expert_widths[-1], c.tower_widths, 1) for _ in range(n_heads))

    def forward(self, input_BC: Tensor, scenario_B: Tensor) -> tuple[Tensor, Tensor]:
        """-> logits (B, T), gates (B, T, R) of each row's own heads"""
        if not self.routes:
            mixed, gate_BTR = self.cgc(input_BC)
            return self._logits(mixed, 0), gate_BTR
        # In the order of their scenarios, rows of one are a slice; a stable sort keeps every sum the same each time.
        order_B = scenario_B.argsort(stable=True)
        sizes_S = scenario_B.bincount(minlength=self.n_scenarios).tolist()
        scenarios, gate_BTR = self.cgc.routed(input_BC[order_B], sizes_S)
        logits_BT = torch.cat([self._logits(mixed, i * self.n_tasks) for i, mixed in enumerate(scenarios)])
        back_B = order_B.argsort()
        return logits_BT[back_B], gate_BTR[back_B]

    def all_heads(self, input_BC: Tensor) -> Tensor:
        """Every row through every head -> logits (B, heads)"""
        return self._logits(self.cgc(input_BC)[0], 0)

    def _logits(self, mixed: Sequence[Tensor], first: int) -> Tensor:
        """One (N, H) per head from `first` on -> (N, as many)"""
        towers = list(self.towers)[first : first + len(mixed)]
        return torch.cat([tower(mixed_NH) for tower, mixed_NH in zip(towers, mixed, strict=True)], dim=1)


class HiNet(TaskModel):
    """Batch -> logits_BT. `HiNet(spec)` is the quick preset without dropout; see `Config`."""

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        n_scenarios, n_tasks, n_hidden = len(spec.scenarios), len(spec.tasks), c.sub_expert_widths[-1]
        self.fields = FieldEmbedding(spec, c.embedding, c.scenario_in_x)
        self.input_dropout = Dropout(c.input_dropout)
        self.sei = SubExpertIntegration(
            1 + n_scenarios, self.fields.width, c.sub_experts, c.sub_expert_widths, c.dropout
        )
        self.san = ScenarioAwareAttention(n_scenarios, c.scenario_embedding, c.san_norm)
        self.heads = TaskHeads(c, 3 * n_hidden, n_scenarios, n_tasks)
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        return self.explain(batch).logits_BT

    def explain(self, batch: Batch) -> Explanation:
        """The forward pass with its gates; call under `torch.no_grad()` after `eval()` to inspect."""
        x_BD = self.input_dropout(self.fields(batch))
        groups_GBH, sei_BGK = self.sei(x_BD)
        san_SS = self.san()
        scenario_BC = self.scenario_layer(groups_GBH, san_SS, batch.scenario_B)
        logits_BT, cgc_BTR = self.heads(scenario_BC, batch.scenario_B)
        return Explanation(self.finish(logits_BT, batch), san_SS, sei_BGK, cgc_BTR)

    @staticmethod
    def scenario_layer(groups_GBH: Tensor, san_SS: Tensor, scenario_B: Tensor) -> Tensor:
        """C_i = [G ; S_i ; A_i] -> (B, 3 H). All S_j run on the same x: the own one is picked, SAN mixes the rest."""
        shared_BH, specific_SBH = groups_GBH[0], groups_GBH[1:]
        own_SB1 = nn.functional.one_hot(scenario_B, len(specific_SBH)).t()[..., None].to(shared_BH.dtype)
        own_BH = (own_SB1 * specific_SBH).sum(dim=0)
        # A_i = sum_{j != i} a_j(e_i) S_j
        others_BH = (san_SS[scenario_B].t()[..., None] * specific_SBH).sum(dim=0)
        return torch.cat([shared_BH, own_BH, others_BH], dim=1)


def build(spec: FeatureSpec, config: Config) -> HiNet:
    return HiNet(spec, config)
