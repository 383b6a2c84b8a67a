"""STAR: each scenario's weights are the shared ones times its own.

Sheng et al., "One Model to Serve All: Star Topology Adaptive Recommender", CIKM 2021. B batch, D width of x, I input,
O output, S scenarios (the paper's domains), T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import MLP, Dropout, FieldEmbedding, xavier
from hinet_core.models.parts.axes import Axes, of_mlp, of_x, scenarios
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.task_model import TaskModel, of_own_scenario

EPSILON = 1e-5
# Rows of a scenario in a batch from which its own mean and variance are taken; below it the running ones are.
ENOUGH_ROWS = 32


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """The scenario's id enters the auxiliary network alone."""

    embedding: int = 8  # width of every field's embedding
    widths: tuple[int, ...] = (128, 64)  # of the star
    auxiliary_widths: tuple[int, ...] = (32,)
    normalize: bool = True  # partitioned normalization of x
    momentum: float = 0.05  # of the running mean and variance
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each layer of the star


PRESETS = {
    # DEPARTS: without the normalization, which costs 0.014 of validation AUC on meishi (docs/log.md).
    "quick": Config(normalize=False, input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=16, widths=(256, 128), auxiliary_widths=(64,)),
}


class PartitionedNorm(nn.Module):
    """z' = (gamma gamma_p) (z - mean_p) / sqrt(var_p + eps) + (beta + beta_p), with the statistics of scenario p.

    DEPARTS: batches mix scenarios, so each takes the statistics of its own rows in the batch; with few of them the
    running ones stand in, which move less for fewer rows.
    """

    def __init__(self, n_scenarios: int, width: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.scale_D, self.shift_D = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.scale_SD = nn.Parameter(torch.ones(n_scenarios, width))
        self.shift_SD = nn.Parameter(torch.zeros(n_scenarios, width))
        # Parameters without gradient, so that they are averaged and restored with the weights that they belong to.
        self.mean_SD = nn.Parameter(torch.zeros(n_scenarios, width), requires_grad=False)
        self.variance_SD = nn.Parameter(torch.ones(n_scenarios, width), requires_grad=False)

    def forward(self, x_BD: Tensor, scenario_B: Tensor) -> Tensor:
        """-> (B, D)"""
        running = (self.mean_SD, self.variance_SD)
        mean_SD, variance_SD = self._of_batch(x_BD, scenario_B) if self.training else running
        normal_BD = (x_BD - mean_SD[scenario_B]) * torch.rsqrt(variance_SD + EPSILON)[scenario_B]
        return (self.scale_D * self.scale_SD)[scenario_B] * normal_BD + (self.shift_D + self.shift_SD)[scenario_B]

    def _of_batch(self, x_BD: Tensor, scenario_B: Tensor) -> tuple[Tensor, Tensor]:
        own_SB = nn.functional.one_hot(scenario_B, len(self.mean_SD)).t().to(x_BD.dtype)
        rows_S1 = own_SB.sum(dim=1, keepdim=True)
        mean_SD = own_SB @ x_BD / rows_S1.clamp(min=1)
        variance_SD = own_SB @ (x_BD - mean_SD[scenario_B]).square() / rows_S1.clamp(min=1)
        with torch.no_grad():
            step_S1 = self.momentum * (rows_S1 / ENOUGH_ROWS).clamp(max=1)
            self.mean_SD.lerp_(mean_SD, step_S1)
            self.variance_SD.lerp_(variance_SD, step_S1)
        enough_S1 = rows_S1 >= ENOUGH_ROWS
        return torch.where(enough_S1, mean_SD, self.mean_SD), torch.where(enough_S1, variance_SD, self.variance_SD)


class StarLayer(nn.Module):
    """x W_p* + b_p* with W_p* = W_p ∘ W and b_p* = b_p + b, for all scenarios p: (B, I) or (S, B, I) -> (S, B, O)."""

    def __init__(self, n_scenarios: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.shared_1IO = xavier(1, n_in, n_out)
        self.shared_bias_O = nn.Parameter(torch.zeros(n_out))
        # Ones and zeros: every scenario starts as the shared network.
        self.own_SIO = nn.Parameter(torch.ones(n_scenarios, n_in, n_out))
        self.own_bias_SO = nn.Parameter(torch.zeros(n_scenarios, n_out))

    def forward(self, x: Tensor) -> Tensor:
        bias_S1O = (self.own_bias_SO + self.shared_bias_O)[:, None]
        return torch.matmul(x, self.own_SIO * self.shared_1IO) + bias_S1O


class STAR(TaskModel):
    """Batch -> logits_BT. DEPARTS: the paper has one task; ours share all layers but the last one."""

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        n_scenarios, n_tasks = len(spec.scenarios), len(spec.tasks)
        self.fields = FieldEmbedding(spec, c.embedding)
        self.input_dropout = Dropout(c.input_dropout)
        self.norm = PartitionedNorm(n_scenarios, self.fields.width, c.momentum) if c.normalize else None
        sizes: Sequence[int] = (self.fields.width, *c.widths, n_tasks)
        self.star = nn.ModuleList(StarLayer(n_scenarios, n_in, n_out) for n_in, n_out in pairwise(sizes))
        self.dropout = Dropout(c.dropout)
        self.scenario = nn.Embedding(n_scenarios, c.embedding)
        self.auxiliary = MLP(self.fields.width + c.embedding, c.auxiliary_widths, n_tasks)
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        x_BD = self.fields(batch)
        x_BD = self.input_dropout(x_BD if self.norm is None else self.norm(x_BD, batch.scenario_B))
        hidden = x_BD
        for layer in self.star[:-1]:
            hidden = self.dropout(torch.relu(layer(hidden)))
        main_BT = of_own_scenario(self.star[-1](hidden).transpose(0, 1), batch.scenario_B)
        # sigmoid(s_m + s_a): the auxiliary network reads the features and the scenario's embedding
        auxiliary_BT = self.auxiliary(torch.cat([x_BD, self.scenario(batch.scenario_B)], dim=1))
        return self.finish(main_BT + auxiliary_BT, batch)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start. A new scenario's own factors begin as ones, so it starts as the shared network."""
        x, own, top = of_x(self.fields, spec), scenarios(spec), len(self.star) - 1
        axes = self.end_axes(spec) | Axes({"scenario.weight": (own,)})
        axes |= Axes({f"norm.{name}_D": (x,) for name in ("scale", "shift")})
        axes |= Axes({f"norm.{name}_SD": (own, x) for name in ("scale", "shift", "mean", "variance")})
        for place in range(len(self.star)):
            inputs, outputs = x if place == 0 else None, spec.tasks if place == top else None
            axes |= Axes({
                f"star.{place}.shared_1IO": (None, inputs, outputs), f"star.{place}.shared_bias_O": (outputs,),
                f"star.{place}.own_SIO": (own, inputs, outputs), f"star.{place}.own_bias_SO": (own, outputs),
            })  # fmt: skip
        return axes | of_mlp("auxiliary", self.auxiliary, [*x, *range(self.config.embedding)], spec.tasks)


def build(spec: FeatureSpec, config: Config) -> STAR:
    return STAR(spec, config)
