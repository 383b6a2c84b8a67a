"""STAR: shared times own weights, normalization per scenario, the auxiliary network."""

from dataclasses import replace

import pytest
import torch
from model_rows import make_rows, make_spec, randomized
from numpy_peers import assert_rows_are, star_row

from hinet_core.models.star import ENOUGH_ROWS, STAR, Config, PartitionedNorm

SIZES = Config(embedding=3, widths=(6, 4), auxiliary_widths=(5,))


def small(spec, **changes) -> STAR:
    model = randomized(STAR(spec, replace(SIZES, **changes))).eval()
    if model.norm is not None:
        model.norm.variance_SD.data.abs_()
    return model


@pytest.mark.parametrize("n_scenarios", [1, 3])
def test_forward_is_that_of_the_slow_reference(n_scenarios):
    spec = make_spec(n_scenarios)
    model, rows = small(spec), make_rows(spec, 12)
    assert_rows_are(model, spec, rows, star_row, atol=1e-4)


def test_a_row_trains_the_shared_weights_and_those_of_its_own_scenario():
    spec = make_spec(n_scenarios=3)
    model, rows = small(spec), make_rows(spec, 60)
    model(rows.batch(torch.nonzero(rows.scenario_N == 1).flatten())).sum().backward()
    for layer in model.star:
        assert layer.shared_1IO.grad.any()
        assert layer.own_SIO.grad.flatten(1).any(dim=1).tolist() == [False, True, False]
        assert layer.own_bias_SO.grad.any(dim=1).tolist() == [False, True, False]
    assert model.norm.scale_SD.grad.any(dim=1).tolist() == [False, True, False]


def test_every_scenario_starts_as_the_shared_network():
    spec = make_spec(n_scenarios=3)
    model = STAR(spec, SIZES).eval()
    x_BD = torch.randn(9, model.fields.width)
    first, second, third = model.star[0](x_BD)
    assert torch.equal(first, second) and torch.equal(second, third)


def test_a_batch_is_normalized_by_the_rows_of_each_scenario():
    norm, many, few = PartitionedNorm(3, 4, momentum=0.5), ENOUGH_ROWS, ENOUGH_ROWS // 2
    scenario_B = torch.cat([torch.zeros(many), torch.ones(few)]).long()
    x_BD = torch.randn(many + few, 4) * 3 + 5 * (1 + scenario_B[:, None])
    out = norm(x_BD, scenario_B)
    mine = x_BD[scenario_B == 0]
    expected = (mine - mine.mean(dim=0)) / (mine.var(dim=0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(out[scenario_B == 0], expected)
    # Scenario 1 has half of the rows that are enough: its running mean has gone half of the step, and stands in.
    running = 0.25 * x_BD[scenario_B == 1].mean(dim=0)
    torch.testing.assert_close(norm.mean_SD[1].detach(), running)
    torch.testing.assert_close(norm.mean_SD[0].detach(), 0.5 * mine.mean(dim=0))
    variance = 0.75 + 0.25 * x_BD[scenario_B == 1].var(dim=0, unbiased=False)
    torch.testing.assert_close(out[scenario_B == 1], (x_BD[scenario_B == 1] - running) / (variance + 1e-5).sqrt())
    # Scenario 2 was not seen.
    assert torch.equal(norm.mean_SD[2], torch.zeros(4)) and torch.equal(norm.variance_SD[2], torch.ones(4))


def test_a_batch_of_one_row_is_trained_on_with_the_running_statistics():
    """Its own variance would be 0, and its normalized x too."""
    spec = make_spec()
    model, batch = small(spec).train(), make_rows(spec, 1).batch(slice(None))
    variance_SD = model.norm.variance_SD.clone()
    model(batch).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert model.fields.table.grad.any()
    assert not torch.equal(model.norm.variance_SD, variance_SD)


def test_running_statistics_do_not_move_outside_training():
    norm = PartitionedNorm(1, 2, momentum=0.5).eval()
    norm(torch.randn(50, 2) + 9, torch.zeros(50, dtype=torch.int64))
    assert torch.equal(norm.mean_SD, torch.zeros(1, 2))


def test_parameter_count_is_the_formula():
    spec, d, m, t = make_spec(3), 9 + 2, 3, 2
    star = sum((m + 1) * (n_in * n_out + n_out) for n_in, n_out in ((d, 6), (6, 4), (4, t)))
    auxiliary = m * 3 + (d + 3 + 1) * 5 + 6 * t
    learned = 22 * 3 + 2 * (m + 1) * d + star + auxiliary + m * 4 * t
    model = small(spec)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == learned
    assert sum(p.numel() for p in model.parameters()) == learned + 2 * m * d
    assert small(spec, normalize=False).norm is None
