"""HiNet as one would write it first: a module per expert, loops, all heads computed and the own ones picked.

The same function as `hinet_core.models.hinet` with the same weights (`plain_of`), and the reference of its benchmark.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hinet_core.dataset import Batch, FeatureSpec
from hinet_core.models.hinet import HiNet


def network(n_in: int, widths: Sequence[int], n_out: int = 0) -> nn.Sequential:
    """Linear + ReLU per width, then (with `n_out`) a linear layer."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(n_in, width), nn.ReLU()]
        n_in = width
    return nn.Sequential(*layers, *([nn.Linear(n_in, n_out)] if n_out else []))


def weighted(gate_BR: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    """sum_r gate_r output_r"""
    return sum(gate_BR[:, r, None] * output_BH for r, output_BH in enumerate(outputs))


class PlainFields(nn.Module):
    """One embedding per field; lists are averaged over what is not padding."""

    def __init__(self, spec: FeatureSpec, width: int, scenario_in_x: bool) -> None:
        super().__init__()
        self.spec, self.scenario_in_x = spec, scenario_in_x
        self.ids = nn.ModuleDict({f.name: nn.Embedding(f.width, width) for f in spec.fields if f.in_x})
        self.scenario = nn.Embedding(len(spec.scenarios), width) if scenario_in_x else None
        self.lists = nn.ModuleDict({f.name: nn.Embedding(f.width, width) for f in spec.lists if f.in_x})
        numbers = sum(f.in_x for f in spec.numbers)
        self.width = (len(self.ids) + scenario_in_x + len(self.lists)) * width + numbers

    def forward(self, batch: Batch) -> Tensor:
        columns = {field.name: i for i, field in enumerate(self.spec.fields)}
        parts = [table(batch.fields_BF[:, columns[name]]) for name, table in self.ids.items()]
        if self.scenario is not None:
            parts.append(self.scenario(batch.scenario_B))
        for name, table in self.lists.items():
            ids_BL = batch.lists[name]
            present_BL1 = (ids_BL > 0).float()[..., None]
            parts.append((table(ids_BL) * present_BL1).sum(dim=1) / present_BL1.sum(dim=1).clamp(min=1))
        parts += [batch.numbers_BN[:, i, None] for i, field in enumerate(self.spec.numbers) if field.in_x]
        return torch.cat(parts, dim=1)


class PlainSEI(nn.Module):
    """SEI(x) = sum_k g_k(x) Q_k(x)"""

    def __init__(self, n_in: int, n_sub: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.experts = nn.ModuleList(network(n_in, widths) for _ in range(n_sub))
        self.gate = nn.Linear(n_in, n_sub)

    def forward(self, x_BD: Tensor) -> Tensor:
        return weighted(self.gate(x_BD).softmax(dim=1), [expert(x_BD) for expert in self.experts])


class PlainHiNet(nn.Module):
    """Batch -> logits_BT, without dropout and calibration."""

    def __init__(self, spec: FeatureSpec, config) -> None:
        super().__init__()
        c = self.config = config
        self.n_scenarios, self.n_tasks = len(spec.scenarios), len(spec.tasks)
        self.n_sets = self.n_scenarios if c.heads == "per_scenario_task" else 1
        heads = range(self.n_sets * self.n_tasks)
        self.fields = PlainFields(spec, c.embedding, c.scenario_in_x)
        d, h = self.fields.width, c.sub_expert_widths[-1]
        self.seis = nn.ModuleList(PlainSEI(d, c.sub_experts, c.sub_expert_widths) for _ in range(1 + self.n_scenarios))
        self.indicator = nn.Embedding(self.n_scenarios, c.scenario_embedding) if self.n_scenarios > 1 else None
        self.san_gate = nn.Linear(c.scenario_embedding, self.n_scenarios) if self.n_scenarios > 1 else None
        self.own = nn.ModuleList(network(3 * h, c.expert_widths) for _ in heads for _ in range(c.own_experts))
        self.shared = nn.ModuleList(network(3 * h, c.expert_widths) for _ in range(c.shared_experts))
        self.gates = nn.ModuleList(nn.Linear(3 * h, c.own_experts + c.shared_experts) for _ in heads)
        self.towers = nn.ModuleList(network(c.expert_widths[-1], c.tower_widths, 1) for _ in heads)
        self.slots_SPT = nn.Parameter(torch.zeros(self.n_scenarios, spec.n_positions, self.n_tasks))

    def forward(self, batch: Batch) -> Tensor:
        c_BC = self.scenario_layer(self.fields(batch), batch.scenario_B)
        shared = [expert(c_BC) for expert in self.shared]
        logits = []
        for head, tower in enumerate(self.towers):
            first = head * self.config.own_experts
            own = [expert(c_BC) for expert in self.own[first : first + self.config.own_experts]]
            logits.append(tower(weighted(self.gates[head](c_BC).softmax(dim=1), own + shared)))
        all_BXT = torch.cat(logits, dim=1).unflatten(1, (self.n_sets, self.n_tasks))
        own_set_B = batch.scenario_B if self.n_sets > 1 else torch.zeros_like(batch.scenario_B)
        logits_BT = all_BXT[torch.arange(len(own_set_B), device=own_set_B.device), own_set_B]
        return logits_BT + self.position(batch)

    def scenario_layer(self, x_BD: Tensor, scenario_B: Tensor) -> Tensor:
        shared_BH, *specific = [sei(x_BD) for sei in self.seis]
        own_BH, others_BH = torch.zeros_like(shared_BH), torch.zeros_like(shared_BH)
        weights_BS = self.attention(scenario_B)
        for j, specific_BH in enumerate(specific):
            own_BH = own_BH + (scenario_B == j)[:, None] * specific_BH
            others_BH = others_BH + weights_BS[:, j, None] * specific_BH
        return torch.cat([shared_BH, own_BH, others_BH], dim=1)

    def attention(self, scenario_B: Tensor) -> Tensor:
        if self.indicator is None or self.san_gate is None:
            return torch.zeros(len(scenario_B), 1, device=scenario_B.device)
        own_BS = nn.functional.one_hot(scenario_B, self.n_scenarios).bool()
        logits_BS = self.san_gate(self.indicator(scenario_B))
        if self.config.san_norm == "exclude":
            return logits_BS.masked_fill(own_BS, -torch.inf).softmax(dim=1)
        return logits_BS.softmax(dim=1).masked_fill(own_BS, 0.0)

    def position(self, batch: Batch) -> Tensor:
        if not self.slots_SPT.shape[1]:
            return torch.zeros(())
        known_B1 = (batch.position_B > 0)[:, None]
        return self.slots_SPT[batch.scenario_B, (batch.position_B - 1).clamp(min=0)] * known_B1


def pairs(plain: PlainHiNet, model: HiNet, spec: FeatureSpec, of=lambda parameter: parameter):
    """(plain's parameter, the same part of ours); `of` picks what is compared: values, or `.grad`."""
    c, table, start = model.config, of(model.fields.table), 0
    for part in [*plain.fields.ids.values(), plain.fields.scenario, *plain.fields.lists.values()]:
        if part is not None:
            yield part.weight, table[start : start + part.num_embeddings]
            start += part.num_embeddings
    for g, sei in enumerate(plain.seis):
        units = slice(g * c.sub_experts, (g + 1) * c.sub_experts)
        yield sei.gate.weight, of(model.scenario_layer.sei.gate.weight)[units]
        yield sei.gate.bias, of(model.scenario_layer.sei.gate.bias)[units]
        yield from stacked(sei.experts, model.scenario_layer.sei.experts, range(units.start, units.stop), of)
    if plain.indicator is not None:
        yield plain.indicator.weight, of(model.scenario_layer.san.embedding.weight)
        yield plain.san_gate.weight, of(model.scenario_layer.san.gate.weight)
        yield plain.san_gate.bias, of(model.scenario_layer.san.gate.bias)
    yield from stacked(
        [*plain.own, *plain.shared], model.heads.cgc.experts, range(len(plain.own) + len(plain.shared)), of
    )
    read = c.own_experts + c.shared_experts
    for head, (gate, tower) in enumerate(zip(plain.gates, plain.towers, strict=True)):
        yield gate.weight, of(model.heads.cgc.gate.weight)[head * read : (head + 1) * read]
        yield gate.bias, of(model.heads.cgc.gate.bias)[head * read : (head + 1) * read]
        yield from zip(tower.parameters(), map(of, model.heads.towers[head].parameters()), strict=True)
    if spec.n_positions:
        yield plain.slots_SPT, of(model.position.slots_SPT)


def stacked(networks, experts, rows, of):
    for row, one in zip(rows, networks, strict=True):
        layers = [layer for layer in one if isinstance(layer, nn.Linear)]
        for layer, weight_EIO, bias_EO in zip(layers, experts.weights, experts.biases, strict=True):
            yield layer.weight, of(weight_EIO)[row].t()
            yield layer.bias, of(bias_EO)[row]


def plain_of(model: HiNet, spec: FeatureSpec) -> PlainHiNet:
    """The plain form with our weights; dropout and calibration must be off, since it has none."""
    plain = PlainHiNet(spec, model.config)
    with torch.no_grad():
        for theirs, mine in pairs(plain, model, spec):
            theirs.copy_(mine)
    return plain
