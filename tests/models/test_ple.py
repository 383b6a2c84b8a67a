"""PLE and its layer CGC: the paper's equations row by row, and who learns from whom."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from model_rows import make_rows, make_spec, randomized
from numpy_peers import assert_rows_are, cgc_row, parameters, ple_row

from hinet_core.models.parts.cgc import CustomizedGateControl
from hinet_core.models.ple import PLE, Config

SIZES = Config(embedding=3, levels=1, own_experts=2, shared_experts=1, expert_widths=(6, 5), tower_widths=(3,))


def small(spec, **changes) -> PLE:
    return randomized(PLE(spec, replace(SIZES, **changes))).eval()


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_forward_is_that_of_the_slow_reference(levels):
    spec = make_spec(n_tasks=3)
    model, rows = small(spec, levels=levels), make_rows(spec, 12)
    assert_rows_are(model, spec, rows, ple_row)


@pytest.mark.parametrize("reads", ["own", "all"])
@pytest.mark.parametrize("levels", [2, 3])
def test_lower_gates_read_own_and_shared_experts_or_all(levels, reads):
    layer = randomized(CustomizedGateControl(3, 2, 1, 4, (6, 5), 0.0, levels, reads))
    x_BC = torch.randn(7, 4)
    tasks, gate_BTR = layer(x_BC)
    p = parameters(layer)
    slow = [cgc_row(p, "", 3, 2, 1, 2, levels, reads, x.double().numpy()) for x in x_BC]
    np.testing.assert_allclose(torch.stack(tasks, dim=1).detach().numpy(), slow, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gate_BTR.sum(dim=2), torch.ones(7, 3))


def gradients_of_task_0(model, spec):
    model(make_rows(spec, 60).batch(slice(None)))[:, 0].sum().backward()


def test_one_level_sends_a_task_no_gradient_from_the_experts_of_another():
    """In MMoE every task trains every expert."""
    spec = make_spec()
    model = small(spec)
    gradients_of_task_0(model, spec)
    own_0, own_1, shared = model.cgc.experts.weights[0].grad.split(model.cgc.sizes_E)
    assert not own_1.any()
    assert own_0.any() and shared.any()


def test_with_two_levels_only_the_upper_ones_are_separate():
    """Progressive separation: below, the shared group's gate reads all experts, so all are trained by every task."""
    spec = make_spec()
    model = small(spec, levels=2)
    gradients_of_task_0(model, spec)
    own_0, own_1, shared = ([p.grad for p in group.parameters()] for group in model.cgc.experts)
    assert all(g is None or not g.any() for g in own_1)
    assert all(g.any() for g in (*own_0, *shared))
    (below,) = model.cgc.lower
    assert all(part.any() for part in below.experts.weights[0].grad.split(below.sizes_E))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_parameter_count_is_the_formula(levels):
    spec, c = make_spec(3), replace(SIZES, levels=levels)
    d, h, t = 4 * 3 + 2, c.expert_widths[-1], 2
    n_experts, read = t * c.own_experts + c.shared_experts, c.own_experts + c.shared_experts

    def mlp(*widths):
        return sum((a + 1) * b for a, b in pairwise(widths))

    inputs = [d, *[h] * (levels - 1)]
    experts = sum(n_experts * mlp(n, *c.expert_widths) for n in inputs)
    gates = t * read * (inputs[-1] + 1) + sum((t * read + n_experts) * (n + 1) for n in inputs[:-1])
    expected = (9 + 7 + 6 + 3) * c.embedding + experts + gates + t * mlp(h, *c.tower_widths, 1) + 3 * 4 * t
    assert sum(p.numel() for p in PLE(spec, c).parameters()) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": 0}, "levels is 0, expected 1 or more"),
        ({"own_experts": 0, "shared_experts": 0}, "expected at least one expert per task"),
        ({"levels": 2, "own_experts": 0}, "2 levels need one of each"),
    ],
)
def test_sizes_that_make_no_network_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small(make_spec(), **changes)


def test_a_layer_may_have_shared_experts_alone_or_own_ones_alone():
    spec = make_spec()
    model = small(spec, own_experts=0)
    gradients_of_task_0(model, spec)
    assert model.cgc.experts.weights[0].grad.any()
    model = small(spec, shared_experts=0)
    gradients_of_task_0(model, spec)
    own_0, own_1, _ = model.cgc.experts.weights[0].grad.split(model.cgc.sizes_E)
    assert own_0.any() and not own_1.any()
