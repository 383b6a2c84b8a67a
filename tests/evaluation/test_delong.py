"""DeLong's variance against every pair in loops, and as a check of the bootstrap over rows and over users."""

import numpy as np
import pytest

from hinet_core.evaluation.cells import judge
from hinet_core.evaluation.delong import clustered_variance, components, noted, standard_error, variance
from hinet_core.evaluation.metrics import auc
from hinet_core.evaluation.ranked import ranked
from hinet_core.evaluation.rows import Rows, Scores


def kernel(a, b):
    return 1.0 if a > b else 0.5 if a == b else 0.0


def by_pairs(logit, label):
    """V10 and V01 as DeLong defines them, in loops."""
    positives, negatives = logit[label == 1], logit[label == 0]
    v10 = np.array([np.mean([kernel(a, b) for b in negatives]) for a in positives])
    v01 = np.array([np.mean([kernel(a, b) for a in positives]) for b in negatives])
    return v10, v01


def tied(seed, n=60):
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.4).astype(float)
    return np.round(rng.normal(label, 1.0, n) * 2) / 2, label, rng


@pytest.mark.parametrize("seed", range(3))
def test_components_and_variance_equal_loops_over_pairs(seed):
    logit, label, rng = tied(seed)
    v10, v01 = by_pairs(logit, label)
    found = components(logit, label)
    np.testing.assert_allclose(found.share_N[label == 1], v10, rtol=1e-12)
    np.testing.assert_allclose(found.share_N[label == 0], v01, rtol=1e-12)
    assert found.auc == pytest.approx(auc(ranked(logit, label))[0], rel=1e-12)
    expected = v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)
    assert variance(logit, label) == pytest.approx(expected, rel=1e-12)
    other = logit + rng.normal(0, 1, len(logit))
    w10, w01 = by_pairs(other, label)
    paired = (v10 - w10).var(ddof=1) / len(v10) + (v01 - w01).var(ddof=1) / len(v01)
    assert variance(logit, label, other) == pytest.approx(paired, rel=1e-12)


def test_clusters_equal_loops_over_users():
    logit, label, rng = tied(7)
    user = rng.integers(9, size=len(label))
    v10, v01 = by_pairs(logit, label)
    theta = v10.mean()
    total = 0.0
    for one in range(9):
        x = (v10[user[label == 1] == one] - theta).sum() / len(v10)
        y = (v01[user[label == 0] == one] - theta).sum() / len(v01)
        total += (x + y) ** 2
    assert clustered_variance(logit, label, user) == pytest.approx(9 / 8 * total, rel=1e-12)
    assert clustered_variance(logit, label, user, logit) == 0.0


def split(rng, n_users, per_user, taste):
    user = np.repeat(np.arange(n_users), per_user)
    truth = -1 + rng.normal(0, 1, len(user)) + taste * rng.normal(0, 1, n_users)[user]
    label = (rng.random(len(user)) < 1 / (1 + np.exp(-truth))).astype(float)
    logits = [(truth + rng.normal(0, noise, len(user)))[:, None] for noise in (0.8, 1.0)]
    rows = Rows(
        scenarios=("a",), tasks=("click",), scenario_N=np.zeros(len(user), int), user_N=user, label_NT=label[:, None],
        counts_NT=np.ones((len(user), 1), bool),
    )  # fmt: skip
    return rows, [Scores(model="x", first_NT=one, logged_NT=one) for one in logits]


@pytest.mark.slow
@pytest.mark.parametrize(("per_user", "taste"), [(1, 0.0), (20, 1.5)])
def test_the_bootstrap_over_users_agrees(per_user, taste):
    rows, models = split(np.random.default_rng(2), 2000 // per_user, per_user, taste)
    (a,), (b,) = (one[:1] for one in judge(rows, models, [1], draws=600, metrics=["auc"]))
    logit, other = (one.first_NT[:, 0] for one in models)
    label, user = rows.label_NT[:, 0], rows.user_N
    # 600 draws give a standard deviation to 2.9 %.
    assert a.value_D.std(ddof=1) == pytest.approx(standard_error(logit, label, user), rel=0.1)
    paired = np.sqrt(clustered_variance(logit, label, user, other))
    assert (a.value_D - b.value_D).std(ddof=1) == pytest.approx(paired, rel=0.1)
    plain = standard_error(logit, label)
    if per_user == 1:
        assert a.value_D.std(ddof=1) == pytest.approx(plain, rel=0.1)
    else:  # rows of a user are alike: taken as independent they promise too much
        assert a.value_D.std(ddof=1) > 1.2 * plain


def test_too_few_rows_or_users_are_refused():
    with pytest.raises(ValueError, match="expected two positives and two negatives or more, found 1 and 3"):
        variance(np.arange(4.0), np.array([1.0, 0, 0, 0]))
    with pytest.raises(ValueError, match="expected rows of two users or more, found 1"):
        clustered_variance(np.arange(4.0), np.array([1.0, 0, 1, 0]), np.zeros(4, int))


def test_a_pooled_auc_notes_the_standard_error_of_the_rows_that_count():
    rows, (model, _) = split(np.random.default_rng(4), 60, 5, 1.0)
    counted = Rows(**{**vars(rows), "counts_NT": rows.user_N[:, None] < 50})
    (cells,) = judge(counted, [model], [1], draws=20, metrics=["auc", "logloss"])
    inside = rows.user_N < 50
    error = standard_error(model.first_NT[inside, 0], rows.label_NT[inside, 0], rows.user_N[inside])
    notes = {(cell.scope, cell.metric): cell.note for cell in noted(cells, counted, model)}
    assert notes["pooled", "auc"] == f"standard error of DeLong over users {error:.2g}"
    assert notes["pooled", "logloss"] == notes["scenario", "auc"] == ""
