"""The peers of HiNet written row by row, expert by expert, from the equations of their papers. Slow on purpose."""

import numpy as np
from numpy_hinet import input_row, layers, linear, softmax

from hinet_core.dataset import Dataset, FeatureSpec


def parameters(model) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().astype(np.float64) for name, value in model.named_parameters()}


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
