"""HMoE: predictions of all scenarios mixed in the label space, each trained by its own rows."""

from dataclasses import replace

import pytest
import torch
from model_rows import make_rows, make_spec, randomized
from numpy_peers import assert_rows_are, hmoe_row

from hinet_core.models.hmoe import Config, HMoE

SIZES = Config(embedding=3, experts=3, expert_widths=(6, 4), tower_widths=(3,))


def small(spec, **changes) -> HMoE:
    return randomized(HMoE(spec, replace(SIZES, **changes))).eval()


@pytest.mark.parametrize("n_scenarios", [1, 2, 4])
def test_forward_is_that_of_the_slow_reference(n_scenarios):
    spec = make_spec(n_scenarios)
    model, rows = small(spec), make_rows(spec, 12)
    assert_rows_are(model, spec, rows, hmoe_row)


def test_other_scenarios_towers_change_a_prediction_but_are_not_trained_by_it():
    """In MMoE no tower is read by another output; here all are, and only the own one learns."""
    spec = make_spec(n_scenarios=3)
    model, rows = small(spec), make_rows(spec, 60)
    batch = rows.batch(torch.nonzero(rows.scenario_N == 1).flatten())
    model(batch).sum().backward()
    trained = [any(bool(p.grad.any()) for p in t.parameters() if p.grad is not None) for t in model.scenario_towers]
    assert trained == [False, False, True, True, False, False]
    gate_ST = model.gate.weight.grad.unflatten(0, (3, 2, -1)).abs().sum(dim=(2, 3)) > 0
    assert gate_ST.tolist() == [[False, False], [True, True], [False, False]]
    before = model(batch).detach()
    with torch.no_grad():
        model.scenario_towers[0].layers[-1].bias += 1.0
    after = model(batch).detach()
    assert (after[:, 0] > before[:, 0]).all()
    assert torch.equal(after[:, 1], before[:, 1])


def test_a_mean_of_extreme_predictions_keeps_its_digits():
    """Two sure scenarios: the logit of their mean is finite, and so is its gradient."""
    spec = make_spec(n_scenarios=2, n_tasks=1, n_positions=0)
    model, rows = small(spec), make_rows(spec, 20)
    with torch.no_grad():
        for tower, bias in zip(model.scenario_towers, (90.0, -90.0), strict=True):
            tower.layers[-1].weight.zero_()
            tower.layers[-1].bias.fill_(bias)
        model.mixing.weight.zero_()
        model.mixing.bias.zero_()
    logits_BT = model(rows.batch(slice(None)))
    torch.testing.assert_close(logits_BT, torch.zeros(20, 1))
    logits_BT.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_parameter_count_is_the_formula():
    spec, d, m, t = make_spec(3), 9 + 2, 3, 2
    experts = 3 * ((d + 1) * 6 + 7 * 4)
    towers = m * t * (5 * 3 + 4)
    expected = 22 * 3 + experts + (d + 1) * m * t * 3 + towers + (d + 1) * m * t * m + m * 4 * t
    assert sum(p.numel() for p in small(spec).parameters()) == expected
