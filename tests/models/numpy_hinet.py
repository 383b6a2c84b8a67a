"""HiNet written row by row, expert by expert, from the formulas of the paper, with every switch. Slow on purpose."""

import numpy as np
from numpy_layers import input_row, layers, linear, softmax
from numpy_peers import cgc_row, mlp, parameters, sigmoid, slot

from hinet_core.dataset import Dataset, FeatureSpec
from hinet_core.models.hinet import HiNet


def normed(p: dict, kind: str, x: np.ndarray) -> np.ndarray:
    if kind == "scale":
        return x * p["input.0.scale_D"] + p["input.0.shift_D"]
    if kind == "layer":
        scaled = (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)
        return scaled * p["input.0.weight"] + p["input.0.bias"]
    return x


def attention_row(p: dict, i: int, n_scenarios: int, norm: str, gate: str) -> np.ndarray:
    """a(e_i): weights of the other scenarios, 0 for the own one."""
    if n_scenarios == 1:
        return np.zeros(1)
    z, key = p["scenario_layer.san.embedding.weight"][i], "scenario_layer.san.gate"
    if gate == "mlp":
        for layer in range(4):
            z = np.maximum(0.0, linear(p[f"{key}.{2 * layer}.weight"], p[f"{key}.{2 * layer}.bias"], z))
    else:
        z = linear(p[f"{key}.weight"], p[f"{key}.bias"], z)
    weights = np.zeros(n_scenarios)
    if norm == "zero_after":
        weights[:] = softmax(z)
        weights[i] = 0.0
        return weights
    others = [j for j in range(n_scenarios) if j != i]
    weights[others] = softmax(z[others])
    return weights


def sei_rows(model: HiNet, p: dict, x: np.ndarray, n_groups: int) -> list[np.ndarray]:
    """SEI_g(x) of every group g; without SEI, its one network."""
    c, key = model.config, "scenario_layer.sei"
    k, n_layers = (1 if c.without == "sei" else c.sub_experts), len(model.scenario_layer.sei.experts.weights)
    weights = [p[f"{key}.experts.weights.{m}"] for m in range(n_layers)]
    biases = [p[f"{key}.experts.biases.{m}"] for m in range(n_layers)]
    relu, outputs = c.sub_expert_output == "relu", []
    for group in range(n_groups):
        own = list(range(group * k, (group + 1) * k))
        gate = [1.0] if k == 1 else softmax(linear(p[f"{key}.gate.weight"][own], p[f"{key}.gate.bias"][own], x))
        outputs.append(sum(g * layers(weights, biases, e, x, relu) for g, e in zip(gate, own, strict=True)))
    return outputs


def scenario_representation(model: HiNet, p: dict, x: np.ndarray, i: int, n_scenarios: int) -> np.ndarray:
    """C_i = [G ; S_i ; A_i]"""
    c = model.config
    if c.without == "hierarchy":
        return x
    shared, *specific = sei_rows(model, p, x, 1 + n_scenarios)
    if c.without == "san":
        return np.concatenate([shared, specific[i]])
    a = attention_row(p, i, n_scenarios, c.san_norm, c.san_gate)
    return np.concatenate([shared, specific[i], sum(a[j] * specific[j] for j in range(n_scenarios))])


def head_logits(model: HiNet, p: dict, x: np.ndarray) -> list[float]:
    """CGC and tower of every head: a task, or a (scenario, task) pair in the order of the scenarios."""
    c, n_heads = model.config, len(model.heads.towers)
    sizes = (n_heads, c.own_experts, c.shared_experts, len(c.expert_widths), c.levels, c.lower_reads)
    mixed = cgc_row(p, "heads.cgc.", *sizes, x)
    return [mlp(p, f"heads.towers.{head}", c.tower_widths, mixed[head])[0] for head in range(n_heads)]


def product(z: list[float], after: tuple[int, ...]) -> list[float]:
    """Logits of each step's probability times that of the step before it."""
    chance: list[float] = []
    for step, before in zip(z, after, strict=True):
        chance.append(sigmoid(step) * (chance[before] if before >= 0 else 1.0))
    return [float(np.log(one / (1 - one))) for one in chance]


def logits(model: HiNet, spec: FeatureSpec, rows: Dataset) -> np.ndarray:
    """-> (N, T)"""
    p, c = parameters(model), model.config
    n_scenarios, n_tasks = len(spec.scenarios), len(spec.tasks)
    routed, result = c.heads == "per_scenario_task" or c.without == "hierarchy", []
    for n in range(len(rows)):
        i = int(rows.scenario_N[n])
        x = normed(p, c.input_norm, input_row(spec, p, rows, n, c.scenario_in_x))
        z = head_logits(model, p, scenario_representation(model, p, x, i, n_scenarios))
        first = i * n_tasks if routed else 0
        own = [z[first + task] + slot(p, rows, n, task) for task in range(n_tasks)]
        result.append(product(own, spec.after) if c.funnel == "product" else own)
    return np.array(result)
