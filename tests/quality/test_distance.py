"""PSI and Jensen-Shannon distance: by hand, against SciPy, and how rarely equal distributions are told apart."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from hinet_core.contract.bounds import Drift
from hinet_core.quality.distance import Histogram, js_distance, of_codes, of_computed, of_numbers, psi

BOUNDS = Drift()


def shares(*counts):
    return [np.array(one, dtype=float) for one in counts]


def days(*sizes):
    """The day of each value: so many of day 0, of day 1 and so on."""
    return np.repeat(np.arange(len(sizes)), sizes)


def test_psi_by_hand():
    """Half a row is added to each cell: 49.5 + 0.5 of 100 and so on, so that the shares are round."""
    by_hand = (0.25 - 0.5) * math.log(0.25 / 0.5) + (0.75 - 0.5) * math.log(0.75 / 0.5)
    assert psi(*shares([49.5, 49.5], [24.5, 74.5])) == pytest.approx(by_hand) == pytest.approx(0.27465307)
    assert psi(*shares([10, 20], [10, 20])) == 0
    assert 0 < psi(*shares([0, 30], [30, 0])) < math.inf


def test_js_by_hand_and_by_scipy():
    """(1/2, 1/2) against (1, 0): the middle is (3/4, 1/4), the divergence 0.311 bit."""
    assert js_distance(*shares([5, 5], [8, 0])) == pytest.approx(math.sqrt(0.31127812))
    assert js_distance(*shares([4, 0], [0, 9])) == 1
    rng = np.random.default_rng(0)
    for _ in range(50):
        before, now = rng.integers(0, 40, (2, 7)) + np.eye(7, dtype=int)[0]
        assert js_distance(*shares(before, now)) == pytest.approx(jensenshannon(before, now, base=2), abs=1e-12)


def test_both_take_many_days_at_once():
    before, now = np.array([[1.0, 2, 3], [4, 0, 6]]), np.array([[3.0, 2, 1], [4, 0, 6]])
    for measure in (psi, js_distance):
        assert measure(before, now) == pytest.approx([measure(before[0], now[0]), 0.0])


def test_cells_of_numbers_are_the_references_quantiles_and_missing():
    before, now = [0.0] * 6 + [1, 2, 3, np.nan], [0.0, 2.5, 99, np.nan, np.nan]
    one = of_numbers(np.array(before + now), days(4, 6, 5), n_days=2, bins=4)
    assert one.names == ["(-inf, 0]", "(0, 1]", "(1, inf]", "missing"]
    assert one.reference_DK.tolist() == [[4, 0, 0, 0], [2, 1, 2, 1]]
    assert one.now_K.tolist() == [1, 0, 2, 2]
    nothing = of_numbers(np.array([np.nan, 1.0]), days(1, 1), n_days=1, bins=4)
    assert (nothing.reference_DK.tolist(), nothing.now_K.tolist()) == ([[0, 1]], [1, 0])


def test_cells_of_ids_are_the_references_most_frequent_and_others():
    codes = np.repeat([0, 1, 3, 4, 0, 2, 3, 4], [1, 5, 5, 3, 2, 9, 1, 1])
    one = of_codes(codes, days(14, 13), 1, ["a", "b", "new", "c", "d"], top=3)
    assert one.names == ["b", "c", "d", "others"]
    assert one.reference_DK.tolist() == [[5, 5, 3, 1]]
    assert one.now_K.tolist() == [0, 1, 1, 11]
    assert one.largest_change == "others from 7.1% to 84.6%"


def test_computed_numbers_are_dealt_to_even_steps_on_the_models_scale():
    values = np.expm1(np.array([0.0, 1.0, 2.0, 0.25, 1.5, 7.0, np.nan]))
    one = of_computed(values, days(3, 4), 1, bins=3, transform="log1p")
    step = (1.98 - 0.02) / 2  # between the 1st and the 99th percentile of 0, 1, 2
    assert one.now_K.tolist() == pytest.approx(
        [1 - (0.25 - 0.02) / step, (0.25 - 0.02) / step + 1 - (1.5 - 1) / step, (1.5 - 1) / step + 1, 1]
    )
    assert one.names[-1] == "missing" and one.reference_DK.sum() == 3


def test_a_value_that_most_rows_share_may_move_a_little():
    """Nine of ten users have no history yet, and so the day's base rate, which is never twice the same."""
    rng = np.random.default_rng(3)
    known, unknown = rng.beta(2, 20, 2500), np.full(22_500, 0.1016)
    rates = np.concatenate([known[:2000], unknown[:18_000], known[2000:], unknown[18_000:] + 0.0005])
    one = of_computed(rates, days(20_000, 5000), 1, BOUNDS.bins, "logit")
    assert one.far(psi) < 0.05 and one.far(js_distance) < BOUNDS.max_js
    hard = of_numbers(rates, days(20_000, 5000), 1, BOUNDS.bins)
    assert hard.far(psi) > 5  # why computed features are not read by quantiles


def test_usual_is_the_most_unusual_day_of_the_reference():
    one = Histogram(["a", "b"], np.array([[50.0, 50], [50, 50], [20, 80], [0, 0]]), np.array([90.0, 10]))
    assert one.usual(js_distance) == pytest.approx(js_distance(*shares([100, 100], [20, 80])))
    assert one.far(js_distance) == pytest.approx(js_distance(*shares([120, 180], [90, 10])))
    assert Histogram(["a"], np.array([[9.0]]), np.array([9.0])).usual(psi) == 0


def test_equal_distributions_are_rarely_taken_for_different():
    """At the smallest cell that gets a verdict, 500 rows now and 500 before: under 1 % of 400 comparisons."""
    rng = np.random.default_rng(1)
    skewed = 1 / np.arange(1, 301)
    names, halves = [str(code) for code in range(300)], days(BOUNDS.min_rows, BOUNDS.min_rows)
    flagged = dict.fromkeys(("number", "computed", "id"), 0)
    for _ in range(400):
        values = rng.lognormal(size=2 * BOUNDS.min_rows)
        codes = rng.choice(300, size=2 * BOUNDS.min_rows, p=skewed / skewed.sum())
        drawn = {
            "number": of_numbers(values, halves, 1, BOUNDS.bins),
            "computed": of_computed(values, halves, 1, BOUNDS.bins, "log1p"),
            "id": of_codes(codes, halves, 1, names, BOUNDS.top),
        }
        for name, one in drawn.items():
            flagged[name] += one.far(psi) > BOUNDS.max_psi or one.far(js_distance) > BOUNDS.max_js
    assert max(flagged.values()) / 400 < 0.01, flagged


def test_a_moved_distribution_is_found():
    rng = np.random.default_rng(2)
    values, when = np.concatenate([rng.normal(size=2000), rng.normal(0.8, 1, size=600)]), days(2000, 600)
    for moved in (of_numbers(values, when, 1, BOUNDS.bins), of_computed(values, when, 1, BOUNDS.bins, "identity")):
        assert moved.far(psi) > BOUNDS.max_psi and moved.far(js_distance) > BOUNDS.max_js
