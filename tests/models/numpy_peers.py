"""The peers of HiNet written row by row, expert by expert, from the equations of their papers. Slow on purpose."""

import numpy as np
import torch
from numpy_layers import input_row, layers, linear, softmax

from hinet_core.dataset import Dataset, FeatureSpec


def parameters(model) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().astype(np.float64) for name, value in model.named_parameters()}


def assert_rows_are(model, spec: FeatureSpec, rows: Dataset, row_of, atol: float = 1e-5) -> None:
    """The model's logits of a batch of all rows are those that the reference computes row by row."""
    with torch.no_grad():
        found_NT = model(rows.batch(slice(None))).numpy()
    p = parameters(model)
    expected_NT = [row_of(model, spec, p, rows, n) for n in range(len(rows))]
    np.testing.assert_allclose(found_NT, expected_NT, rtol=1e-4, atol=atol)


def mlp(p, key, widths, x, last=True):
    """ReLU layers of `layers.MLP`, and its linear layer if it has one."""
    for m in range(len(widths)):
        x = np.maximum(0.0, linear(p[f"{key}.layers.{2 * m}.weight"], p[f"{key}.layers.{2 * m}.bias"], x))
    key = f"{key}.layers.{2 * len(widths)}"
    return linear(p[f"{key}.weight"], p[f"{key}.bias"], x) if last else x


def slot(p, rows: Dataset, n: int, task: int) -> float:
    i, at = int(rows.scenario_N[n]), int(rows.position_N[n])
    return p["position.slots_SPT"][i, at - 1, task] if at > 0 else 0.0


def x_of(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    return input_row(spec, p, rows, n, model.config.scenario_in_x)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def esmm_row(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    """Probabilities (T,): each step's chance given the one before, times that one's own."""
    x, chance = x_of(model, spec, p, rows, n), []
    for task, before in enumerate(spec.after):
        step = sigmoid(mlp(p, f"steps.{task}", model.config.widths, x)[0] + slot(p, rows, n, task))
        chance.append(step * (chance[before] if before >= 0 else 1.0))
    return np.array(chance)


def expert(p, key, n_layers, e, x):
    weights = [p[f"{key}.weights.{m}"] for m in range(n_layers)]
    biases = [p[f"{key}.biases.{m}"] for m in range(n_layers)]
    return layers(weights, biases, e, x)


def extraction_row(p, key, sizes, reads, n_layers, inputs, first):
    """One level of PLE for one row: inputs and outputs are one vector per group and per gate."""
    outputs, at = [], 0
    for group, size in enumerate(sizes):
        name = f"{key}experts" if first else f"{key}experts.{group}"
        outputs.append([expert(p, name, n_layers, at + e if first else e, inputs[group]) for e in range(size)])
        at += size
    mixed, row = [], 0
    for gate, groups in enumerate(reads):
        read = [vector for group in groups for vector in outputs[group]]
        name, rows = (f"{key}gate", slice(row, row + len(read))) if first else (f"{key}gate.{gate}", slice(None))
        weights = softmax(linear(p[f"{name}.weight"][rows], p[f"{name}.bias"][rows], inputs[gate]))
        mixed.append(sum(w * vector for w, vector in zip(weights, read, strict=True)))
        row += len(read)
    return mixed


def cgc_row(p, key, n_tasks, n_own, n_shared, n_layers, levels, lower_reads, x):
    """One vector per task."""
    sizes, everything = [n_own] * n_tasks + [n_shared], list(range(n_tasks + 1))
    own = [[task, n_tasks] for task in range(n_tasks)]
    below = own if lower_reads == "own" else [everything] * n_tasks
    inputs = [x] * (n_tasks + 1)
    for level in range(levels - 1):
        at = f"{key}lower.{level}."
        inputs = extraction_row(p, at, sizes, [*below, everything], n_layers, inputs, level == 0)
    return extraction_row(p, key, sizes, own, n_layers, inputs, levels == 1)


def ple_row(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    """Logits (T,)"""
    c, n_tasks = model.config, len(spec.tasks)
    x = x_of(model, spec, p, rows, n)
    n_layers = len(c.expert_widths)
    tasks = cgc_row(p, "cgc.", n_tasks, c.own_experts, c.shared_experts, n_layers, c.levels, "own", x)
    return np.array([mlp(p, f"towers.{t}", c.tower_widths, tasks[t])[0] + slot(p, rows, n, t) for t in range(n_tasks)])


def hmoe_row(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    """Logits (T,) of the mixed probabilities."""
    c, n_scenarios, n_tasks = model.config, len(spec.scenarios), len(spec.tasks)
    x, i = x_of(model, spec, p, rows, n), int(rows.scenario_N[n])
    experts = [expert(p, "experts", len(c.expert_widths), e, x) for e in range(c.experts)]
    predicted = np.zeros((n_scenarios, n_tasks))
    for s in range(n_scenarios):
        for t in range(n_tasks):
            unit = s * n_tasks + t
            own = slice(unit * c.experts, (unit + 1) * c.experts)
            gate = softmax(linear(p["gate.weight"][own], p["gate.bias"][own], x))
            mixed = sum(g * e for g, e in zip(gate, experts, strict=True))
            predicted[s, t] = sigmoid(mlp(p, f"scenario_towers.{unit}", c.tower_widths, mixed)[0])
    result = []
    for t in range(n_tasks):
        weights = [1.0]
        if n_scenarios > 1:
            unit = i * n_tasks + t
            own = slice(unit * n_scenarios, (unit + 1) * n_scenarios)
            weights = softmax(linear(p["mixing.weight"][own], p["mixing.bias"][own], x))
        y = sum(w * predicted[j, t] for j, w in enumerate(weights))
        result.append(np.log(y / (1 - y)) + slot(p, rows, n, t))
    return np.array(result)


def star_row(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    """Logits (T,), with the running statistics."""
    x, i = input_row(spec, p, rows, n, False), int(rows.scenario_N[n])
    normal = (x - p["norm.mean_SD"][i]) / np.sqrt(p["norm.variance_SD"][i] + 1e-5)
    x = p["norm.scale_D"] * p["norm.scale_SD"][i] * normal + p["norm.shift_D"] + p["norm.shift_SD"][i]
    hidden, n_layers = x, len(model.config.widths) + 1
    for m in range(n_layers):
        weight = p[f"star.{m}.shared_1IO"][0] * p[f"star.{m}.own_SIO"][i]
        hidden = hidden @ weight + p[f"star.{m}.shared_bias_O"] + p[f"star.{m}.own_bias_SO"][i]
        hidden = np.maximum(0.0, hidden) if m < n_layers - 1 else hidden
    auxiliary = mlp(p, "auxiliary", model.config.auxiliary_widths, np.concatenate([x, p["scenario.weight"][i]]))
    return hidden + auxiliary + [slot(p, rows, n, t) for t in range(len(spec.tasks))]


def gate_nu(p, key, x):
    hidden = np.maximum(0.0, linear(p[f"{key}.hidden.weight"], p[f"{key}.hidden.bias"], x))
    return 2 * sigmoid(linear(p[f"{key}.out.weight"], p[f"{key}.out.bias"], hidden))


def pepnet_row(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    """Logits (T,). The prior are the embeddings of the fields that the config names."""
    c, n_tasks = model.config, len(spec.tasks)
    x = input_row(spec, p, rows, n, False)
    e = gate_nu(p, "epnet", np.concatenate([p["scenario.weight"][int(rows.scenario_N[n])], x])) * x
    names = [field.name for field in spec.fields if field.in_x]
    chosen = [k for k, name in enumerate(names) if name in (c.prior_fields or names)]
    prior = np.concatenate([*(x[k * c.embedding : (k + 1) * c.embedding] for k in chosen), e])
    result = []
    for t in range(n_tasks):
        hidden = e
        for depth in range(len(c.tower_widths) + 1):
            delta = gate_nu(p, f"ppnet.{depth}", prior).reshape(n_tasks, -1)[t]
            key = f"layers.{depth}.{t}"
            hidden = linear(
                p[f"{key}.weight"], p[f"{key}.bias"], delta * (hidden if depth == 0 else np.maximum(0, hidden))
            )
        result.append(hidden[0] + slot(p, rows, n, t))
    return np.array(result)


def single_row(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    """Logits (T,) of the networks of one task each; with a network per scenario, the row's own."""
    n_tasks, result = len(spec.tasks), []
    per_scenario = len(model.networks) > n_tasks
    for t in range(n_tasks):
        unit = int(rows.scenario_N[n]) * n_tasks + t if per_scenario else t
        x = input_row(spec, {"fields.table": p[f"networks.{unit}.fields.table"]}, rows, n, model.config.scenario_in_x)
        result.append(mlp(p, f"networks.{unit}.layers", model.config.widths, x)[0] + slot(p, rows, n, t))
    return np.array(result)


def mmoe_row(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    """Logits (T,)"""
    c, x, result = model.config, x_of(model, spec, p, rows, n), []
    experts = [expert(p, "experts", len(c.expert_widths), e, x) for e in range(c.experts)]
    for t in range(len(spec.tasks)):
        own = slice(t * c.experts, (t + 1) * c.experts)
        gate = softmax(linear(p["gate.weight"][own], p["gate.bias"][own], x))
        mixed = sum(g * e for g, e in zip(gate, experts, strict=True))
        result.append(mlp(p, f"towers.{t}", c.tower_widths, mixed)[0] + slot(p, rows, n, t))
    return np.array(result)


def shared_bottom_row(model, spec: FeatureSpec, p, rows: Dataset, n: int) -> np.ndarray:
    """Logits (T,)"""
    c = model.config
    bottom = mlp(p, "bottom", c.bottom_widths, x_of(model, spec, p, rows, n), last=False)
    towers = [mlp(p, f"towers.{t}", c.tower_widths, bottom)[0] for t in range(len(spec.tasks))]
    return np.array([z + slot(p, rows, n, t) for t, z in enumerate(towers)])
