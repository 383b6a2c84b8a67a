"""Cells of hand-made rows: every scope is there, undefined ones say why, and models are paired."""

import numpy as np
import pytest

from hinet_core.evaluation.cells import judge
from hinet_core.evaluation.comparison import paired_deltas
from hinet_core.evaluation.metrics import METRICS
from hinet_core.evaluation.rows import NotFiniteError, Rows, Scores


def hand_made_rows() -> Rows:
    """home: 4 rows; food: 3 rows, of which one has no mature order; hotel: no row. Nobody in food orders."""
    return Rows(
        scenarios=("home", "food", "hotel"),
        tasks=("click", "order"),
        scenario_N=np.array([0, 0, 0, 0, 1, 1, 1]),
        user_N=np.array([5, 5, 9, 2, 2, 9, 7]),
        label_NT=np.array([[1, 1], [0, 0], [1, 0], [0, 0], [1, 0], [0, 0], [0, np.nan]]),
        counts_NT=np.array([[True, True]] * 6 + [[True, False]]),
    )


def scores(model="hinet", first=(2.0, 1.0, 0.0, 1.0, 3.0, 1.0, 2.0), logged=None) -> Scores:
    first_NT = np.repeat(np.array(first)[:, None], 2, axis=1)
    return Scores(model=model, first_NT=first_NT, logged_NT=first_NT if logged is None else logged)


def simulated(seed, n=3000, n_users=300):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1, n)
    label = (rng.random(n) < 1 / (1 + np.exp(1 - truth))).astype(float)
    rows = Rows(
        scenarios=("a", "b"), tasks=("click",), scenario_N=rng.integers(2, size=n),
        user_N=rng.integers(n_users, size=n), label_NT=label[:, None], counts_NT=np.ones((n, 1), dtype=bool),
    )  # fmt: skip
    good, noisy = (truth + rng.normal(0, spread, n) for spread in (0.3, 3.0))
    return rows, [Scores(model=m, first_NT=z[:, None], logged_NT=z[:, None]) for m, z in (("x", good), ("y", noisy))]


def by_key(mine):
    return {cell.key: cell for cell in mine}


def test_every_scope_task_and_metric_has_exactly_one_cell():
    (mine,) = judge(hand_made_rows(), [scores()], [0], draws=10)
    places = [("scenario", "home"), ("scenario", "food"), ("scenario", "hotel"), ("pooled", ""), ("macro", "")]
    expected = {(*place, task, metric) for place in places for task in ("click", "order") for metric in METRICS}
    assert len(mine) == len(expected)
    assert set(by_key(mine)) == expected


def test_values_and_counts_by_hand():
    (mine,) = judge(hand_made_rows(), [scores()], [0], draws=10)
    cell = by_key(mine)
    home = cell["scenario", "home", "click", "auc"]
    # Positives 2, 0 against negatives 1, 1: two of four pairs.
    assert (home.value, home.n, home.n_positives, home.n_users) == (0.5, 4, 2, 3)
    assert cell["scenario", "food", "click", "auc"].value == 1.0
    # 2 beats 1 1 1 and ties 2; 0 loses to all; 3 beats all: 3.5 + 0 + 4 of 12 pairs.
    assert cell["pooled", "", "click", "auc"].value == pytest.approx(7.5 / 12)
    macro = cell["macro", "", "click", "auc"]
    assert (macro.value, macro.n, macro.n_users, macro.note) == (0.75, 7, 4, "mean of 2 of 3 scenarios")


def test_immature_labels_are_left_out_and_undefined_cells_say_why():
    (mine,) = judge(hand_made_rows(), [scores()], [0], draws=10)
    cell = by_key(mine)
    food = cell["scenario", "food", "order", "auc"]
    assert (food.value, food.n, food.null_reason) == (None, 2, "one class only: no positive among 2 labels")
    assert cell["scenario", "food", "order", "logloss"].value is not None
    hotel = cell["scenario", "hotel", "click", "logloss"]
    assert (hotel.value, hotel.n, hotel.null_reason) == (None, 0, "no example with a mature label")
    assert np.isnan(hotel.value_D).all()


def test_a_macro_of_nothing_says_so():
    rows = hand_made_rows()
    nobody = Rows(**{**vars(rows), "label_NT": np.zeros_like(rows.label_NT)})
    (mine,) = judge(nobody, [scores()], [0], draws=10)
    assert by_key(mine)["macro", "", "click", "auc"].null_reason == "undefined in each of 3 scenarios"


def test_a_split_without_rows_has_reasons_only():
    empty = Rows(
        scenarios=("a",), tasks=("click",), scenario_N=np.zeros(0, int), user_N=np.zeros(0, int),
        label_NT=np.zeros((0, 1)), counts_NT=np.zeros((0, 1), bool),
    )  # fmt: skip
    (mine,) = judge(empty, [Scores(model="x", first_NT=np.zeros((0, 1)), logged_NT=np.zeros((0, 1)))], [0], draws=5)
    assert all(cell.value is None and cell.null_reason for cell in mine)


def test_ranking_uses_the_first_slot_and_probabilities_the_logged_one():
    rows = hand_made_rows()
    shifted = scores(logged=np.full((7, 2), -1.0))
    (mine,) = judge(rows, [shifted], [0], draws=10)
    cell = by_key(mine)
    assert cell["scenario", "food", "click", "auc"].value == 1.0
    assert cell["pooled", "", "click", "predicted_over_observed"].value == pytest.approx(7 * 0.2689414 / 3)


def test_a_model_that_gives_nan_is_not_judged():
    with pytest.raises(NotFiniteError, match="mmoe: 1 of 7 rows have a logit that is NaN or infinite"):
        scores("mmoe", first=(np.nan, 1, 0, 1, 3, 1, 2))


def test_the_same_model_twice_differs_by_exactly_nothing():
    rows, (good, _) = simulated(1)
    a, b = judge(rows, [good, good], [0], draws=50)
    for delta in paired_deltas(a, b):
        # The rows have no request, and nothing says what the logits were before calibration.
        if delta.cell.metric == "ndcg_10" or delta.cell.metric.endswith("_before_calibration"):
            assert delta.null_reason is not None
            continue
        assert (delta.value, delta.interval.low, delta.interval.high) == (0.0, 0.0, 0.0)


def test_a_planted_difference_is_found_and_its_interval_is_paired():
    rows, (good, noisy) = simulated(2)
    near_NT = good.first_NT + np.random.default_rng(0).normal(0, 0.3, good.first_NT.shape)
    near = Scores(model="near", first_NT=near_NT, logged_NT=near_NT)
    a, b, c = judge(rows, [good, noisy, near], [0], draws=200)
    delta = {one.cell.key: one for one in paired_deltas(a, b)}["pooled", "", "click", "auc"]
    assert delta.interval.low > 0.05
    assert delta.value == by_key(a)[delta.cell.key].value - by_key(b)[delta.cell.key].value
    # Two models alike gain and lose with the same users drawn: on draws of their own they would differ by `unpaired`.
    mine_D, near_D = (by_key(one)[delta.cell.key].value_D for one in (a, c))
    unpaired = np.hypot(np.std(mine_D), np.std(near_D))
    assert np.std(mine_D - near_D) < 0.5 * unpaired
    assert np.std(mine_D - near_D[::-1]) > 0.8 * unpaired


def test_an_undefined_cell_has_no_difference_but_a_reason():
    mine, theirs = judge(hand_made_rows(), [scores(), scores("mmoe", first=(0.0,) * 7)], [0], draws=10)
    delta = {one.cell.key: one for one in paired_deltas(mine, theirs)}["scenario", "food", "order", "auc"]
    assert (delta.value, delta.null_reason) == (None, "one class only: no positive among 2 labels")


def test_cells_of_other_rows_are_not_compared():
    rows, (good, noisy) = simulated(3)
    (a,) = judge(rows, [good], [0], draws=5)
    half = Rows(**{**vars(rows), "counts_NT": np.arange(len(rows))[:, None] % 2 == 0})
    (b,) = judge(half, [noisy], [0], draws=5)
    with pytest.raises(ValueError, match="expected two models judged on the same rows"):
        paired_deltas(a, b)


def test_judging_again_gives_the_same_draws_whatever_the_codes_of_users():
    rows, models = simulated(5)
    spread = Rows(**{**vars(rows), "user_N": rows.user_N * 10 + 3})
    for mine, theirs in zip(judge(rows, models, [0], 30)[0], judge(spread, models, [0], 30)[0], strict=True):
        assert np.array_equal(mine.value_D, theirs.value_D, equal_nan=True)


def test_rows_that_make_no_sense_are_refused():
    rows = hand_made_rows()
    with pytest.raises(ValueError, match="expected labels of 0 and 1 where they count, found 2.0 and 0 more"):
        Rows(**{**vars(rows), "label_NT": np.where(rows.label_NT == 1, [1, 2], rows.label_NT)})
    with pytest.raises(ValueError, match="expected users, labels and masks of 7 rows and 2 tasks"):
        Rows(**{**vars(rows), "user_N": rows.user_N[:3]})
    with pytest.raises(ValueError, match="hinet: expected logits of 7 rows and 2 tasks, found .3, 2. at slot 1"):
        judge(rows, [Scores(model="hinet", first_NT=np.zeros((3, 2)), logged_NT=np.zeros((3, 2)))], [0], draws=5)
    with pytest.raises(ValueError, match="expected metrics among auc, .*; found mse"):
        judge(rows, [scores()], [0], draws=5, metrics=["mse"])


BEFORE = ("logloss", "ece", "predicted_over_observed")


def test_before_calibration_each_metric_is_that_of_the_other_logits():
    rows, (x, y) = simulated(5)
    both = Scores(model="x", first_NT=x.first_NT, logged_NT=x.logged_NT, uncalibrated_NT=y.logged_NT)
    mine, after, before = judge(rows, [both, x, y], [0], draws=20)
    mine, after, before = by_key(mine), by_key(after), by_key(before)
    for scope in (("scenario", "a", "click"), ("pooled", "", "click"), ("macro", "", "click")):
        for name in BEFORE:
            found, wanted = mine[*scope, f"{name}_before_calibration"], before[*scope, name]
            assert found.value == wanted.value and np.array_equal(found.value_D, wanted.value_D)
            assert mine[*scope, name].value == after[*scope, name].value != wanted.value


def test_logits_that_calibration_leaves_alone_have_the_same_metrics_before_it():
    rows, (x, _) = simulated(5)
    same = Scores(model="x", first_NT=x.first_NT, logged_NT=x.logged_NT, uncalibrated_NT=x.logged_NT.copy())
    (mine,) = judge(rows, [same], [0], draws=5)
    cells = by_key(mine)
    for name in BEFORE:
        place = ("pooled", "", "click")
        assert cells[*place, f"{name}_before_calibration"].value == cells[*place, name].value


def test_without_logits_before_calibration_the_cell_says_so():
    (mine,) = judge(hand_made_rows(), [scores()], [0], draws=5)
    cell = by_key(mine)["pooled", "", "click", "logloss_before_calibration"]
    assert (cell.value, cell.null_reason) == (None, "the logits before calibration are not known")
    assert by_key(mine)["macro", "", "click", "logloss_before_calibration"].value is None


def test_logits_before_calibration_are_checked_like_the_others():
    wrong = np.zeros((3, 2))
    with pytest.raises(ValueError, match="expected logits of 7 rows and 2 tasks"):
        judge(hand_made_rows(), [Scores(model="m", first_NT=np.zeros((7, 2)), logged_NT=np.zeros((7, 2)),
                                        uncalibrated_NT=wrong)], [0], draws=5)  # fmt: skip
    with pytest.raises(NotFiniteError, match="m: 1 of 7 rows have a logit that is NaN or infinite"):
        bad = np.zeros((7, 2))
        bad[3, 1] = np.nan
        Scores(model="m", first_NT=np.zeros((7, 2)), logged_NT=np.zeros((7, 2)), uncalibrated_NT=bad)
