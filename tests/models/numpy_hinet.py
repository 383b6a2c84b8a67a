"""HiNet written row by row, expert by expert, from the formulas of the paper. Slow on purpose."""

import numpy as np

from hinet_core.dataset import Dataset, FeatureSpec
from hinet_core.models.hinet import HiNet


def softmax(z):
    e = [np.exp(v - max(z)) for v in z]
    return np.array(e) / sum(e)


def layers(weights, biases, expert, x):
    """One expert's ReLU layers; weights are [(E, I, O), ...]."""
    for weight, bias in zip(weights, biases, strict=True):
        w, b = weight[expert], bias[expert]
        x = np.array([max(0.0, b[o] + sum(x[i] * w[i, o] for i in range(len(x)))) for o in range(len(b))])
    return x


def linear(weight, bias, x):
    return np.array([bias[o] + sum(weight[o, i] * x[i] for i in range(len(x))) for o in range(len(bias))])


def input_row(spec: FeatureSpec, p: dict, rows: Dataset, n: int, scenario_in_x: bool) -> np.ndarray:
    """x of one row; the table's rows are: id fields in x, the scenario if it is in x, lists in x."""
    table, start, parts = p["fields.table"], 0, []
    for i, field in enumerate(spec.fields):
        if field.in_x:
            parts.append(table[start + int(rows.fields_NF[n, i])])
            start += field.width
    if scenario_in_x:
        parts.append(table[start + int(rows.scenario_N[n])])
        start += len(spec.scenarios)
    for field in spec.lists:
        if field.in_x:
            ids = [int(i) for i in rows.lists[field.name][n] if i > 0]
            total = sum((table[start + i] for i in ids), np.zeros(table.shape[1]))
            parts.append(total / max(len(ids), 1))
            start += field.width
    parts += [rows.numbers_NK[n, [i]].numpy() for i, field in enumerate(spec.numbers) if field.in_x]
    return np.concatenate(parts).astype(np.float64)


def attention_row(p: dict, i: int, n_scenarios: int, norm: str) -> np.ndarray:
    """a(e_i): weights of the other scenarios, 0 for the own one."""
    if n_scenarios == 1:
        return np.zeros(1)
    z = linear(p["san.gate.weight"], p["san.gate.bias"], p["san.embedding.weight"][i])
    weights = np.zeros(n_scenarios)
    if norm == "zero_after":
        weights[:] = softmax(z)
        weights[i] = 0.0
        return weights
    others = [j for j in range(n_scenarios) if j != i]
    weights[others] = softmax(z[others])
    return weights


def scenario_representation(model: HiNet, p: dict, x: np.ndarray, i: int, n_scenarios: int) -> np.ndarray:
    """C_i = [G ; S_i ; A_i]"""
    config = model.config
    n_layers, k = len(config.sub_expert_widths), config.sub_experts
    weights = [p[f"sei.experts.weights.{m}"] for m in range(n_layers)]
    biases = [p[f"sei.experts.biases.{m}"] for m in range(n_layers)]
    outputs = []
    for group in range(1 + n_scenarios):
        own = range(group * k, (group + 1) * k)
        gate = softmax(linear(p["sei.gate.weight"][list(own)], p["sei.gate.bias"][list(own)], x))
        outputs.append(sum(g * layers(weights, biases, e, x) for g, e in zip(gate, own, strict=True)))
    a = attention_row(p, i, n_scenarios, config.san_norm)
    mixed = sum(a[j] * outputs[1 + j] for j in range(n_scenarios))
    return np.concatenate([outputs[0], outputs[1 + i], mixed])


def head_logit(model: HiNet, p: dict, c: np.ndarray, head: int) -> float:
    """CGC and tower of one head: a task, or a (scenario, task) pair in the order of the scenarios."""
    config = model.config
    n_layers, own, shared = len(config.expert_widths), config.own_experts, config.shared_experts
    weights = [p[f"heads.cgc.experts.weights.{m}"] for m in range(n_layers)]
    biases = [p[f"heads.cgc.experts.biases.{m}"] for m in range(n_layers)]
    n_heads = len(model.heads.towers)
    read = [head * own + m for m in range(own)] + [n_heads * own + m for m in range(shared)]
    gates = slice(head * (own + shared), (head + 1) * (own + shared))
    gate = softmax(linear(p["heads.cgc.gate.weight"][gates], p["heads.cgc.gate.bias"][gates], c))
    h = sum(g * layers(weights, biases, e, c) for g, e in zip(gate, read, strict=True))
    for m in range(len(config.tower_widths)):
        key = f"heads.towers.{head}.layers.{2 * m}"
        h = np.maximum(0.0, linear(p[f"{key}.weight"], p[f"{key}.bias"], h))
    key = f"heads.towers.{head}.layers.{2 * len(config.tower_widths)}"
    return float(linear(p[f"{key}.weight"], p[f"{key}.bias"], h)[0])


def logits(model: HiNet, spec: FeatureSpec, rows: Dataset) -> np.ndarray:
    """-> (N, T)"""
    p = {name: value.detach().numpy().astype(np.float64) for name, value in model.named_parameters()}
    n_scenarios, n_tasks = len(spec.scenarios), len(spec.tasks)
    result = np.zeros((len(rows), n_tasks))
    for n in range(len(rows)):
        i, slot = int(rows.scenario_N[n]), int(rows.position_N[n])
        x = input_row(spec, p, rows, n, model.config.scenario_in_x)
        c = scenario_representation(model, p, x, i, n_scenarios)
        for task in range(n_tasks):
            position = p["position.slots_SPT"][i, slot - 1, task] if slot > 0 else 0.0
            head = i * n_tasks + task if model.config.heads == "per_scenario_task" else task
            result[n, task] = head_logit(model, p, c, head) + position
    return result
