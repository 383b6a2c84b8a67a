"""What the slow references share: a row's x, one expert, a linear layer, a softmax."""

import numpy as np

from hinet_core.dataset import Dataset, FeatureSpec


def softmax(z):
    e = [np.exp(v - max(z)) for v in z]
    return np.array(e) / sum(e)


def layers(weights, biases, expert, x, last_relu=True):
    """One expert's layers with a ReLU on all, or on all but the last; weights are [(E, I, O), ...]."""
    for m, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        w, b = weight[expert], bias[expert]
        x = np.array([b[o] + sum(x[i] * w[i, o] for i in range(len(x))) for o in range(len(b))])
        if last_relu or m < len(weights) - 1:
            x = np.maximum(0.0, x)
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
