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
from hinet_core.models.layers import MLP, Calibration, Dropout, Experts, FieldEmbedding, PositionTerm, linear
from hinet_core.models.parts.cgc import CustomizedGateControl


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
    tower_widths: tuple[int, ...] = (32,)
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each sub-expert layer
    task_dropout: float = 0.0  # after each CGC expert layer
    san_norm: Literal["exclude", "zero_after"] = "exclude"  # softmax over the others, or over all then own = 0
    scenario_in_x: bool = False


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3, task_dropout=0.3),
    # The sizes of the authors' code. DEPARTS: without its BatchNorm, ReLU gates and one head per scenario, since
    # there the CGC gate is dead and labels of other scenarios count as negatives.
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


class HiNet(nn.Module):
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
        self.cgc = CustomizedGateControl(
            n_tasks, c.own_experts, c.shared_experts, 3 * n_hidden, c.expert_widths, c.task_dropout
        )
        self.towers = nn.ModuleList(MLP(c.expert_widths[-1], c.tower_widths, 1) for _ in spec.tasks)
        self.position = PositionTerm(n_scenarios, spec.n_positions, n_tasks)
        self.calibration = Calibration(n_scenarios, n_tasks)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        return self.explain(batch).logits_BT

    def explain(self, batch: Batch) -> Explanation:
        """The forward pass with its gates; call under `torch.no_grad()` after `eval()` to inspect."""
        x_BD = self.input_dropout(self.fields(batch))
        groups_GBH, sei_BGK = self.sei(x_BD)
        san_SS = self.san()
        tasks, cgc_BTR = self.cgc(self.scenario_layer(groups_GBH, san_SS, batch.scenario_B))
        logits_BT = torch.cat([tower(task_BH) for tower, task_BH in zip(self.towers, tasks, strict=True)], dim=1)
        logits_BT = logits_BT + self.position(batch.scenario_B, batch.position_B)
        logits_BT = self.calibration(logits_BT, batch.scenario_B)
        return Explanation(logits_BT, san_SS, sei_BGK, cgc_BTR)

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
