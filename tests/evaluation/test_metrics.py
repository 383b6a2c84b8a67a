"""Every registered metric: known answers, brute force, and one suite that a new metric enters by existing."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from hinet_core.evaluation.metrics import (
    ECE_BINS,
    METRICS,
    ScoreMetric,
    auc,
    auc_logged,
    ece,
    logloss,
    normalized_entropy,
    pr_auc,
    predicted_over_observed,
    probability,
)
from hinet_core.evaluation.ranked import ranked
from hinet_core.publish.words import METRIC_WORDS

OF_SCORES = [name for name, one in METRICS.items() if isinstance(one, ScoreMetric)]


def plain(compute, logit, label):
    return compute(ranked(np.asarray(logit, float), np.asarray(label, float)))[0]


def weighted(compute, logit, label, weight):
    return compute(ranked(logit, label, weight.astype(float)))


def brute_force_auc(logit, label, weight):
    """Every positive against every negative, in loops."""
    wins = total = 0.0
    for i in np.flatnonzero(label == 1):
        for j in np.flatnonzero(label == 0):
            pair = weight[i] * weight[j]
            total += pair
            wins += pair * (1.0 if logit[i] > logit[j] else 0.5 if logit[i] == logit[j] else 0.0)
    return wins / total


def brute_force_pr_auc(logit, label, weight):
    """The precision at every positive's score, in loops."""
    total = 0.0
    for i in np.flatnonzero(label == 1):
        above = logit >= logit[i]
        total += weight[i] * weight[above & (label == 1)].sum() / max(weight[above].sum(), 1e-300)
    return total / weight[label == 1].sum()


def brute_force_ece(logit, label, weight):
    """A row's bin is that of the weight of all rows below it."""
    below = np.array([weight[logit < one].sum() for one in logit])
    bin_of = np.floor(below * ECE_BINS / weight.sum())
    gaps = [abs(((probability(logit) - label) * weight)[bin_of == one].sum()) for one in np.unique(bin_of)]
    return sum(gaps) / weight.sum()


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
@pytest.mark.parametrize(
    ("compute", "reference"),
    [(auc, brute_force_auc), (auc_logged, brute_force_auc), (pr_auc, brute_force_pr_auc), (ece, brute_force_ece)],
)
def test_loops_agree_on_ties_and_weights(compute, reference, seed):
    logit, label, weight = tied_rows(seed)
    expected = [reference(logit, label, column.astype(float)) for column in weight.T]
    np.testing.assert_allclose(weighted(compute, logit, label, weight), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_scikit_learn_agrees(seed):
    logit, label, weight = tied_rows(seed, n=500)
    column = weight[:, 0].astype(float)
    rate = np.average(label, weights=column)
    ours = [weighted(one, logit, label, weight)[0] for one in (auc, pr_auc, logloss, normalized_entropy)]
    loss, of_rate = (
        log_loss(label, p, sample_weight=column) for p in (probability(logit), np.full(len(label), rate))
    )
    theirs = [
        roc_auc_score(label, logit, sample_weight=column),
        average_precision_score(label, logit, sample_weight=column),
        loss,
        loss / of_rate,
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_pr_auc_by_hand():
    # From the top: 1 0 1 0, precision 1 at the first positive and 2/3 at the second.
    assert plain(pr_auc, [4, 3, 2, 1], [1, 0, 1, 0]) == pytest.approx((1 + 2 / 3) / 2)
    # A tie of both classes counts as found together.
    assert plain(pr_auc, [1, 1, 0], [1, 0, 0]) == 0.5


def test_logloss_by_hand():
    assert plain(logloss, [0.0, 0.0], [1, 0]) == pytest.approx(np.log(2))
    assert plain(logloss, [np.log(3)], [1]) == pytest.approx(-np.log(0.75))


def test_logloss_of_a_sure_and_wrong_model_stays_finite():
    assert plain(logloss, [-800.0, 800.0], [1, 1]) == 400.0


def test_normalized_entropy_of_the_rate_itself_is_one():
    assert plain(normalized_entropy, [np.log(1 / 3)] * 4, [1, 0, 0, 0]) == pytest.approx(1)


def test_predicted_over_observed_by_hand():
    # Probabilities .5, .25, .75 add to 1.5; one positive.
    assert plain(predicted_over_observed, [0.0, -np.log(3), np.log(3)], [1, 0, 0]) == pytest.approx(1.5)


def test_ece_by_hand():
    # 40 rows in bins of two. Half say .5 and are right on average; half say .75, of which one in four is positive.
    logit = np.r_[np.zeros(20), np.full(20, np.log(3))] + np.arange(40) * 1e-9
    label = np.r_[np.tile([0, 1], 10), np.tile([0, 0, 1, 0], 5)]
    # Bins of the second half gap by .75 (no positive) or .25 (one of two), in turn.
    assert plain(ece, logit, label) == pytest.approx((0 * 10 + 0.75 * 5 + 0.25 * 5) / 20, abs=1e-6)


def test_a_column_without_a_class_has_no_value():
    rows = ranked(np.zeros(2), np.array([1.0, 0.0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    for compute in (auc, normalized_entropy):
        assert np.isnan(compute(rows)).all()
    assert np.isnan(predicted_over_observed(rows)).tolist() == [False, True]


@pytest.mark.parametrize("name", OF_SCORES)
def test_a_column_of_no_row_has_no_value(name):
    assert np.isnan(METRICS[name].compute(ranked(np.arange(2.0), np.array([1.0, 0.0]), np.zeros((2, 1))))).all()


@pytest.mark.parametrize("name", OF_SCORES)
def test_integer_weights_equal_repeated_rows(name):
    logit, label, weight = tied_rows(7)
    repeated = np.repeat(np.arange(len(label)), weight[:, 0])
    ours = weighted(METRICS[name].compute, logit, label, weight[:, :1])[0]
    assert ours == pytest.approx(plain(METRICS[name].compute, logit[repeated], label[repeated]), rel=1e-12)


@pytest.mark.parametrize("name", OF_SCORES)
def test_order_of_rows_and_other_columns_do_not_matter(name):
    logit, label, weight = tied_rows(8)
    order = np.random.default_rng(0).permutation(len(label))
    compute = METRICS[name].compute
    whole = weighted(compute, logit, label, weight)
    np.testing.assert_allclose(weighted(compute, logit[order], label[order], weight[order]), whole, rtol=1e-12)
    np.testing.assert_allclose(weighted(compute, logit, label, weight[:, 2:3]), whole[2:3], rtol=1e-12)


@pytest.mark.parametrize("name", OF_SCORES)
@pytest.mark.parametrize("label", [[], [0, 0, 0], [1, 1], [0, 1]])
def test_a_metric_has_a_value_exactly_where_it_gives_no_reason(name, label):
    metric = METRICS[name]
    reason = metric.undefined(len(label), sum(label))
    value = plain(metric.compute, np.linspace(-1, 1, len(label)), label)
    assert (reason is None) == bool(np.isfinite(value))


def test_the_reasons_say_what_was_found():
    assert METRICS["auc"].undefined(1234, 0) == "one class only: no positive among 1,234 labels"
    assert METRICS["auc"].undefined(2, 2) == "one class only: all 2 labels are positive"
    assert METRICS["logloss"].undefined(0, 0) == "no example with a mature label"
    assert METRICS["logloss"].undefined(3, 0) is None


def test_every_metric_is_defined_in_the_docs_and_has_words_on_the_dashboard():
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert [name for name in METRICS if f"\n| `{name}` | " not in page] == []
    assert [name for name in METRICS if name not in METRIC_WORDS] == []
