"""The validation score against a slow count of pairs, and the averaged weights by hand."""

import math

import numpy as np
import pytest
import torch
from loop_rows import rows

from hinet_core.training.stopping import AveragedWeights, Scorer, auc


def pairs_auc(label, score):
    wins = [(p > n) + 0.5 * (p == n) for p in score[label == 1] for n in score[label == 0]]
    return sum(wins) / len(wins)


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs_in_the_right_order(seed):
    rng = np.random.default_rng(seed)
    label, score = rng.integers(0, 2, 60), rng.integers(0, 7, 60).astype(float)
    assert auc(label, score) == pytest.approx(pairs_auc(label, score), abs=1e-12)


def test_auc_of_one_class_is_undefined():
    assert math.isnan(auc(np.ones(3), np.arange(3.0)))


def test_scenarios_with_too_few_of_a_class_do_not_stop_training():
    valid = rows(1000)
    scarce = valid.scenario_N == 1
    valid.labels_NT[scarce] = 0.0
    valid.labels_NT[scarce.nonzero()[:20, 0], 0] = 1.0
    scorer = Scorer.of(valid)
    assert scorer.rule == "macro_auc"
    assert {(cell.scenario, cell.task) for cell in scorer.cells} == {(0, 0), (0, 1)}
    first = (valid.scenario_N == 0).numpy()
    score_NT = np.random.default_rng(0).normal(size=(1000, 2))
    expected = auc(valid.labels_NT.numpy()[first, 0], score_NT[first, 0])
    assert scorer.auc_per_task(score_NT)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("positives", "counts"), [(49, False), (50, True)])
def test_fifty_of_the_smaller_class_are_enough(positives, counts):
    valid = rows(1000)
    second = valid.scenario_N == 1
    valid.labels_NT[second, 0] = 0.0
    valid.labels_NT[second.nonzero()[:positives, 0], 0] = 1.0
    assert ((1, 0) in {(cell.scenario, cell.task) for cell in Scorer.of(valid).cells}) == counts


def test_the_score_is_the_mean_auc_or_the_sum_of_losses_with_the_smaller_one_better():
    by_auc, by_loss = rows(1000), rows(40)
    by_loss.labels_NT[:] = 1.0
    assert Scorer.of(by_auc).score({0: 0.7, 1: 0.8}, {0: 9.0, 1: 9.0}) == pytest.approx(0.75)
    assert Scorer.of(by_loss).score({}, {0: 0.25, 1: 0.5}) == -0.75


def test_scenarios_weigh_the_same_or_by_their_rows():
    valid, score_NT = rows(1000), np.random.default_rng(0).normal(size=(1000, 2))
    valid.label_mask_NT[torch.nonzero(valid.scenario_N == 1)[150:]] = 0.0
    second = (valid.scenario_N == 1).numpy() & (valid.label_mask_NT[:, 0] > 0).numpy()
    first = (valid.scenario_N == 0).numpy()
    parts = [auc(valid.labels_NT.numpy()[rows_N, 0], score_NT[rows_N, 0]) for rows_N in (first, second)]
    shares = np.array([first.sum(), 150]) / (first.sum() + 150)
    macro, weighted = Scorer.of(valid), Scorer.of(valid, by_rows=True)
    assert (macro.rule, weighted.rule) == ("macro_auc", "weighted_auc")
    assert macro.auc_per_task(score_NT)[0] == pytest.approx(np.mean(parts))
    assert weighted.auc_per_task(score_NT)[0] == pytest.approx(np.dot(parts, shares))
    assert weighted.score({0: 0.7, 1: 0.8}, {}) == pytest.approx(0.75)


def test_masked_labels_are_not_scored():
    valid = rows(400)
    valid.labels_NT[200:] = float("nan")
    valid.label_mask_NT[200:] = 0.0
    score_NT = np.random.default_rng(0).normal(size=(400, 2))
    half = valid.map(lambda tensor: tensor[:200])
    assert Scorer.of(valid, 5).auc_per_task(score_NT) == Scorer.of(half, 5).auc_per_task(score_NT[:200])
    assert Scorer.of(valid).logloss_per_task(score_NT) == Scorer.of(half).logloss_per_task(score_NT[:200])


def test_rule_falls_back_to_any_defined_cell_then_to_logloss_then_to_none():
    few, one_class, unknown = rows(40), rows(40), rows(40)
    one_class.labels_NT[:] = 1.0
    unknown.label_mask_NT[:] = 0.0
    assert len(Scorer.of(few).cells) == 4
    rules = [Scorer.of(valid).rule for valid in (few, one_class, unknown)]
    assert rules == ["macro_auc", "logloss", "none"]


def test_average_follows_the_recurrence_and_gives_the_weights_back():
    model = torch.nn.Linear(1, 1, bias=False)
    averaged, expected = AveragedWeights(model, 0.5), model.weight.item()
    for step, value in enumerate([1.0, 2.0, 4.0, 8.0], start=1):
        torch.nn.init.constant_(model.weight, value)
        averaged.update()
        decay = min(0.5, step / (3 + step))
        expected = decay * expected + (1 - decay) * value
    with averaged.in_place():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 8.0


def test_without_decay_the_last_weights_are_kept():
    model = torch.nn.Linear(1, 1)
    averaged = AveragedWeights(model, 0.0)
    torch.nn.init.constant_(model.weight, 7.0)
    averaged.update()
    assert averaged.average[0].item() == 7.0
