"""The loss against hand-computed values."""

import math

import torch

from hinet_core.training.losses import masked_bce, total_loss


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


def test_total_is_the_weighted_sum_over_tasks_of_the_batch_mean():
    loss_BT = torch.tensor([[1.0, 10.0], [3.0, 0.0]])
    assert total_loss(loss_BT, torch.tensor([1.0, 0.5])).item() == (1 + 3) / 2 + 0.5 * 10 / 2
