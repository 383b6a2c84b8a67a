"""HiNet: a scenario layer of shared and own experts under a task layer of shared and own experts.

Zhou et al., "HiNet", ICDE 2023 (arXiv 2303.06095). docs/models.md says for every switch what the authors' code does and
why ours differs. B batch, C width of C_i, D width of x, G expert groups (shared, then one per scenario), H hidden,
K sub-experts of a group, R experts a task reads, S scenarios (the paper's M), T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import MLP, Dropout, FieldEmbedding, funnel_product
from hinet_core.models.parts.axes import SHARED, Axes, of_linear, of_x, pairs, scenarios
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.input_norm import InputNorm, input_norm
from hinet_core.models.parts.routed import RoutedGateControl
from hinet_core.models.parts.scenario_layer import (
    SanGate,
    SanNorm,
    SanStart,
    ScenarioAwareAttention,
    SubExpertIntegration,
    single_widths,
)
from hinet_core.models.parts.task_model import TaskModel, of_own_scenario


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
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
    input_norm: InputNorm = "none"  # of x: "scale" is what the authors' BatchNorm amounts to
    sub_expert_output: Literal["relu", "linear"] = "relu"  # of a sub-expert's last layer
    scenario_in_x: bool = False
    san_gate: SanGate = "linear"  # or the authors' ReLU layers with one unit in the middle
    san_start: SanStart = "random"  # or with nearly the same weight for all others, so that differences are learned
    san_norm: SanNorm = "exclude"  # softmax over the others, or over all then own = 0
    heads: Literal["per_task", "per_scenario_task"] = "per_task"  # own CGC experts, gate and tower of each
    funnel: Literal["direct", "product"] = "direct"  # a later step's logit as it is, or ESMM's product
    without: Literal["nothing", "hierarchy", "san", "sei"] = "nothing"  # what an ablation takes out


QUICK = Config(input_dropout=0.1, dropout=0.3, task_dropout=0.3)
PAPER = Config(
    embedding=16,
    scenario_embedding=64,
    sub_experts=5,
    sub_expert_widths=(128, 64),
    expert_widths=(128, 64),
    tower_widths=(128, 64),
    dropout=0.5,
)
PRESETS = {
    "quick": QUICK,
    # The sizes of the authors' code, with our defaults for what the paper leaves open.
    "paper": PAPER,
    # DEPARTS from the authors' code where that looks unintended: there all CGC gates are 1 by a softmax over an axis of
    # one, ReLUs stand before the softmax of SEI and CGC gates, and rows of other scenarios count as negatives.
    "authors": replace(PAPER, heads="per_scenario_task", san_gate="mlp", san_norm="zero_after", input_norm="scale"),
    "without_hierarchy": replace(QUICK, without="hierarchy"),
    "without_san": replace(QUICK, without="san"),
    "without_sei": replace(QUICK, without="sei"),
}


@dataclass(frozen=True)
class Explanation:
    """Where a batch's logits come from. Every gate sums to 1 over its last axis."""

    logits_BT: Tensor
    san_SS: Tensor  # row i: what scenario i takes from the experts of each other scenario; 0 without SAN
    sei_BGK: Tensor  # G = 0 is the shared group, G = j + 1 that of scenario j; no group without the scenario layer
    cgc_BTR: Tensor  # R = the task's own experts, then the shared ones


class TaskHeads(nn.Module):
    """The task layer: z_h = Tower_h(T_h), T_h = sum_r softmax(W_h C_i)_r [E_h ; E_s]_r(C_i), for a row's heads h.

    `per_task`: head t is task t in every scenario. `per_scenario_task`: head i T + t is task t in scenario i, and a row
    passes through those of its own scenario alone; as no other enters its loss, that is masked by scenario.
    """

    def __init__(self, c: Config, n_in: int, n_scenarios: int, n_tasks: int) -> None:
        super().__init__()
        self.n_scenarios, self.n_tasks = n_scenarios, n_tasks
        # Without the scenario layer, heads of its own are all that a scenario has.
        self.routes = c.heads == "per_scenario_task" or c.without == "hierarchy"
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
        if torch.compiler.is_exporting():
            return self.picked(input_BC, scenario_B)
        # In the order of their scenarios, rows of one are a slice; a stable sort keeps every sum the same each time.
        order_B = scenario_B.argsort(stable=True)
        sizes_S = scenario_B.bincount(minlength=self.n_scenarios).tolist()
        scenarios, gate_BTR = self.cgc.routed(input_BC[order_B], sizes_S)
        logits_BT = torch.cat([self._logits(mixed, i * self.n_tasks) for i, mixed in enumerate(scenarios)])
        back_B = order_B.argsort()
        return logits_BT[back_B], gate_BTR[back_B]

    def picked(self, input_BC: Tensor, scenario_B: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, by running all heads: an exported program knows no sizes that depend on its rows."""
        mixed, gate_BHR = self.cgc(input_BC)
        own_BT = scenario_B[:, None] * self.n_tasks + torch.arange(self.n_tasks, device=scenario_B.device)
        own_BTR = own_BT[..., None].expand(-1, -1, gate_BHR.shape[2])
        return self._logits(mixed, 0).gather(1, own_BT), gate_BHR.gather(1, own_BTR)

    def largest_outputs(self, input_BC: Tensor, scenario_B: Tensor) -> Tensor:
        """-> (B, T, R), the largest absolute output of each expert of the top level that a row's gates weigh"""
        inputs = self.cgc.lowered(input_BC)
        groups = self.cgc.experts_of(range(len(inputs)), inputs)
        *own, shared_BR = (group_RBH.abs().amax(dim=2).t() for group_RBH in groups)
        all_BHR = torch.stack([torch.cat([own_BR, shared_BR], dim=1) for own_BR in own], dim=1)
        if not self.routes:
            return all_BHR
        return of_own_scenario(all_BHR.unflatten(1, (self.n_scenarios, self.n_tasks)), scenario_B)

    def _logits(self, mixed: Sequence[Tensor], first: int) -> Tensor:
        """One (N, H) per head from `first` on -> (N, as many)"""
        towers = list(self.towers)[first : first + len(mixed)]
        return torch.cat([tower(mixed_NH) for tower, mixed_NH in zip(towers, mixed, strict=True)], dim=1)


class ScenarioLayer(nn.Module):
    """C_i = [G ; S_i ; A_i]: the shared SEI, the scenario's own, and the others' as SAN weighs them."""

    def __init__(self, c: Config, n_in: int, n_scenarios: int) -> None:
        super().__init__()
        n_sub, widths = c.sub_experts, c.sub_expert_widths
        if c.without == "sei":
            n_sub, widths = 1, single_widths(n_in, n_sub, widths)
        self.sei = SubExpertIntegration(
            1 + n_scenarios, n_in, n_sub, widths, c.dropout, last_relu=c.sub_expert_output == "relu"
        )
        attends = c.without != "san"
        gate = (c.san_norm, c.san_gate, c.san_start)
        self.san = ScenarioAwareAttention(n_scenarios, c.scenario_embedding, *gate) if attends else None
        self.n_scenarios, self.width = n_scenarios, (3 if attends else 2) * widths[-1]

    def forward(self, x_BD: Tensor, scenario_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> C_i (B, C), SAN's matrix (S, S), SEI gates (B, G, K)"""
        groups_GBH, sei_BGK = self.sei(x_BD)
        san_SS = x_BD.new_zeros(self.n_scenarios, self.n_scenarios) if self.san is None else self.san()
        parts = self.parts(groups_GBH, san_SS, scenario_B)
        return torch.cat(parts[: self.width // groups_GBH.shape[2]], dim=1), san_SS, sei_BGK

    @staticmethod
    def parts(groups_GBH: Tensor, san_SS: Tensor, scenario_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> G, S_i, A_i, each (B, H). All S_j run on the same x: the own one is picked, SAN mixes the rest."""
        shared_1BH, specific_SBH = groups_GBH.split([1, len(groups_GBH) - 1])
        own_SB1 = nn.functional.one_hot(scenario_B, len(specific_SBH)).t()[..., None].to(groups_GBH.dtype)
        own_BH = (own_SB1 * specific_SBH).sum(dim=0)
        # A_i = sum_{j != i} a_j(e_i) S_j
        others_BH = (san_SS[scenario_B].t()[..., None] * specific_SBH).sum(dim=0)
        return shared_1BH[0], own_BH, others_BH


class HiNet(TaskModel):
    """Batch -> logits_BT. `HiNet(spec)` is the quick preset without dropout; see `Config`."""

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        check(c, spec)
        n_scenarios = len(spec.scenarios)
        self.after = spec.after
        self.fields = FieldEmbedding(spec, c.embedding, c.scenario_in_x)
        self.input = nn.Sequential(input_norm(c.input_norm, self.fields.width), Dropout(c.input_dropout))
        flat = c.without == "hierarchy"
        self.scenario_layer = None if flat else ScenarioLayer(c, self.fields.width, n_scenarios)
        n_in = self.fields.width if self.scenario_layer is None else self.scenario_layer.width
        self.heads = TaskHeads(c, n_in, n_scenarios, len(spec.tasks))
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        return self.explain(batch).logits_BT

    def explain(self, batch: Batch) -> Explanation:
        """The forward pass with its gates; call under `torch.no_grad()` after `eval()` to inspect."""
        x_BD, n_scenarios = self.input(self.fields(batch)), self.heads.n_scenarios
        if self.scenario_layer is None:
            scenario_BC, san_SS, sei_BGK = (
                x_BD,
                x_BD.new_zeros(n_scenarios, n_scenarios),
                x_BD.new_zeros(x_BD.shape[0], 0, 0),
            )
        else:
            scenario_BC, san_SS, sei_BGK = self.scenario_layer(x_BD, batch.scenario_B)
        logits_BT, cgc_BTR = self.heads(scenario_BC, batch.scenario_B)
        return Explanation(self.finish(logits_BT, batch), san_SS, sei_BGK, cgc_BTR)

    def largest_outputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-> per row the largest absolute output of each SEI sub-expert (B, G, K), and of each CGC expert that the
        row's gates weigh (B, T, R): an expert that gives 0 for every row is dead, whatever its gate says."""
        x_BD = self.input(self.fields(batch))
        if self.scenario_layer is None:
            return x_BD.new_zeros(len(x_BD), 0, 0), self.heads.largest_outputs(x_BD, batch.scenario_B)
        sei = self.scenario_layer.sei
        sub_BGK = sei.experts(x_BD).abs().amax(dim=2).t().unflatten(1, sei.shape_GK)
        scenario_BC, _, _ = self.scenario_layer(x_BD, batch.scenario_B)
        return sub_BGK, self.heads.largest_outputs(scenario_BC, batch.scenario_B)

    def finish(self, logits_BT: Tensor, batch: Batch) -> Tensor:
        """-> logits_BT with the slot's term of each step, multiplied along the funnel if asked, then calibrated"""
        logits_BT = logits_BT + self.position(batch.scenario_B, batch.position_B)
        if self.config.funnel == "product":
            logits_BT = funnel_product(logits_BT, self.after)
        return self.calibration(logits_BT, batch.scenario_B)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start: a new scenario's SEI starts as the shared one; what SAN and heads of its own know, anew."""
        x, own, tasks = of_x(self.fields, spec), scenarios(spec), list(spec.tasks)
        heads = pairs(own, tasks) if self.heads.routes else tasks
        axes = self.end_axes(spec) | Axes({"input": (x,)}, {"heads.towers": heads})
        if self.scenario_layer is None:
            return axes | self.heads.cgc.axes("heads.cgc", [*heads, "shared experts"], x)
        axes |= self.heads.cgc.axes("heads.cgc", [*heads, "shared experts"])
        axes |= self.scenario_layer.sei.axes("scenario_layer.sei", [SHARED, *own], x)
        san = self.scenario_layer.san
        if san is None or san.gate is None:
            return axes
        gate = "gate" if isinstance(san.gate, nn.Linear) else f"gate.{len(cast(nn.Sequential, san.gate)) - 2}"
        axes |= of_linear(f"scenario_layer.san.{gate}", own)
        return axes | Axes({"scenario_layer.san.embedding.weight": (own,)})


def check(c: Config, spec: FeatureSpec) -> None:
    """Raises ValueError for a product without a known funnel."""
    if c.funnel == "product" and len(spec.after) != len(spec.tasks):
        raise ValueError(
            f"funnel is 'product', but the feature spec does not say which task follows which (after is {spec.after}): "
            "encode the examples anew, or set funnel to 'direct'"
        )


def build(spec: FeatureSpec, config: Config) -> HiNet:
    return HiNet(spec, config)
