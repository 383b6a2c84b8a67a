"""One step: slices of a batch add up to it, and products in bfloat16 leave weights and loss in float32."""

import pytest
import torch
from loop_rows import SPEC, rows

from hinet_core import models
from hinet_core.training.config import TrainConfig
from hinet_core.training.precision import autocast_of, multiplies_bfloat16
from hinet_core.training.step import Stepper

NO_DROPOUT = {"dropout": 0.0, "input_dropout": 0.0, "task_dropout": 0.0}
CPU = torch.device("cpu")


def losses(n_steps, model=None, learning_rate=1e-3, **settings):
    """Mean loss of each step over random batches, the last of each round smaller than the others."""
    model = model or models.build("hinet", SPEC, seed=0, heads="per_scenario_task", **NO_DROPOUT)
    stepper, data = Stepper(model, TrainConfig(learning_rate=learning_rate, **settings), 2), rows(700)
    found = []
    for seed in range(n_steps):
        found += [stepper.step(batch) for batch in data.batches(200, seed)]
        if len(found) >= n_steps:
            break
    return torch.stack([loss_BT.mean() for loss_BT in found[:n_steps]]), found


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"loss_mean": "scenario", "embedding_optimizer": "rowwise_adagrad"}])
def test_slices_add_up_to_the_batch(settings):
    whole, whole_rows = losses(24, learning_rate=3e-3, **settings)
    sliced, sliced_rows = losses(24, learning_rate=3e-3, slice_rows=64, **settings)
    torch.testing.assert_close(sliced, whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(sliced_rows[0], whole_rows[0], rtol=0, atol=1e-6)
    assert whole[-1] < whole[0] - 0.005


def test_a_slice_larger_than_the_batch_is_the_batch():
    assert torch.equal(losses(8, slice_rows=5000)[0], losses(8)[0])


@pytest.mark.slow
def test_bfloat16_learns_the_same_with_weights_and_loss_in_float32():
    model = models.build("hinet", SPEC, seed=0, **NO_DROPOUT)
    low, low_rows = losses(50, model, learning_rate=1e-2, precision="bfloat16")
    exact, _ = losses(50, models.build("hinet", SPEC, seed=0, **NO_DROPOUT), learning_rate=1e-2)
    assert low_rows[0].dtype == torch.float32
    assert {one.dtype for one in model.parameters()} == {torch.float32}
    assert {one.grad.dtype for one in model.parameters() if one.grad is not None} == {torch.float32}
    assert 0 < (low - exact).abs().max() < 0.01
    assert exact[0] - low[-1] > 0.02


def test_auto_is_bfloat16_where_the_processor_multiplies_it():
    inside = {}
    for precision in ("float32", "bfloat16", "auto"):
        with autocast_of(precision, CPU):
            inside[precision] = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    found = torch.bfloat16 if multiplies_bfloat16(CPU) else torch.float32
    assert inside == {"float32": torch.float32, "bfloat16": torch.bfloat16, "auto": found}


def test_settings_are_checked():
    with pytest.raises(ValueError, match="precision is 'half', expected one of float32, bfloat16, auto"):
        TrainConfig(precision="half")
    with pytest.raises(ValueError, match="slice_rows is -1, expected 0 or more"):
        TrainConfig(slice_rows=-1)
