"""The loss against hand-computed values."""

import math

import pytest
import torch
from loop_rows import SPEC as ROWS_SPEC
from loop_rows import rows

from hinet_core import models
from hinet_core.dataset import Batch
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit
from hinet_core.training.losses import BatchLoss, masked_bce
from hinet_core.training.step import Stepper


def test_known_labels_cost_their_cross_entropy():
    loss_BT = masked_bce(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2))
    torch.testing.assert_close(loss_BT, torch.tensor([[math.log(2), math.log1p(math.exp(2))]]))


def test_an_unknown_label_costs_nothing_whatever_it_holds():
    logits_BT = torch.zeros(2, 2, requires_grad=True)
    labels_BT = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    loss_BT = masked_bce(logits_BT, labels_BT, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert loss_BT.count_nonzero() == 1
    loss_BT.sum().backward()
    assert logits_BT.grad.tolist() == [[-0.5, 0.0], [0.0, 0.0]]


def test_a_mask_between_zero_and_one_weighs_the_label():
    half = masked_bce(torch.zeros(1, 1), torch.ones(1, 1), torch.full((1, 1), 0.5))
    assert half.item() == torch.tensor(math.log(2) / 2).item()


# Three rows of scenario 0, one of scenario 1; the last label of task 1 is not known.
SCENARIO_B = torch.tensor([0, 0, 1, 0])
LABELS_BT = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, float("nan")]])
MASK_BT = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
LOGITS_BT = torch.tensor([[0.0, 1.0], [-1.0, 0.0], [2.0, -2.0], [0.5, 0.0]])


def batch_of(scenario_B=SCENARIO_B, labels_BT=LABELS_BT, mask_BT=MASK_BT) -> Batch:
    n = len(scenario_B)
    zeros_B = torch.zeros(n, dtype=torch.int64)
    return Batch(torch.zeros(n, 0), torch.zeros(n, 0), {}, scenario_B, zeros_B, labels_BT, mask_BT)


def bce(z: float, y: int) -> float:
    return math.log1p(math.exp(-z if y else z))


COST = [[bce(0, 1), bce(1, 0)], [bce(-1, 0), bce(0, 0)], [bce(2, 1), bce(-2, 1)], [bce(0.5, 0), 0.0]]


def loss_of(n_scenarios=2, batch=None, **settings) -> float:
    batch = batch or batch_of()
    loss = BatchLoss(TrainConfig(**settings), 2, n_scenarios)
    total, _ = loss(LOGITS_BT, batch, loss.weights(batch))
    return total.item()


def expected(weight) -> float:
    """Sum of the costs, each times weight(row, scenario, task, positive)."""
    return sum(
        COST[n][t] * weight(n, int(SCENARIO_B[n]), t, n == 2 or (n, t) == (0, 0)) for n in range(4) for t in range(2)
    )


@pytest.mark.parametrize(
    ("settings", "weight"),
    [
        ({}, lambda n, i, t, y: 1 / 4),
        ({"task_weights": (1.0, 0.5)}, lambda n, i, t, y: (1, 0.5)[t] / 4),
        ({"scenario_weights": (2.0, 3.0)}, lambda n, i, t, y: (2, 3)[i] / 4),
        ({"cell_weights": ((1.0, 2.0), (0.0, 5.0))}, lambda n, i, t, y: ((1, 2), (0, 5))[i][t] / 4),
        (
            {"cell_weights": ((1.0, 2.0), (3.0, 4.0)), "task_weights": (1.0, 0.5), "scenario_weights": (2.0, 3.0)},
            lambda n, i, t, y: ((1, 2), (3, 4))[i][t] * (1, 0.5)[t] * (2, 3)[i] / 4,
        ),
        ({"positive_weights": (3.0, 7.0)}, lambda n, i, t, y: ((3, 7)[t] if y else 1) / 4),
        ({"loss_mean": "scenario"}, lambda n, i, t, y: 1 / (2 * (3, 1)[i])),
    ],
    ids=["plain", "tasks", "scenarios", "cells", "all three", "positives", "mean per scenario"],
)
def test_the_loss_of_a_batch_is_its_weighted_costs(settings, weight):
    assert loss_of(**settings) == pytest.approx(expected(weight), rel=1e-6)


def test_a_positive_weight_is_that_of_torch():
    batch, positive_T = batch_of(mask_BT=torch.ones(4, 2), labels_BT=LABELS_BT.nan_to_num()), torch.tensor([3.0, 7.0])
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(
        LOGITS_BT, batch.labels_BT, pos_weight=positive_T, reduction="sum"
    )
    assert loss_of(batch=batch, positive_weights=(3.0, 7.0)) == pytest.approx(theirs.item() / 4, rel=1e-6)


def test_a_scenario_that_a_batch_lacks_takes_no_share_from_the_others():
    """Divided by all scenarios, so that a scenario's weight in the sum over batches does not depend on their mix."""
    batch = batch_of(torch.zeros(4, dtype=torch.int64))
    assert loss_of(batch=batch, loss_mean="scenario") == pytest.approx(sum(map(sum, COST)) / 8, rel=1e-6)


def test_the_parts_of_a_batch_add_up_to_it():
    batch = batch_of()
    loss = BatchLoss(TrainConfig(loss_mean="scenario", task_balance="uncertainty"), 2, 2)
    torch.nn.init.constant_(loss.log_variance_T, 0.3)
    weight_BT = loss.weights(batch)
    whole, _ = loss(LOGITS_BT, batch, weight_BT)
    parts = [
        loss(LOGITS_BT[rows], batch.map(lambda one, rows=rows: one[rows]), weight_BT[rows])[0]
        for rows in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(sum(parts), whole)


def test_learned_balance_is_the_likelihood_with_a_variance_per_task():
    loss = BatchLoss(TrainConfig(task_balance="uncertainty"), 2)
    with torch.no_grad():
        loss.log_variance_T.copy_(torch.tensor([0.5, -1.0]))
    batch = batch_of()
    total, _ = loss(LOGITS_BT, batch, loss.weights(batch))
    first = math.exp(-0.5) * sum(row[0] for row in COST) / 4 + 0.5 / 2
    second = math.exp(1.0) * sum(row[1] for row in COST) / 4 - 1.0 / 2 * 3 / 4  # three of four labels are known
    assert total.item() == pytest.approx(first + second, rel=1e-6)


def test_learned_balance_ends_where_each_task_weighs_one_over_twice_its_loss():
    means = torch.tensor([sum(row[0] for row in COST) / 4, sum(row[1] for row in COST) / 3])
    loss, batch = BatchLoss(TrainConfig(task_balance="uncertainty"), 2), batch_of()
    for factor, sign in ((0.5, -1.0), (1.0, 0.0), (2.0, 1.0)):  # below, at and above the best variance
        loss.log_variance_T.data, loss.log_variance_T.grad = torch.log(2 * means * factor), None
        loss(LOGITS_BT, batch, loss.weights(batch))[0].backward()
        slope_T = loss.log_variance_T.grad.where(loss.log_variance_T.grad.abs() > 1e-6, 0.0)
        assert slope_T.sign().tolist() == [sign, sign]


def test_an_unknown_task_moves_no_learned_balance():
    batch = batch_of(mask_BT=MASK_BT * torch.tensor([1.0, 0.0]))
    loss = BatchLoss(TrainConfig(task_balance="uncertainty", positive_weights=(1.0, 2.0)), 2)
    loss(LOGITS_BT, batch, loss.weights(batch))[0].backward()
    assert loss.log_variance_T.grad[0] != 0 and loss.log_variance_T.grad[1] == 0


def without_dropout(seed):
    return models.build("shared_bottom", ROWS_SPEC, seed=seed, input_dropout=0.0, dropout=0.0)


def test_the_learned_balance_is_trained_and_part_of_the_state():
    model = without_dropout(seed=0)
    config = TrainConfig(task_balance="uncertainty", learning_rate=0.1)
    stepper, batch = Stepper(model, config, 2), rows(50).batch(slice(None))
    for _ in range(3):
        stepper.step(batch)
    moved_T = stepper.state()["loss.log_variance_T"].clone()
    assert moved_T.all()
    again = Stepper(without_dropout(seed=1), config, 2)
    again.load_state(stepper.state())
    for one in (stepper, again):
        one.step(batch)
    assert not torch.equal(stepper.loss.log_variance_T, moved_T)
    assert torch.equal(stepper.loss.log_variance_T, again.loss.log_variance_T)


def test_a_weight_of_zero_leaves_a_task_untrained():
    model, fresh = (models.build("shared_bottom", ROWS_SPEC, seed=0) for _ in range(2))
    fit(model, rows(200), rows(100, 1), TrainConfig(epochs=1, task_weights=(1.0, 0.0)), device="cpu")
    pairs = zip(fresh.towers[1].parameters(), model.towers[1].parameters(), strict=True)
    assert all(torch.equal(before, after) for before, after in pairs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task_weights": (1.0,)}, "task_weights has 1 values, expected 2, one per task"),
        ({"scenario_weights": (1.0,)}, "scenario_weights has 1 values, expected 2, one per scenario"),
        ({"cell_weights": ((1.0, 1.0),)}, "cell_weights has 1 rows, expected 2, one per scenario"),
        ({"cell_weights": ((1.0,), (1.0,))}, "a row of cell_weights has 1 values, expected 2, one per task"),
        ({"positive_weights": (1.0, 1.0, 1.0)}, "positive_weights has 3 values, expected 2, one per task"),
        ({"task_weights": (-1.0, 1.0)}, "task_weights holds -1.0, expected finite numbers of 0 or more"),
        ({"cell_weights": ((1.0, 1.0), (1.0, math.nan))}, "cell_weights holds nan"),
        ({"positive_weights": (0.0, 1.0)}, "positive_weights holds 0, expected more than 0"),
        ({"task_weights": (0.0, 0.0)}, "all weights of the loss are 0"),
        ({"loss_mean": "row"}, "loss_mean is 'row', expected one of batch, scenario"),
        ({"task_balance": "none"}, "task_balance is 'none', expected one of fixed, uncertainty"),
    ],
)
def test_weights_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        loss_of(**settings)


def test_weights_of_scenarios_need_a_model_that_knows_its_scenarios():
    with pytest.raises(ValueError, match="does not say how many there are"):
        Stepper(torch.nn.Linear(1, 1), TrainConfig(loss_mean="scenario"), 1)
