"""Metrics of users and requests against loops over them, scikit-learn, and each draw done by hand."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score, roc_auc_score

from hinet_core.evaluation import metrics
from hinet_core.evaluation.cells import judge
from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.grouped import grouped
from hinet_core.evaluation.metrics import gauc, ndcg_10
from hinet_core.evaluation.rows import Rows, Scores


def per_group(compute, logit, label, group):
    """{code: (value, weight)} of the groups with both classes."""
    logit, label = np.asarray(logit, float), np.asarray(label, float)
    rows, codes = grouped(np.argsort(logit), logit, label, np.asarray(group))
    return dict(zip(codes.tolist(), zip(*compute(rows), strict=True), strict=True))


def visits(seed=0, n_users=160, ties=True):
    """Requests of 1 to 15 rows of users who make several, in two scenarios; scores with many ties."""
    rng = np.random.default_rng(seed)
    user_of = rng.integers(n_users, size=n_users * 3)
    size = rng.integers(1, 16, len(user_of))
    request = np.repeat(rng.permutation(len(user_of)) + 1000, size)
    user, scenario = np.repeat(user_of, size), np.repeat(rng.integers(2, size=len(user_of)), size)
    truth = rng.normal(-0.5, 1, len(user))
    label = (rng.random(len(user)) < 1 / (1 + np.exp(-truth))).astype(float)
    logit = np.round(truth + rng.normal(0, 1, len(user)), 0 if ties else 9)
    rows = Rows(
        scenarios=("a", "b"), tasks=("click",), scenario_N=scenario, user_N=user, label_NT=label[:, None],
        counts_NT=np.ones((len(user), 1), bool), request_N=request,
    )  # fmt: skip
    order = rng.permutation(len(user))
    rows = Rows(**{name: one[order] if isinstance(one, np.ndarray) else one for name, one in vars(rows).items()})
    return rows, Scores(model="x", first_NT=logit[order, None], logged_NT=np.zeros((len(user), 1)))


def by_loops(rows, scores, which, of_group, weight_of):
    """{scenario or '': list of (value, weight, user, size)} of every group with both classes."""
    found = {"a": [], "b": [], "": []}
    code = rows.user_N if which == "user" else rows.request_N
    for scenario, name in enumerate(rows.scenarios):
        for one in np.unique(code):
            inside = (code == one) & (rows.scenario_N == scenario)
            label, logit = rows.label_NT[inside, 0], scores.first_NT[inside, 0]
            if 0 < label.sum() < len(label):
                group = of_group(label, logit), weight_of(label), rows.user_N[inside][0], len(label)
                found[name].append(group)
                found[""].append(group)
    return found


REFERENCES = {
    "gauc": ("user", roc_auc_score, len),
    "ndcg_10": ("request", lambda label, logit: ndcg_score([label], [logit], k=10), lambda _: 1.0),
}


def test_gauc_of_three_users_by_hand():
    # User 0: one of two pairs. User 1: a tie. User 2 has one class and is left out.
    found = per_group(gauc, [3, 2, 1, 5, 5, 9, 8], [0, 1, 0, 1, 0, 1, 1], [0, 0, 0, 1, 1, 2, 2])
    assert found == {0: (0.5, 3), 1: (0.5, 2)}


def test_ndcg_by_hand():
    # From the top 0 1 0 1: (1 / log2 3 + 1 / log2 5) over (1 + 1 / log2 3).
    found = per_group(ndcg_10, [4, 3, 2, 1], [0, 1, 0, 1], [7, 7, 7, 7])
    expected = (1 / np.log2(3) + 1 / np.log2(5)) / (1 + 1 / np.log2(3))
    assert found[7] == (pytest.approx(expected), 1)
    # Two of equal score share the first two places.
    assert per_group(ndcg_10, [1, 1], [1, 0], [0, 0])[0][0] == pytest.approx((1 + 1 / np.log2(3)) / 2)
    # The eleventh place counts nothing.
    assert per_group(ndcg_10, np.arange(11), np.arange(11) == 0, [0] * 11)[0][0] == 0


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("ties", [True, False])
def test_values_and_every_draw_equal_loops_over_groups(name, ties):
    rows, scores = visits(ties=ties)
    (mine,) = judge(rows, [scores], [5], draws=7, metrics=[name])
    which, of_group, weight_of = REFERENCES[name]
    expected = by_loops(rows, scores, which, of_group, weight_of)
    counts = UserDraws(len(np.unique(rows.user_N)), [5], 7).counts(0)
    dense = {user: place for place, user in enumerate(np.unique(rows.user_N))}
    for cell in mine[:3]:
        value, weight, user, size = (np.array(one) for one in zip(*expected[cell.scenario_id], strict=True))
        assert cell.value == pytest.approx(np.average(value, weights=weight), rel=1e-12)
        drawn = counts[[dense[one] for one in user]]
        np.testing.assert_allclose(cell.value_D, [np.average(value, weights=weight * one) for one in drawn.T])
        share = f"{size.sum() / cell.n:.0%} of the labels"
        assert cell.note == f"{len(value):,} {which}s with both classes, {share}"
    assert mine[3].value == pytest.approx((mine[0].value + mine[1].value) / 2)


@pytest.mark.parametrize("name", REFERENCES)
def test_fewer_groups_than_are_worth_a_mean_give_a_reason(name):
    rows, scores = visits(n_users=40)
    few = Rows(**{**vars(rows), "scenario_N": np.zeros(len(rows), int), "counts_NT": rows.user_N[:, None] < 10})
    (mine,) = judge(few, [scores], [5], draws=7, metrics=[name])
    which, of_group, weight_of = REFERENCES[name]
    inside = Rows(**{**vars(few), "label_NT": np.where(few.counts_NT, few.label_NT, 0)})
    n = len(by_loops(inside, scores, which, of_group, weight_of)[""])
    assert 0 < n < metrics.MIN_GROUPS
    cells = {cell.scenario_id: cell for cell in mine if cell.scope != "macro"}
    assert (cells["a"].value, cells["a"].null_reason) == (None, f"{n} {which}s with both classes, expected 100 or more")
    assert cells["b"].null_reason == "no example with a mature label"


def test_without_requests_ndcg_says_what_is_missing():
    rows, scores = visits()
    (mine,) = judge(Rows(**{**vars(rows), "request_N": None}), [scores], [5], draws=7, metrics=["ndcg_10", "gauc"])
    reasons = {(cell.metric, cell.scope): cell.null_reason for cell in mine}
    assert reasons["ndcg_10", "pooled"] == "no column has the role 'request'"
    assert reasons["gauc", "pooled"] is None


def test_numbers_of_requests_that_users_share_are_told_apart():
    rows, scores = visits(n_users=400)
    shared = Rows(**{**vars(rows), "request_N": rows.request_N % 3})
    (mine,) = judge(shared, [scores], [5], draws=7, metrics=["ndcg_10"])
    own = Rows(**{**vars(rows), "request_N": (rows.request_N % 3) * 1000 + rows.user_N})
    (theirs,) = judge(own, [scores], [5], draws=7, metrics=["ndcg_10"])
    assert [cell.value for cell in mine] == pytest.approx([cell.value for cell in theirs])
