"""PEPNet: gates in [0, 2] on the embeddings by the scenario, and on the layers of each task's tower by who and what.

Chang et al., "PEPNet: Parameter and Embedding Personalized Network", KDD 2023. B batch, D width of x, I input, T tasks.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.layers import Dropout, FieldEmbedding, linear
from hinet_core.models.parts.axes import Axes, of_linear, of_x, pairs, scenarios
from hinet_core.models.parts.config import ModelConfig
from hinet_core.models.parts.task_model import TaskModel


@dataclass(frozen=True, kw_only=True)
class Config(ModelConfig):
    """The scenario's id enters the gate of the embeddings alone."""

    embedding: int = 8  # width of every field's embedding
    # The id fields that say who sees what: the paper's user, item and author. Empty = all id fields that enter x.
    prior_fields: tuple[str, ...] = ()
    gate_hidden: int = 32  # width of the hidden layer of each gate
    tower_widths: tuple[int, ...] = (64, 32)
    input_dropout: float = 0.0
    dropout: float = 0.0  # after each layer of a tower


PRESETS = {
    "quick": Config(input_dropout=0.1, dropout=0.3),
    "paper": Config(embedding=16, gate_hidden=64, tower_widths=(128, 64)),
}


class GateNU(nn.Module):
    """delta = gamma sigmoid(relu(x W + b) W' + b') with gamma = 2: a factor for each of `n_out` numbers."""

    def __init__(self, n_in: int, n_hidden: int, n_out: int) -> None:
        super().__init__()
        self.hidden, self.out = linear(n_in, n_hidden), linear(n_hidden, n_out)

    def forward(self, x_BI: Tensor) -> Tensor:
        """-> (B, n_out), each between 0 and 2"""
        return 2 * torch.sigmoid(self.out(torch.relu(self.hidden(x_BI))))


class PEPNet(TaskModel):
    """Batch -> logits_BT

    DEPARTS: the scenario's prior is its id alone, without the statistics that the paper adds, and which fields are the
    user's, the item's and the author's is a setting, since the feature spec does not say.
    """

    prior_columns: Tensor

    def __init__(self, spec: FeatureSpec, config: Config | None = None) -> None:
        super().__init__()
        c = self.config = config or Config()
        n_tasks = self.n_tasks = len(spec.tasks)
        self.fields = FieldEmbedding(spec, c.embedding)
        self.input_dropout = Dropout(c.input_dropout)
        columns = prior_columns(spec, c)
        self.register_buffer("prior_columns", torch.tensor(columns, dtype=torch.int64), persistent=False)
        self.scenario = nn.Embedding(len(spec.scenarios), c.embedding)
        width, n_prior = self.fields.width, len(columns)
        self.epnet = GateNU(c.embedding + width, c.gate_hidden, width)
        sizes = (width, *c.tower_widths, 1)
        self.ppnet = nn.ModuleList(GateNU(n_prior + width, c.gate_hidden, n_tasks * size) for size in sizes[:-1])
        self.layers = nn.ModuleList(
            nn.ModuleList(linear(n_in, n_out) for _ in spec.tasks) for n_in, n_out in pairwise(sizes)
        )
        self.dropout = Dropout(c.dropout)
        self.add_end(spec)

    def forward(self, batch: Batch) -> Tensor:
        """-> logits_BT"""
        x_BD = self.input_dropout(self.fields(batch))
        # O_ep = V_ep(E(F_d) + stop(E)) * E: what the gate is about sends no gradient through it
        e_BD = self.epnet(torch.cat([self.scenario(batch.scenario_B), x_BD.detach()], dim=1)) * x_BD
        prior_BI = torch.cat([x_BD[:, self.prior_columns], e_BD.detach()], dim=1)
        # delta_task = V_pp(O_prior + stop(O_ep)), one factor per task, layer and unit
        tasks = [e_BD] * self.n_tasks
        depths = cast("list[nn.ModuleList]", self.layers)
        for depth, (gate, layers) in enumerate(zip(self.ppnet, depths, strict=True)):
            gates = gate(prior_BI).chunk(self.n_tasks, dim=1)
            # H^(l+1) = f((delta^(l) * H^(l)) W^(l) + b^(l)), without f at the end
            hidden = [h if depth == 0 else self.dropout(torch.relu(h)) for h in tasks]
            tasks = [layer(delta * h) for layer, delta, h in zip(layers, gates, hidden, strict=True)]
        return self.finish(torch.cat(tasks, dim=1), batch)

    def axes(self, spec: FeatureSpec) -> Axes:
        """For a warm start."""
        x, tasks = of_x(self.fields, spec), spec.tasks
        prior = pairs(["prior"], [x[column] for column in self.prior_columns.tolist()])
        axes = self.end_axes(spec) | Axes({"scenario.weight": (scenarios(spec),)})
        axes |= of_linear("epnet.hidden", None, [*range(self.config.embedding), *x]) | of_linear("epnet.out", x)
        for depth in range(len(self.ppnet)):
            inputs = x if depth == 0 else range(self.config.tower_widths[depth - 1])
            axes |= of_linear(f"ppnet.{depth}.hidden", None, [*prior, *x])
            axes |= of_linear(f"ppnet.{depth}.out", pairs(tasks, inputs))
            axes |= Axes(members={f"layers.{depth}": tasks})
            for place in range(len(tasks) if depth == 0 else 0):
                axes |= of_linear(f"layers.0.{place}", None, x)
        return axes


def prior_columns(spec: FeatureSpec, c: Config) -> list[int]:
    """The columns of x that hold the embeddings of the prior's fields. Raises ValueError for a name that is none."""
    names = [field.name for field in spec.fields if field.in_x]
    if unknown := sorted(set(c.prior_fields) - set(names)):
        raise ValueError(f"prior_fields holds {unknown}, expected some of the id fields in x: {names}")
    chosen = c.prior_fields or names
    return [i * c.embedding + k for i, name in enumerate(names) if name in chosen for k in range(c.embedding)]


def build(spec: FeatureSpec, config: Config) -> PEPNet:
    return PEPNet(spec, config)
