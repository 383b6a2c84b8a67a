"""Training MMoE, the whole loop with its data, against a plain MMoE: a module per expert, torch's Adam with clipping.

`python bench/mmoe.py [rounds]`: one JSON line per way, measured as in hinet.py and on its rows. Four experts and two
towers of 128 and 64, no dropout; the scenario is not in x.
"""

import sys
from dataclasses import replace

import torch
from hinet import (
    ADAGRAD,
    BATCH,
    FIELDS,
    PLAIN,
    ROUNDS,
    ROWS,
    TASKS,
    Way,
    measure,
    our_step,
    plain_step,
    products,
    rows_of,
    spec_of,
)
from plain_hinet import PlainFields, PlainSEI, network
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.mmoe import PRESETS, Config, MMoE

SIZES = replace(PRESETS["paper"], experts=4, dropout=0.0, scenario_in_x=False)
TRAININGS = {
    "dense Adam, fused": PLAIN,
    "touched Adam": replace(PLAIN, embedding_optimizer="touched_adam"),
    "row-wise Adagrad": ADAGRAD,
    "bfloat16, row-wise Adagrad": replace(ADAGRAD, precision="bfloat16"),
}


class PlainMMoE(nn.Module):
    """Batch -> logits_BT: a module per expert, every expert once per row."""

    def __init__(self, spec: FeatureSpec, c: Config) -> None:
        super().__init__()
        self.fields = PlainFields(spec, c.embedding, c.scenario_in_x)
        self.experts = PlainSEI(self.fields.width, c.experts, c.expert_widths).experts
        self.gates = nn.ModuleList(nn.Linear(self.fields.width, c.experts) for _ in spec.tasks)
        self.towers = nn.ModuleList(network(c.expert_widths[-1], c.tower_widths, 1) for _ in spec.tasks)

    def forward(self, batch: Batch) -> Tensor:
        x_BD = self.fields(batch)
        experts_BEH = torch.stack([expert(x_BD) for expert in self.experts], dim=1)
        mixed = [(gate(x_BD).softmax(dim=1)[..., None] * experts_BEH).sum(dim=1) for gate in self.gates]
        return torch.cat([tower(one_BH) for tower, one_BH in zip(self.towers, mixed, strict=True)], dim=1)


def ways() -> list[Way]:
    spec, c = spec_of(ROWS), SIZES
    data, d = rows_of(spec, 10 * BATCH), FIELDS * c.embedding
    tower = products(c.expert_widths[-1], *c.tower_widths, 1)
    flop = 3.0 * (c.experts * products(d, *c.expert_widths) + TASKS * (products(d, c.experts) + tower))
    torch.manual_seed(0)
    found = [Way("plain", "plain", "float32", flop, plain_step(PlainMMoE(spec, c), data, BATCH, clip_norm=10.0))]
    for name, train in TRAININGS.items():
        found.append(Way(name, "plain", train.precision, flop, our_step(MMoE(spec, c), data, BATCH, train)))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure("mmoe", ways(), int(sys.argv[1]) if len(sys.argv) > 1 else 2 * ROUNDS)
