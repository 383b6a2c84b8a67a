"""Learning rates by literal values, and the averaged weights in closed form."""

import math
from dataclasses import replace

import pytest
import torch
from loop_rows import SPEC, rows

from hinet_core import models
from hinet_core.training.config import TrainConfig
from hinet_core.training.schedule import rate_factor
from hinet_core.training.step import Stepper
from hinet_core.training.stopping import AveragedWeights

CONSTANT, COSINE = TrainConfig(), TrainConfig(schedule="cosine")


def factors(config: TrainConfig, total: int, steps: int) -> list[float]:
    return [rate_factor(config, step, total) for step in range(steps)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CONSTANT, [1, 1, 1, 1, 1, 1, 1, 1]),
        (replace(CONSTANT, warm_up_steps=4), [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
        (COSINE, [1, 0.961940, 0.853553, 0.691342, 0.5, 0.308658, 0.146447, 0.038060]),
        (replace(COSINE, warm_up_steps=2), [0.5, 1, 1, 0.933013, 0.75, 0.5, 0.25, 0.066987]),
        (replace(COSINE, warm_up_steps=10), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]),
    ],
    ids=["constant", "warm-up", "cosine", "warm-up and cosine", "a warm-up longer than the training"],
)
def test_rates_of_eight_steps(config, expected):
    assert factors(config, 8, 8) == pytest.approx(expected, abs=5e-7)


def test_a_step_moves_by_the_rate_of_its_schedule():
    """Adam's first step moves every weight that has a gradient by the rate; both optimizers follow the schedule."""
    config = TrainConfig(learning_rate=0.4, embedding_learning_rate=0.2, embedding_l2=0.0, warm_up_steps=8)
    model = models.build("shared_bottom", SPEC, seed=0, dropout=0.0, input_dropout=0.0)
    before = [one.detach().clone() for one in (model.towers[0].layers[0].bias, model.fields.table)]
    stepper = Stepper(model, config, n_tasks=2, total_steps=100)
    stepper.step(next(rows(50).batches(50)))
    for old, new, rate in zip(before, (model.towers[0].layers[0].bias, model.fields.table), (0.05, 0.025), strict=True):
        assert (new - old).abs().max().item() == pytest.approx(rate, rel=1e-3)
    rates = [group["lr"] for one in stepper.optimizers.all for group in one.param_groups]
    assert rates == [pytest.approx(0.05), pytest.approx(0.025)]
    stepper.step(next(rows(50).batches(50)))
    assert [group["lr"] for one in stepper.optimizers.all for group in one.param_groups] == [0.1, 0.05]


def test_the_norm_of_all_gradients_together_is_clipped():
    model = models.build("shared_bottom", SPEC, seed=0)
    stepper = Stepper(model, TrainConfig(clip_norm=0.01), n_tasks=2)
    stepper.step(next(rows(50).batches(50)))
    norms = [one.grad.norm() for one in model.parameters() if one.grad is not None]
    assert torch.stack(norms).norm().item() == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("changes", [{"schedule": "linear"}, {"warm_up_steps": -1}])
def test_a_schedule_that_does_not_exist_is_refused(changes):
    with pytest.raises(ValueError, match=r"schedule is 'linear', expected one of constant, cosine|is -1, expected 0"):
        TrainConfig(**changes)


def averaged(decay: float, values: list[float]) -> float:
    """The average of a weight that begins with the first value and is stepped through the others."""
    model = torch.nn.Linear(1, 1, bias=False).double()
    torch.nn.init.constant_(model.weight, values[0])
    average = AveragedWeights(model, decay)
    for value in values[1:]:
        torch.nn.init.constant_(model.weight, value)
        average.update()
    return average.average[0].item()


def test_the_average_is_a_geometric_sum():
    """A decay of 1/4 needs no warm-up: after n steps d^n w_0 + (1 - d) sum_i d^(n-i) w_i."""
    values, d = [1.0, 2.0, -4.0, 8.0, 3.0], 0.25
    expected = d**4 * values[0] + (1 - d) * sum(d ** (4 - i) * values[i] for i in range(1, 5))
    assert averaged(d, values) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 10, 200])
def test_the_random_start_is_forgotten_with_the_cube_of_the_steps(n):
    """The decays s / (3 + s) multiply to 6 / ((n + 1) (n + 2) (n + 3)), until they reach the setting's."""
    assert averaged(0.999, [1.0] + [0.0] * n) == pytest.approx(6 / math.prod(range(n + 1, n + 4)), rel=1e-12)
