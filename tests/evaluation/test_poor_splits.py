"""Splits that hold too little: every cell has a number or a sentence, and no number stands on nothing."""

from datetime import date

import numpy as np
import pytest

from hinet_core.evaluation.cells import judge
from hinet_core.evaluation.comparison import compare, paired_deltas
from hinet_core.evaluation.metrics import METRICS
from hinet_core.evaluation.rows import NotFiniteError, Rows, Scores
from hinet_core.evaluation.tables import delta_row, metric_row

RUN = {"run_id": "r", "model": "x"}


def split(label_of=None, n=4000, n_users=400, small=17):
    """`big`, `small` of 17 rows and `empty`; requests of ten rows; `label_of` changes the labels drawn."""
    rng = np.random.default_rng(3)
    scenario = np.r_[np.zeros(n, int), np.ones(small, int)]
    truth = rng.normal(-1, 1, len(scenario))
    label = (rng.random(len(scenario)) < 1 / (1 + np.exp(-truth))).astype(float)
    label = label if label_of is None else label_of(label, scenario)
    rows = Rows(
        scenarios=("big", "small", "empty"), tasks=("click",), scenario_N=scenario,
        user_N=rng.integers(n_users, size=len(scenario)), label_NT=label[:, None],
        counts_NT=np.ones((len(scenario), 1), bool), request_N=np.arange(len(scenario)) // 10,
    )  # fmt: skip
    logits = [(truth + rng.normal(0, noise, len(truth)))[:, None] for noise in (0.5, 1.5)]
    return rows, [Scores(model=m, first_NT=z, logged_NT=z) for m, z in zip("xy", logits, strict=True)]


def tables(rows, models):
    """Rows of both tables: {(scenario or scope, metric): row}."""
    cells = judge(rows, models, [1], draws=40)
    metrics = [metric_row(RUN, date(2026, 1, 1), "judged", cell) for cell in cells[0]]
    deltas = [delta_row(RUN, RUN, date(2026, 1, 1), "judged", one) for one in paired_deltas(*cells)]
    return ({(one["scenario_id"] or one["scope"], one["metric"]): one for one in found} for found in (metrics, deltas))


def none_positive(label, scenario):
    return np.zeros_like(label)


def constant_in_big(label, scenario):
    return np.where(scenario == 0, 1.0, label)


@pytest.mark.parametrize("label_of", [None, none_positive, constant_in_big])
@pytest.mark.parametrize("n_users", [1, 5, 400])
def test_every_row_has_a_finite_number_or_a_reason_and_an_interval_or_a_word(label_of, n_users):
    metrics, deltas = tables(*split(label_of, n_users=n_users))
    for column, found in (("value", metrics), ("delta", deltas)):
        for row in found.values():
            assert (row[column] is None) == (row["null_reason"] is not None)
            assert row[column] is None or np.isfinite(row[column])
            assert row["low"] is None or row["low"] <= row["high"]
            assert (row["low"] is not None) or row["null_reason"] or "no interval: " in row["method"]
            if n_users < 10:
                assert row["low"] is None


def test_a_label_that_never_changes_in_a_scenario():
    metrics, deltas = tables(*split(constant_in_big))
    assert metrics["big", "auc"]["null_reason"] == deltas["big", "auc"]["null_reason"]
    assert metrics["big", "auc"]["null_reason"] == "one class only: all 4,000 labels are positive"
    assert metrics["big", "pr_auc"]["value"] == 1.0
    assert "no interval: every draw over users gives the same value" in metrics["big", "pr_auc"]["method"]
    assert metrics["macro", "auc"]["method"].count("mean of 1 of 3 scenarios") == 1
    assert metrics["big", "logloss"]["value"] > 0


def test_no_positive_at_all():
    metrics, _ = tables(*split(none_positive))
    assert metrics["pooled", "auc"]["null_reason"] == "one class only: no positive among 4,017 labels"
    assert metrics["macro", "predicted_over_observed"]["null_reason"] == "undefined in each of 3 scenarios"
    assert metrics["pooled", "gauc"]["null_reason"] == "0 users with both classes, expected 100 or more"
    assert metrics["pooled", "ece"]["value"] > 0


def test_a_scenario_of_17_rows_and_an_empty_one():
    metrics, _ = tables(*split())
    assert metrics["small", "auc"]["n"] == 17
    assert metrics["small", "gauc"]["null_reason"].startswith("0 users with both classes")
    judged = [name for name, one in METRICS.items() if one.slot != "uncalibrated"]
    assert {metrics["empty", name]["null_reason"] for name in judged} == {"no example with a mature label"}


def test_one_user_has_values_without_intervals():
    metrics, _ = tables(*split(n_users=1))
    row = metrics["pooled", "auc"]
    assert row["value"] is not None
    assert row["low"] is None
    assert row["method"].endswith("no interval: 1 user, expected 10 or more")
    (one,) = compare(*by_name(split(n_users=1)), baseline="y")
    assert one.verdict == "not compared: no interval: 1 user, expected 10 or more"


def test_a_macro_mean_has_no_interval_where_one_of_its_scenarios_has_none():
    """Eight rows of `small` weigh as much as the 4,000 of `big`, which alone have an interval."""
    found = split(small=8)
    metrics, deltas = tables(*found)
    reason = "no interval: 8 users in scenario small, expected 10 or more"
    for row in (metrics["macro", "logloss"], deltas["macro", "logloss"]):
        assert (row["low"], row["method"].endswith(f"mean of 2 of 3 scenarios; {reason}")) == (None, True)
    assert metrics["macro", "logloss"]["n_users"] == metrics["pooled", "logloss"]["n_users"] == 400
    assert metrics["small", "logloss"]["low"] is None and metrics["pooled", "logloss"]["low"] is not None
    (one,) = compare(*by_name(found), baseline="y", metrics=["logloss"], scopes=["macro"], draws=20)
    assert (one.low, one.verdict) == (None, f"not compared: {reason}")


def by_name(found):
    rows, models = found
    return rows, {one.model: [one] for one in models}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    _, (good, _) = split()
    broken = good.first_NT.copy()
    broken[7] = bad
    with pytest.raises(NotFiniteError, match="x: 1 of 4,017 rows have a logit that is NaN or infinite"):
        Scores(model="x", first_NT=good.first_NT, logged_NT=broken)


def test_logits_beyond_what_a_probability_can_hold_stay_finite():
    rows, (good, _) = split()
    huge = Scores(model="x", first_NT=good.first_NT * 1e6, logged_NT=good.first_NT * 1e6)
    (mine,) = judge(rows, [huge], [1], draws=20)
    assert all(np.isfinite(cell.value) for cell in mine if cell.null_reason is None)


def test_a_constant_model_has_auc_one_half_and_no_interval():
    rows, (good, _) = split()
    flat = Scores(model="x", first_NT=np.zeros_like(good.first_NT), logged_NT=np.zeros_like(good.first_NT))
    metrics, _ = tables(rows, [flat, good])
    assert metrics["pooled", "auc"]["value"] == 0.5
    assert "no interval: every draw over users gives the same value" in metrics["pooled", "auc"]["method"]
    assert metrics["pooled", "gauc"]["value"] == 0.5
