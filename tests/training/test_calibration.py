"""Planted miscalibration is found again in each scenario, and no ranking inside a scenario changes."""

import logging

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from torch import nn

from hinet_core.dataset import Dataset
from hinet_core.models.layers import HALVING, KNOTS, Calibration
from hinet_core.training.calibration import (
    FEWEST,
    FEWEST_FOR_ISOTONIC,
    FEWEST_IN_BLOCK,
    LEAST_SCALE,
    blocks,
    calibrate,
    isotonic,
    platt,
    undo_sampling,
)


class Bare(nn.Module):
    """A model that is nothing but its last step."""

    def __init__(self, n_scenarios, n_tasks):
        super().__init__()
        self.calibration = Calibration(n_scenarios, n_tasks)


def valid_day(scenario_N, labels_NT):
    n, zeros_N = len(scenario_N), torch.zeros(len(scenario_N), dtype=torch.int64)
    return Dataset(torch.zeros(n, 0), torch.zeros(n, 0), torch.as_tensor(scenario_N), zeros_N,
                   torch.as_tensor(labels_NT, dtype=torch.float32), torch.ones(labels_NT.shape), zeros_N,
                   zeros_N)  # fmt: skip


def calibrated(scenario_N, logits_NT, labels_NT):
    """-> the layer, and what was done for each cell"""
    model = Bare(int(scenario_N.max()) + 1, labels_NT.shape[1])
    cells = calibrate(model, valid_day(scenario_N, labels_NT), logits_NT)
    return model.calibration.eval(), cells


def through(layer, logit_N, scenario=0, task=0):
    """A task's logits after calibration, in double."""
    logits_BT = torch.zeros(len(logit_N), layer.scale_ST.shape[1], dtype=torch.float64)
    logits_BT[:, task] = torch.as_tensor(logit_N)
    return layer(logits_BT, torch.full((len(logit_N),), scenario))[:, task].numpy()


# What the world does with the logits of the model: per scenario a bend, a line, a shift.
BENDS = (lambda z: z - 0.8 * np.tanh(z + 2) - 0.5, lambda z: 1.5 * z + 1, lambda z: z + 0.7)


@pytest.fixture(scope="module")
def planted():
    """Three scenarios whose chances are each bent otherwise: -> scenario_N, logits_NT, true logit_N, labels_NT"""
    rng = np.random.default_rng(5)
    n = 300_000
    scenario_N, logits_NT = rng.integers(0, 3, n), rng.normal(-2, 1.2, (n, 1)).astype(np.float32)
    true_N = np.select([scenario_N == s for s in range(3)], [bend(logits_NT[:, 0]) for bend in BENDS])
    return scenario_N, logits_NT, true_N, (rng.random((n, 1)) < expit(true_N)[:, None])


def test_each_scenario_finds_its_own_bend(planted):
    scenario_N, logits_NT, _, labels_NT = planted
    layer, cells = calibrated(scenario_N, logits_NT, labels_NT)
    assert [(cell.scenario, cell.task, cell.method) for cell in cells] == [(s, 0, "isotonic") for s in range(3)]
    assert [cell.n for cell in cells] == np.bincount(scenario_N).tolist()
    assert [cell.n_positives for cell in cells] == np.bincount(scenario_N, labels_NT[:, 0]).tolist()
    wanted_N = np.linspace(-4, 1, 400)
    for scenario, bend in enumerate(BENDS):
        error_N = through(layer, wanted_N, scenario) - bend(wanted_N)
        assert np.sqrt((error_N**2).mean()) < 0.1, scenario
        inside_N = scenario_N == scenario
        predicted_N = expit(through(layer, logits_NT[inside_N, 0], scenario))
        assert predicted_N.sum() == pytest.approx(labels_NT[inside_N].sum(), rel=5e-3)


def test_the_order_inside_a_scenario_stays_and_no_tie_appears(planted):
    scenario_N, logits_NT, _, labels_NT = planted
    layer, _ = calibrated(scenario_N, logits_NT, labels_NT)
    steps_N = np.linspace(-60, 60, 240_001)
    for scenario in range(3):
        rise_N = np.diff(through(layer, steps_N, scenario))
        assert rise_N.min() > 1e-6
        # Below the first and above the last centre, the logit moves by a constant.
        assert rise_N[[0, -1]] == pytest.approx(5e-4, abs=1e-10)
    # In float32 two rows may be rounded together, but never pass each other.
    mine_N = np.sort(logits_NT[scenario_N == 0, 0])
    assert (np.diff(layer(torch.tensor(mine_N)[:, None], torch.zeros(len(mine_N), dtype=torch.int64))[:, 0]) >= 0).all()


def test_at_the_centres_of_the_blocks_it_is_the_isotonic_regression():
    """Nine logits with a thousand rows each, two of them in the wrong order: pooled into one block."""
    chances = np.array([0.1, 0.15, 0.22, 0.18, 0.3, 0.4, 0.45, 0.6, 0.7])
    logit_N = np.repeat(np.linspace(-3, 1, 9), 1000)
    label_N = np.concatenate([np.arange(1000) < round(1000 * chance) for chance in chances]).astype(float)
    curve = isotonic(logit_N, label_N)
    theirs_9 = IsotonicRegression().fit(logit_N, label_N).predict(np.linspace(-3, 1, 9))
    pooled = (expit(-1.5) + expit(-2.0)) / 2
    expected_knots = [-3.0, -2.5, logit(pooled), -1.0, -0.5, 0.0, 0.5, 1.0]
    np.testing.assert_allclose(curve.knot_K, expected_knots, rtol=1e-12)
    np.testing.assert_allclose(expit(curve.knot_K + curve.offset_K), np.unique(theirs_9), rtol=1e-12)
    layer, _ = calibrated(np.zeros(9000, np.int64), logit_N[:, None], label_N[:, None])
    np.testing.assert_allclose(expit(through(layer, curve.knot_K)), [0.1, 0.15, 0.2, 0.3, 0.4, 0.45, 0.6, 0.7])
    halfway = (logit(0.3) + logit(0.4)) / 2
    assert through(layer, np.array([-0.75, -13.0, 11.0])) == pytest.approx([halfway, logit(0.1) - 10, logit(0.7) + 10])


def test_joined_blocks_hold_the_mean_of_the_isotonic_regression_and_enough_of_both_labels(planted):
    scenario_N, logits_NT, _, labels_NT = planted
    inside_N = scenario_N == 0
    logit_N, label_N = logits_NT[inside_N, 0].astype(float), labels_NT[inside_N, 0].astype(float)
    start_K, order_N = blocks(logit_N, label_N)
    curve = isotonic(logit_N, label_N)
    assert 15 < len(curve.knot_K) - 2 == len(start_K) < KNOTS - 2
    assert (curve.knot_K[0], curve.knot_K[-1]) == (logit_N.min(), logit_N.max())
    theirs_N = IsotonicRegression().fit_transform(logit_N, label_N)[order_N]
    assert len(np.unique(theirs_N)) > len(start_K)
    chance_K = expit(curve.knot_K + curve.offset_K)[1:-1]
    for rows, chance in zip(np.split(np.arange(len(order_N)), start_K[1:]), chance_K, strict=True):
        assert theirs_N[rows].mean() == pytest.approx(chance, rel=1e-9)
        positives = label_N[order_N[rows]].sum()
        assert min(positives, len(rows) - positives) >= FEWEST_IN_BLOCK


def test_few_rows_in_a_block_never_give_an_infinite_logit():
    """The highest 30 rows are all positive and the lowest 500 all negative."""
    rng = np.random.default_rng(1)
    logit_N = np.sort(rng.normal(-1, 1, 20_000))
    label_N = (rng.random(20_000) < expit(logit_N)).astype(float)
    label_N[-30:], label_N[:500] = 1, 0
    curve = isotonic(logit_N, label_N)
    assert np.isfinite(curve.offset_K).all()
    chance_K = expit(curve.knot_K + curve.offset_K)
    assert (np.diff(chance_K) > 0).all() and (np.diff(curve.knot_K) > 0).all()
    assert chance_K[1] > FEWEST_IN_BLOCK / 20_000 and chance_K[-1] < 1
    huge = isotonic(np.array([-900.0, 50.0, 900.0]).repeat(500), np.tile([0.0, 1.0, 1.0, 0, 1], 300))
    assert np.isfinite(huge.knot_K).all() and np.isfinite(huge.offset_K).all()


def test_a_cell_takes_the_best_method_that_its_labels_bear(caplog):
    """Scenario 0 has many positives, 1 some, 2 a few, 3 no row; the second task has no positive at all."""
    rng = np.random.default_rng(2)
    n_S = np.array([40_000, 2_000, 60])
    scenario_N = np.append(np.repeat(np.arange(3), n_S), 3)
    logits_NT = rng.normal(-2, 1, (len(scenario_N), 2))
    first_N = rng.random(len(scenario_N)) < expit(logits_NT[:, 0] + 0.8)
    labels_NT = np.stack([first_N, np.zeros(len(first_N))], axis=1)
    with caplog.at_level(logging.INFO):
        layer, cells = calibrated(scenario_N, logits_NT, labels_NT)
    assert [cell.method for cell in cells] == (
        ["isotonic", "platt", "platt of all scenarios", "platt of all scenarios"] + ["none"] * 4
    )
    assert FEWEST < cells[1].n_positives < FEWEST_FOR_ISOTONIC
    assert cells[2].reason == f"{cells[2].n_positives} positives of 60 rows"
    assert cells[6].reason == "0 positives of 60 rows, and too few in all scenarios"
    assert [record.message for record in caplog.records] == [
        "calibration of 8 scenarios and tasks: 1 isotonic, 1 platt, 2 platt of all scenarios, 4 none"
    ]
    wanted_N = np.linspace(-4, 0, 5)
    assert through(layer, wanted_N, 1) == pytest.approx(wanted_N + 0.8, abs=0.4)
    line = platt(logits_NT[:, 0], labels_NT[:, 0])
    assert through(layer, wanted_N, 2) == pytest.approx(line.scale * wanted_N + line.offset_K[0], abs=1e-12)
    assert through(layer, wanted_N, 0, task=1) == pytest.approx(wanted_N, abs=1e-300)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.4, -0.6), (0.5, 1.0)])
def test_a_planted_line_is_found(scale, shift):
    rng = np.random.default_rng(3)
    logit_N = rng.normal(-2, 1, 200_000)
    label_N = rng.random(200_000) < expit(scale * logit_N + shift)
    line = platt(logit_N, label_N.astype(np.float64))
    assert (line.scale, line.offset_K[0]) == pytest.approx((scale, shift), abs=0.05)
    # The first-order condition of the intercept: predicted equals observed.
    assert expit(line.scale * logit_N + line.offset_K[0]).sum() == pytest.approx(label_N.sum(), rel=1e-6)


def test_too_few_labels_have_no_line():
    logit_N = np.random.default_rng(3).normal(size=1000)
    assert platt(logit_N, (np.arange(1000) < FEWEST - 1).astype(float)) is None
    assert platt(logit_N, (np.arange(1000) < FEWEST).astype(float)) is not None


def test_constant_and_reversed_scores_get_the_level_and_keep_their_order():
    logit_N = np.random.default_rng(3).normal(size=1000)
    flat = platt(np.full(1000, 3.0), (np.arange(1000) < 200).astype(float))
    assert (flat.scale, 3 + flat.offset_K[0]) == pytest.approx((1, logit(0.2)))
    line = platt(logit_N, (logit_N < -1).astype(float))
    assert line.scale == LEAST_SCALE > 0
    assert expit(line.scale * logit_N + line.offset_K[0]).sum() == pytest.approx((logit_N < -1).sum())


def test_separable_labels_stay_finite():
    logit_N = np.linspace(-1, 1, 1000)
    line = platt(logit_N, (logit_N > 0).astype(float))
    assert np.isfinite([line.scale, *line.offset_K]).all()


def test_reversed_or_constant_scores_are_moved_to_the_right_level_and_keep_their_order():
    rng = np.random.default_rng(4)
    for logit_N in (rng.normal(size=8000), np.zeros(8000)):
        label_N = (rng.random(8000) < expit(-logit_N - 1)).astype(float)
        curve = isotonic(logit_N, label_N)
        assert len(curve.knot_K) == 1 and curve.scale >= LEAST_SCALE
        assert expit(curve.scale * logit_N + curve.offset_K).mean() == pytest.approx(label_N.mean())


@pytest.mark.parametrize("told", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("n", "excess"), [(15_000, 15e-4), (100_000, 5e-4)])
def test_scores_that_say_little_are_not_taken_at_their_word(told, n, excess):
    """Logits that rise twice as fast as, or quite without, the truth: level and log loss on rows of the same kind."""
    rng = np.random.default_rng(6)
    taste_N = rng.normal(size=2 * n)
    true_N, logit_N = told * taste_N - 2.6, (2 * taste_N - 2.6)[:, None]
    label_N1 = (rng.random((2 * n, 1)) < expit(true_N)[:, None]).astype(float)
    layer, cells = calibrated(np.zeros(n, np.int64), logit_N[:n], label_N1[:n])
    assert [cell.method for cell in cells] == ["isotonic"]
    mine_N = through(layer, logit_N[n:, 0])
    assert expit(mine_N).mean() == pytest.approx(expit(true_N[n:]).mean(), rel=0.05)
    loss_of = lambda z_N: np.mean(np.logaddexp(0, z_N) - expit(true_N[n:]) * z_N)  # noqa: E731
    assert loss_of(mine_N) - loss_of(true_N[n:]) < excess
    assert (np.diff(mine_N[np.argsort(logit_N[n:, 0])]) > 0).all()


def test_every_place_between_the_knots_is_found():
    """Against numpy's own interpolation, at each knot, between them and outside, in every cell."""
    g = torch.Generator().manual_seed(0)
    layer = Calibration(2, 3).eval()
    layer.knot_STK[:] = torch.rand(2, 3, KNOTS, generator=g, dtype=torch.float64).cumsum(dim=2) - 15
    layer.offset_STK[:] = torch.randn(2, 3, KNOTS, generator=g, dtype=torch.float64)
    layer.scale_ST[:] = 1 + torch.rand(2, 3, generator=g)
    for scenario in range(2):
        for task in range(3):
            knot_K, offset_K = (x[scenario, task].numpy() for x in (layer.knot_STK, layer.offset_STK))
            z_N = np.concatenate([knot_K, (knot_K[1:] + knot_K[:-1]) / 2, [-99, 99]])
            expected = layer.scale_ST[scenario, task].item() * z_N + np.interp(z_N, knot_K, offset_K)
            np.testing.assert_allclose(through(layer, z_N, scenario, task), expected, rtol=0, atol=1e-12)
    assert sum(HALVING) == KNOTS - 2


def test_identity_until_fitted_forgotten_before_training_and_left_out_when_asked():
    layer = Calibration(3, 2).eval()
    logits_BT, scenario_B = torch.randn(5, 2), torch.randint(0, 3, (5,))
    assert torch.equal(layer(logits_BT, scenario_B), logits_BT)
    model = Bare(3, 2).eval()
    model.calibration.scale_ST[:] = 2
    assert torch.equal(model.calibration(logits_BT, scenario_B), 2 * logits_BT)
    with model.calibration.bypassed():
        assert torch.equal(model.calibration(logits_BT, scenario_B), logits_BT)
    assert torch.equal(model.calibration(logits_BT, scenario_B), 2 * logits_BT)
    data = valid_day(scenario_B.numpy(), np.zeros((5, 2)))
    undo_sampling(model, data)
    assert torch.equal(model.calibration(logits_BT, scenario_B), logits_BT)
    data.negative_rate = (0.5, 0.5, 0.5)
    undo_sampling(model, data)
    with model.calibration.bypassed():
        assert not torch.equal(model.calibration(logits_BT, scenario_B), logits_BT)
