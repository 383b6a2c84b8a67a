"""The two modules of HiNet's scenario layer: sub-expert integration (SEI) and scenario-aware attention (SAN).

B batch, D width of x, G expert groups (shared, then one per scenario), H hidden, K sub-experts of a group,
S scenarios.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from hinet_core.models.layers import Experts, linear
from hinet_core.models.parts.axes import Axes, Axis, Label, of_experts, of_linear, pairs
from hinet_core.models.parts.mixture import mix

SanNorm = Literal["exclude", "zero_after"]
SanGate = Literal["linear", "mlp"]
SanStart = Literal["random", "even"]
# What an even start leaves of the gate's first weights; not 0, or the embedding would get no gradient.
EVEN = 0.05
GATE_WIDTHS = (128, 64, 1)  # of the authors' attention gate


class SubExpertIntegration(nn.Module):
    """All SEIs at once: SEI_g(x) = sum_k softmax(W_g x)_k Q_gk(x). Sub-expert k of group g is row g K + k.

    With one sub-expert there is nothing to weigh: no gate, and a weight of 1.
    """

    def __init__(
        self, n_groups: int, n_in: int, n_sub: int, widths: Sequence[int], dropout: float, last_relu: bool = True
    ) -> None:
        super().__init__()
        self.shape_GK = (n_groups, n_sub)
        self.experts = Experts(n_groups * n_sub, n_in, widths, dropout, last_relu)
        self.gate = linear(n_in, n_groups * n_sub) if n_sub > 1 else None

    def forward(self, x_BD: Tensor) -> tuple[Tensor, Tensor]:
        """-> outputs (G, B, H), gates (B, G, K)"""
        if self.gate is None:
            return self.experts(x_BD), x_BD.new_ones(x_BD.shape[0], *self.shape_GK)
        gate_BGK = self.gate(x_BD).unflatten(1, self.shape_GK).softmax(dim=2)
        n_groups, n_sub = self.shape_GK
        reads_GK = [range(g * n_sub, (g + 1) * n_sub) for g in range(n_groups)]
        return mix(self.experts, x_BD, gate_BGK, [reads_GK], [x_BD.shape[0]]), gate_BGK

    def axes(self, name: str, groups: Sequence[Label], inputs: Axis) -> Axes:
        """For a warm start, as the module of this name."""
        rows = pairs(groups, range(self.shape_GK[1]))
        return of_experts(f"{name}.experts", rows, inputs) | of_linear(f"{name}.gate", rows, inputs)


def single_widths(n_in: int, n_sub: int, widths: Sequence[int]) -> tuple[int, ...]:
    """Hidden widths of one network with as many parameters as an SEI of `n_sub` sub-experts and its gate.

    The last width, which the next layer reads, stays; those before it grow by one factor. A sub-expert of one layer
    has none before it: the network gets one. The first width then takes up what rounding left.
    """
    wanted = n_sub * (n_parameters(n_in, widths) + n_in + 1) if n_sub > 1 else n_parameters(n_in, widths)
    *hidden, last = widths if len(widths) > 1 else (widths[0], widths[0])
    low, high = 0.0, float(n_sub + 1)
    while high - low > 1e-6:
        factor = (low + high) / 2
        too_many = n_parameters(n_in, [*(width * factor for width in hidden), last]) > wanted
        low, high = (low, factor) if too_many else (factor, high)
    rest = [max(1, round(width * low)) for width in hidden[1:]]
    # One more unit in the first layer costs its weights from x, its bias and its weights to the next layer.
    behind = [*rest, last]
    unit, fixed = n_in + 1 + behind[0], n_parameters(0, behind)
    return max(1, round((wanted - fixed) / unit)), *behind


def n_parameters(n_in: int, widths: Sequence[float]) -> float:
    """Weights and biases of a network of these layers."""
    return sum((a + 1) * b for a, b in pairwise([n_in, *widths]))


class ScenarioAwareAttention(nn.Module):
    """SAN: one row of weights per scenario over the experts of the others, from the scenario embedding alone.

    `gate` "mlp" is the authors': ReLU layers of 128, 64, 1 and S units. All a scenario can say passes through the one
    unit; where that is 0, its weights are those of every other such scenario and it learns none. `start` "even" begins
    with nearly the same weight for all others, so that what differs in the end was learned.
    """

    own_SS: Tensor

    def __init__(
        self, n_scenarios: int, width: int, norm: SanNorm, gate: SanGate = "linear", start: SanStart = "random"
    ) -> None:
        super().__init__()
        self.norm = norm
        self.register_buffer("own_SS", torch.eye(n_scenarios, dtype=torch.bool), persistent=False)
        # A lone scenario has nobody to attend to: no parameters, and weights of zero instead of softmax(-inf).
        self.embedding = nn.Embedding(n_scenarios, width) if n_scenarios > 1 else None
        self.gate: nn.Module | None = None
        if n_scenarios > 1:
            self.gate = linear(width, n_scenarios) if gate == "linear" else relu_layers(width, n_scenarios)
            if start == "even":
                last = [layer for layer in self.gate.modules() if isinstance(layer, nn.Linear)][-1]
                last.weight.data.mul_(EVEN)

    def forward(self) -> Tensor:
        """-> san_SS, row i = a(e_i), zero on the diagonal"""
        if self.embedding is None or self.gate is None:
            return torch.zeros_like(self.own_SS, dtype=torch.get_default_dtype())
        logits_SS = self.gate(self.embedding.weight)
        if self.norm == "exclude":
            return logits_SS.masked_fill(self.own_SS, -torch.inf).softmax(dim=1)
        return logits_SS.softmax(dim=1).masked_fill(self.own_SS, 0.0)


def relu_layers(n_in: int, n_out: int) -> nn.Sequential:
    sizes = pairwise([n_in, *GATE_WIDTHS, n_out])
    return nn.Sequential(*(layer for size in sizes for layer in (linear(*size), nn.ReLU())))
