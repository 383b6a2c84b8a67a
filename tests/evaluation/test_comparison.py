"""Verdicts over users and seeds: nominal without a difference, covering a planted one, and in plain words."""

import numpy as np
import pytest

from hinet_core.evaluation.cells import Cell, judge
from hinet_core.evaluation.comparison import compare, compare_judged, estimates, judge_seeds, rounded_up, verdict
from hinet_core.evaluation.intervals import Basis
from hinet_core.evaluation.metrics import auc
from hinet_core.evaluation.multiple import adjusted
from hinet_core.evaluation.ranked import ranked
from hinet_core.evaluation.rows import Rows, Scores
from hinet_core.evaluation.seeds import over_seeds

N_USERS, PER_USER, N_SEEDS = 120, 5, 3
JITTER = 0.25  # how much trainings of one model differ in quality


def world(rng, n_users):
    """Rows of users with tastes, and the logit that made their labels."""
    user = np.repeat(np.arange(n_users), PER_USER)
    truth = -0.5 + rng.normal(0, 1, len(user)) + rng.normal(0, 0.7, n_users)[user]
    label = (rng.random(len(user)) < 1 / (1 + np.exp(-truth))).astype(float)
    return user, truth, label


def trained(rng, truth, noise):
    """What a training sees: the truth through noise whose size differs from seed to seed."""
    return truth + rng.normal(0, noise * np.exp(rng.normal(0, JITTER)), len(truth))


def verdicts(rng, noises, adjust="none"):
    user, truth, label = world(rng, N_USERS)
    rows = Rows(
        scenarios=("a",), tasks=("click",), scenario_N=np.zeros(len(user), int), user_N=user,
        label_NT=label[:, None], counts_NT=np.ones((len(user), 1), bool),
    )  # fmt: skip
    scores = {}
    for name, noise in noises.items():
        logits = [trained(rng, truth, noise)[:, None] for _ in range(N_SEEDS)]
        scores[name] = [Scores(model=name, first_NT=one, logged_NT=one) for one in logits]
    return compare(rows, scores, "base", adjust=adjust, seed=[int(rng.integers(2**31))], draws=60)


def true_auc(rng, noise, n_seeds=60):
    """The mean over trainings on so many users that users no longer matter."""
    _, truth, label = world(rng, 6000)
    return np.mean([auc(ranked(trained(rng, truth, noise), label))[0] for _ in range(n_seeds)])


@pytest.mark.slow
def test_without_a_difference_one_in_twenty_is_called_one():
    rng = np.random.default_rng(11)
    found = [verdicts(rng, {"base": 1.0, "x": 1.0})[0].p < 0.05 for _ in range(120)]
    # Three standard errors of a rate of .05 in 120 worlds are .06.
    assert 0 < np.mean(found) < 0.11


@pytest.mark.slow
def test_the_interval_covers_a_planted_difference():
    rng = np.random.default_rng(12)
    truth = true_auc(rng, 2.5) - true_auc(rng, 0.9)
    found = [verdicts(rng, {"base": 0.9, "x": 2.5})[0] for _ in range(120)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.89 < covered < 1
    assert np.mean([one.verdict.startswith("worse by") for one in found]) > 0.6


@pytest.mark.slow
def test_holm_keeps_any_false_difference_among_four_models_rare():
    rng = np.random.default_rng(13)
    some = {"holm": 0, "none": 0}
    for _ in range(50):
        family = verdicts(rng, {name: 1.0 for name in ("base", *"vwxy")}, adjust="holm")
        some["holm"] += any(one.p_adjusted < 0.05 for one in family)
        some["none"] += any(one.p < 0.05 for one in family)
    # A rate of .05 and three standard errors; unadjusted, four tests err about three times as often.
    assert some["holm"] / 50 < 0.05 + 0.092
    assert some["none"] > some["holm"]


def cell(value, draws, metric="auc", n_users=100, reason=None):
    return Cell(
        scope="pooled", scenario_id="", task="click", metric=metric, value=value, value_D=np.asarray(draws, float),
        n=1000, n_positives=100, n_users=n_users, basis=Basis(n_users), null_reason=reason,
    )  # fmt: skip


def judged(a, b, metric="auc"):
    """Two models of one seed and one cell each."""
    return {"x": [[cell(*a, metric=metric)]], "base": [[cell(*b, metric=metric)]]}


def test_variance_of_users_and_of_seeds_by_hand():
    # Two seeds whose values are .7 and .8 (variance .005) and whose draws differ from their mean by .1, +-.01 or -+.01.
    spread = over_seeds([cell(0.7, [0.70, 0.72, 0.71]), cell(0.8, [0.80, 0.78, 0.79])])
    assert spread.value == pytest.approx(0.75)
    np.testing.assert_allclose(spread.value_D, [0.75, 0.75, 0.75])
    by_users = 2 * np.var([-0.05, -0.03, -0.04], ddof=1)
    ((of_seeds, raw, freedom),) = spread.terms
    assert (of_seeds, raw, freedom) == (pytest.approx((0.005 - by_users) / 2), pytest.approx(0.0025), 1)
    assert spread.standard_error == pytest.approx(np.sqrt(of_seeds))
    assert spread.freedom == pytest.approx(of_seeds**2 / raw**2)


def test_one_seed_is_judged_over_users_and_the_verdict_says_so():
    draws = 0.02 + np.linspace(-0.01, 0.01, 101)
    (one,) = compare_judged(judged((0.72, 0.7 + draws), (0.70, np.full(101, 0.70))), "base")
    error = draws.std(ddof=1)
    np.testing.assert_allclose([one.low, one.high], [0.02 - 1.984 * error, 0.02 + 1.984 * error], rtol=1e-3)
    assert one.verdict == "better by 0.02 (0.0084 to 0.032); one seed, so this holds for these trainings only"


@pytest.mark.parametrize(
    ("metric", "mine", "theirs", "said"),
    [
        ("auc", 0.72, 0.70, "better by 0.02"),
        ("logloss", 0.72, 0.70, "worse by 0.02"),
        ("predicted_over_observed", 0.97, 1.05, "better by 0.02"),
        ("auc", 0.701, 0.70, "no detectable difference, below 0.013"),
        ("logloss", 0.7, 0.7, "no detectable difference, below 0.012"),
    ],
)
def test_a_verdict_knows_which_direction_is_good(metric, mine, theirs, said):
    noise = np.linspace(-0.01, 0.01, 101)
    (one,) = compare_judged(judged((mine, mine + noise), (theirs, np.full(101, theirs)), metric), "base")
    assert one.verdict.startswith(said)


def test_equal_models_and_undefined_cells():
    (same,) = compare_judged(judged((0.7, [0.6, 0.7, 0.8]), (0.7, [0.6, 0.7, 0.8])), "base")
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert same.verdict.startswith("no detectable difference, below 0;")
    nothing = {name: [[cell(None, [np.nan] * 3, reason="one class only")]] for name in ("x", "base")}
    (undefined,) = compare_judged(nothing, "base")
    assert (undefined.difference, undefined.p, undefined.verdict) == (None, None, "not compared: one class only")
    few = {name: [[cell(0.7 + place, [0.7, 0.8, 0.9], n_users=3)]] for place, name in enumerate(("x", "base"))}
    (short,) = compare_judged(few, "base")
    assert (short.p, short.verdict) == (None, "not compared: no interval: 3 users, expected 10 or more")


def test_a_difference_that_does_not_outlast_the_adjustment_is_not_called_one():
    noise = np.linspace(-0.01, 0.01, 101)
    models = {name: [[cell(0.713, 0.713 + noise)]] for name in "abcde"} | {"base": [[cell(0.70, np.full(101, 0.70))]]}
    alone = compare_judged({"a": models["a"], "base": models["base"]}, "base")
    assert alone[0].verdict.startswith("better by 0.013")
    family = compare_judged(models, "base")
    assert {one.adjusted_for for one in family} == {5}
    assert all(one.verdict.startswith("no detectable difference, below 0.025") for one in family)
    # One that cannot be compared takes its place in the family: its size does not depend on what was found.
    *rest, absent = compare_judged({**models, "f": [[cell(0.713, 0.713 + noise, n_users=3)]]}, "base")
    assert [one.p_adjusted for one in rest] == pytest.approx([6 * one.p for one in family])
    assert (absent.p_adjusted, absent.adjusted_for) == (None, 6)


def test_adjusted_p_values_by_hand():
    p = np.array([0.01, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(adjusted(p, "holm"), [0.04, 0.09, 0.09, 0.5])
    np.testing.assert_allclose(adjusted(p, "bh"), [0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5])
    assert adjusted(p, "none").tolist() == p.tolist()
    assert adjusted(np.array([0.6, 0.7]), "holm").tolist() == [1, 1]
    assert all(len(adjusted(np.zeros(0), how)) == 0 for how in ("holm", "bh", "none"))
    with pytest.raises(ValueError, match="expected an adjustment among holm, bh, none; found 'bonferroni'"):
        adjusted(p, "bonferroni")


def test_bounds_are_rounded_to_the_safe_side():
    assert [rounded_up(one) for one in (0.00312, 0.0031, 12.1, 0.0)] == ["0.0032", "0.0031", "13", "0"]


def test_estimates_are_means_over_seeds_and_compare_is_judging_and_comparing():
    rng = np.random.default_rng(0)
    user, truth, label = world(rng, 40)
    rows = Rows(
        scenarios=("a", "b"), tasks=("click",), scenario_N=user % 2, user_N=user,
        label_NT=label[:, None], counts_NT=np.ones((len(user), 1), bool),
    )  # fmt: skip
    logits = {name: truth[:, None] + rng.normal(0, 1, (2, len(user), 1)) for name in ("base", "x")}
    scores = {
        name: [Scores(model=name, first_NT=one, logged_NT=one) for one in both] for name, both in logits.items()
    }
    found = judge_seeds(rows, scores, ["auc", "logloss"], [5], 50)
    assert [len(found[name]) for name in ("base", "x")] == [2, 2]
    single = judge(rows, [scores["x"][1]], [5], 50, ["auc", "logloss"])
    assert [one.value for one in found["x"][1]] == [one.value for one in single[0]]
    for one in estimates(found):
        key = (one.scope, one.scenario_id, one.task, one.metric)
        values = [next(cell.value for cell in mine if cell.key == key) for mine in found[one.model]]
        assert one.value == pytest.approx(np.mean(values))
        assert one.sd_seeds == pytest.approx(np.std(values, ddof=1))
        assert one.low < one.value < one.high
    whole = compare(rows, scores, "base", metrics=["auc", "logloss"], scopes=["pooled", "scenario"], seed=[5], draws=50)
    assert whole == compare_judged(found, "base", ["pooled", "scenario"])
    assert len(whole) == 2 * 3
    assert [one.verdict for one in whole] == [verdict(one) for one in whole]
    fewer = compare_judged(found, "base", ["pooled", "scenario"], metrics=["auc"])
    assert [(one.metric, one.adjusted_for) for one in fewer] == [("auc", 3)] * 3


def test_what_cannot_be_compared_is_said():
    with pytest.raises(ValueError, match="expected the baseline 'mmoe' among the models judged: x, base"):
        compare_judged(judged((0.7, [0.7] * 3), (0.7, [0.7] * 3)), "mmoe")
    with pytest.raises(ValueError, match="expected scopes among scenario, pooled, macro; found overall"):
        compare_judged(judged((0.7, [0.7] * 3), (0.7, [0.7] * 3)), "base", ["overall"])
    rows = Rows(
        scenarios=("a",), tasks=("click",), scenario_N=np.zeros(2, int), user_N=np.arange(2),
        label_NT=np.ones((2, 1)), counts_NT=np.ones((2, 1), bool),
    )  # fmt: skip
    one = Scores(model="base", first_NT=rows.label_NT, logged_NT=rows.label_NT)
    with pytest.raises(ValueError, match="expected scores of one seed or more of each model, found none of x"):
        compare(rows, {"base": [one], "x": []}, "base")
