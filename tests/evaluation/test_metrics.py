"""Every registered metric: known answers, brute force, and one suite that a new metric enters by existing."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from hinet_core.evaluation.metrics import METRICS, auc, logloss, predicted_over_observed, probability


def plain(compute, logit, label):
    logit, label = np.asarray(logit, float), np.asarray(label, float)
    return compute(logit, label, np.ones((len(label), 1)))[0]


def brute_force_auc(logit, label, weight):
    """Every positive against every negative, in loops."""
    wins = total = 0.0
    for i in np.flatnonzero(label == 1):
        for j in np.flatnonzero(label == 0):
            pair = weight[i] * weight[j]
            total += pair
            wins += pair * (1.0 if logit[i] > logit[j] else 0.5 if logit[i] == logit[j] else 0.0)
    return wins / total


def tied_rows(seed, n=60):
    rng = np.random.default_rng(seed)
    return rng.integers(-3, 4, n).astype(float), (rng.random(n) < 0.3).astype(float), rng.integers(0, 4, (n, 5))


def test_auc_of_four_rows_by_hand():
    # Pairs: (2, 1) right, (2, 2) tied, (0, 1) wrong, (0, 2) wrong: 1.5 of 4.
    assert plain(auc, [2, 0, 1, 2], [1, 1, 0, 0]) == 1.5 / 4


def test_auc_is_one_zero_and_half():
    assert plain(auc, [3, 2, 1], [1, 0, 0]) == 1
    assert plain(auc, [1, 2, 3], [1, 0, 0]) == 0
    assert plain(auc, [5, 5, 5], [1, 0, 0]) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_auc_equals_brute_force_with_ties_and_weights(seed):
    logit, label, weight = tied_rows(seed)
    expected = [brute_force_auc(logit, label, column) for column in weight.T]
    np.testing.assert_allclose(auc(logit, label, weight.astype(float)), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_scikit_learn_agrees(seed):
    logit, label, weight = tied_rows(seed, n=500)
    column = weight[:, 0].astype(float)
    ours = [metric(logit, label, column[:, None])[0] for metric in (auc, logloss)]
    theirs = [
        roc_auc_score(label, logit, sample_weight=column),
        log_loss(label, probability(logit), sample_weight=column),
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_logloss_by_hand():
    assert plain(logloss, [0.0, 0.0], [1, 0]) == pytest.approx(np.log(2))
    assert plain(logloss, [np.log(3)], [1]) == pytest.approx(-np.log(0.75))


def test_logloss_of_a_sure_and_wrong_model_stays_finite():
    assert plain(logloss, [-800.0, 800.0], [1, 1]) == 400.0


def test_predicted_over_observed_by_hand():
    # Probabilities .5, .25, .75 add to 1.5; one positive.
    assert plain(predicted_over_observed, [0.0, -np.log(3), np.log(3)], [1, 0, 0]) == pytest.approx(1.5)


def test_a_column_without_a_class_has_no_value():
    label, weight = np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isnan(auc(np.zeros(2), label, weight)).all()
    assert np.isnan(predicted_over_observed(np.zeros(2), label, weight)).tolist() == [False, True]


@pytest.mark.parametrize("name", METRICS)
def test_integer_weights_equal_repeated_rows(name):
    logit, label, weight = tied_rows(7)
    repeated = np.repeat(np.arange(len(label)), weight[:, 0])
    ours = METRICS[name].compute(logit, label, weight[:, :1].astype(float))[0]
    assert ours == pytest.approx(plain(METRICS[name].compute, logit[repeated], label[repeated]), rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_order_of_rows_and_other_columns_do_not_matter(name):
    logit, label, weight = tied_rows(8)
    weight = weight.astype(float)
    order = np.random.default_rng(0).permutation(len(label))
    whole = METRICS[name].compute(logit, label, weight)
    np.testing.assert_allclose(METRICS[name].compute(logit[order], label[order], weight[order]), whole, rtol=1e-12)
    np.testing.assert_allclose(METRICS[name].compute(logit, label, weight[:, 2:3]), whole[2:3], rtol=1e-12)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("label", [[], [0, 0, 0], [1, 1], [0, 1]])
def test_a_metric_has_a_value_exactly_where_it_gives_no_reason(name, label):
    metric = METRICS[name]
    reason = metric.undefined(np.asarray(label, float))
    value = plain(metric.compute, np.linspace(-1, 1, len(label)), label)
    assert (reason is None) == bool(np.isfinite(value))


def test_the_reasons_say_what_was_found():
    assert METRICS["auc"].undefined(np.zeros(1234)) == "one class only: no positive among 1,234 labels"
    assert METRICS["auc"].undefined(np.ones(2)) == "one class only: all 2 labels are positive"
    assert METRICS["logloss"].undefined(np.zeros(0)) == "no example with a mature label"
    assert METRICS["logloss"].undefined(np.zeros(3)) is None
