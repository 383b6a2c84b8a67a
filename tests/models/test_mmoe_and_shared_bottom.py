"""The two baselines against their equations, and what tells them apart."""

import pytest
import torch
from model_rows import make_rows, make_spec, randomized
from numpy_peers import assert_rows_are, mmoe_row, shared_bottom_row

from hinet_core.models import mmoe, shared_bottom

SIZES = {
    mmoe.MMoE: mmoe.Config(embedding=3, experts=3, expert_widths=(6, 5), tower_widths=(4,)),
    shared_bottom.SharedBottom: shared_bottom.Config(embedding=3, bottom_widths=(6, 5), tower_widths=(4,)),
}
ROW = {mmoe.MMoE: mmoe_row, shared_bottom.SharedBottom: shared_bottom_row}
kinds = pytest.mark.parametrize("kind", SIZES, ids=lambda kind: kind.__name__)


def small(kind, spec):
    return randomized(kind(spec, SIZES[kind])).eval()


@kinds
def test_forward_is_that_of_the_slow_reference(kind):
    spec = make_spec(n_tasks=3)
    model, rows = small(kind, spec), make_rows(spec, 12)
    assert_rows_are(model, spec, rows, ROW[kind])


def test_every_task_trains_every_expert_and_its_own_gate_and_tower():
    spec = make_spec()
    model = small(mmoe.MMoE, spec)
    model(make_rows(spec, 60).batch(slice(None)))[:, 0].sum().backward()
    assert all(model.experts.weights[0].grad.flatten(1).any(dim=1))
    of_gate_TE = model.gate.weight.grad.unflatten(0, model.shape_TE).any(dim=2)
    assert of_gate_TE.tolist() == [[True] * 3, [False] * 3]
    trained = [any(p.grad is not None and bool(p.grad.any()) for p in tower.parameters()) for tower in model.towers]
    assert trained == [True, False]


def test_both_towers_read_one_bottom():
    """The same tower in both places gives the same logits: there is no gate between."""
    spec = make_spec(n_positions=0)
    model, batch = small(shared_bottom.SharedBottom, spec), make_rows(spec, 30).batch(slice(None))
    model.towers[1].load_state_dict(model.towers[0].state_dict())
    logits_BT = model(batch)
    assert torch.equal(logits_BT[:, 0], logits_BT[:, 1])
    moe = small(mmoe.MMoE, spec)
    moe.towers[1].load_state_dict(moe.towers[0].state_dict())
    logits_BT = moe(batch)
    assert not torch.allclose(logits_BT[:, 0], logits_BT[:, 1], atol=1e-2)


def test_parameter_counts_are_the_formulas():
    spec, d, t = make_spec(3), 3 * 4 + 2, 2
    table, slots, tower = (9 + 7 + 6 + 3) * 3, 3 * 4 * t, 6 * 4 + 5
    network = (d + 1) * 6 + 7 * 5
    counts = [sum(p.numel() for p in small(kind, spec).parameters()) for kind in SIZES]
    assert counts == [table + 3 * network + (d + 1) * t * 3 + t * tower + slots, table + network + t * tower + slots]
