"""Draws in bins: exact for few scores, and for many close to ranking every draw anew."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from hinet_core.evaluation import binned
from hinet_core.evaluation.binned import bins
from hinet_core.evaluation.cells import judge
from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.metrics import METRICS, ScoreMetric
from hinet_core.evaluation.ranked import ranked
from hinet_core.evaluation.rows import Rows, Scores

OF_SCORES = [name for name, one in METRICS.items() if isinstance(one, ScoreMetric)]


def split(n, n_users=500, step=0.0, seed=0):
    """Rows of two scenarios and two models that differ a little; scores are multiples of `step`."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1.5, 1.2, n)
    label = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(float)
    rows = Rows(
        scenarios=("a", "b"), tasks=("click",), scenario_N=(rng.random(n) < 0.1).astype(int),
        user_N=rng.integers(n_users, size=n), label_NT=label[:, None], counts_NT=np.ones((n, 1), bool),
    )  # fmt: skip
    models = []
    for _ in range(2):
        logit = truth[:, None] + rng.normal(0, 0.7, (n, 1))
        logit = np.round(logit / step) * step if step else logit
        models.append(Scores(model="m", first_NT=logit, logged_NT=logit + 0.2, uncalibrated_NT=logit - 0.3))
    return rows, models


def every_draw_ranked_anew(rows, scores, inside, name, draws):
    """The reference: each row repeated as often as its user is drawn."""
    counts = UserDraws(len(np.unique(rows.user_N)), [3], draws).counts(0)
    weight = counts[np.unique(rows.user_N, return_inverse=True)[1]][inside].astype(float)
    slots = {"first": scores.first_NT, "logged": scores.logged_NT, "uncalibrated": scores.uncalibrated_NT}
    return METRICS[name].compute(ranked(slots[METRICS[name].slot][inside, 0], rows.label_NT[inside, 0], weight))


def test_draws_of_few_scores_equal_scikit_learn_on_weighted_rows():
    rows, (model, _) = split(2000, step=0.25)
    (mine,) = judge(rows, [model], [3], draws=8, metrics=["auc", "pr_auc"])
    counts = UserDraws(len(np.unique(rows.user_N)), [3], 8).counts(0)
    weight = counts[np.unique(rows.user_N, return_inverse=True)[1]]
    for place, inside in (("a", rows.scenario_N == 0), ("", np.ones(2000, bool))):
        for name, theirs in (("auc", roc_auc_score), ("pr_auc", average_precision_score)):
            here = [cell for cell in mine if (cell.scenario_id, cell.metric) == (place, name)]
            cell = next(cell for cell in here if cell.scope != "macro")
            label, logit = rows.label_NT[inside, 0], model.first_NT[inside, 0]
            assert cell.value == pytest.approx(theirs(label, logit), rel=1e-12)
            expected = [theirs(label, logit, sample_weight=one) for one in weight[inside].T]
            np.testing.assert_allclose(cell.value_D, expected, rtol=1e-12)


@pytest.mark.parametrize("name", OF_SCORES)
def test_draws_of_many_scores_are_within_a_fraction_of_the_interval(name, monkeypatch):
    monkeypatch.setattr(binned, "EXACT", 100)
    rows, models = split(40_000)
    cells = judge(rows, models, [3], draws=60, metrics=[name])
    for place, inside in (("b", rows.scenario_N == 1), ("", np.ones(len(rows), bool))):
        a, b = (
            next(cell for cell in mine if (cell.scenario_id, cell.scope == "macro") == (place, False)) for mine in cells
        )
        exact_a, exact_b = (every_draw_ranked_anew(rows, model, inside, name, 60) for model in models)
        # The width of the interval of a model, and of the difference of two models, is what errors are held against.
        for ours, exact in ((a.value_D, exact_a), (a.value_D - b.value_D, exact_a - exact_b)):
            if METRICS[name].noisy:  # moved to the value on purpose, which leaves the spread
                assert 0.8 < ours.std() / exact.std() < 1.25
            else:
                assert np.abs(ours - exact).max() < 0.06 * 4 * exact.std()
        if name == "auc" and not place:
            assert np.abs(a.value_D - exact_a).max() < 1e-5


def test_equal_scores_share_a_bin_and_no_bin_leaves_its_pooled_one():
    rng = np.random.default_rng(1)
    logit = np.sort(np.round(rng.normal(0, 2, 30_000), 3))
    label = (rng.random(30_000) < 0.1).astype(float)
    pooled = bins(logit, label)
    within = np.flatnonzero(rng.random(30_000) < 0.5)
    mine = bins(logit[within], label[within], pooled[within])
    for bin_N, logit_N in ((pooled, logit), (mine, logit[within])):
        assert (np.diff(bin_N)[np.diff(logit_N) == 0] == 0).all()
        assert set(np.diff(bin_N)) == {0, 1}
    assert (np.diff(mine)[np.diff(pooled[within]) != 0] == 1).all()


def test_a_constant_model_has_one_bin():
    assert bins(np.zeros(9000), np.ones(9000)).max() == 0
    assert len(bins(np.zeros(0), np.zeros(0))) == 0
