"""The user-clustered ratio: known answers, identities, coverage of a known truth, refusals."""

import numpy as np
import pytest

from hinet_core.lift.expected import ratio_lift, relative
from hinet_core.lift.statistics.families import benjamini_hochberg
from hinet_core.lift.statistics.samples import MDE_FACTOR, NotEstimableError


def test_by_hand():
    # Users 1 and 2 with two requests each: A worth 2 + 2, B worth 3 + 2, so the lift is 5/4 - 1.
    found = ratio_lift(np.array([1.0, 1, 1, 1]), np.array([2.0, 1, 1, 1]), np.array([1, 1, 2, 2]))
    assert found.lift == pytest.approx(0.25)
    # e = B - 1.25 A per user = (0.5, -0.5), mean(A) = 2, sd = sqrt(0.5): SE = sqrt(0.5) / 2 / sqrt(2).
    assert found.se == pytest.approx(0.25)
    assert (found.value_a, found.value_b) == (1.0, 1.25)
    assert (found.n_users, found.n_requests) == (2, 4)
    assert found.mde80 == pytest.approx(MDE_FACTOR * 0.25)
    assert found.low < 0 < found.high
    # Users worth 3 and 1 under A, 4 and 3 under B: e = B - 1.75 A = (-1.25, 1.25), mean(A) = 2, sd = 1.25 sqrt(2).
    uneven = ratio_lift(np.array([3.0, 1]), np.array([4.0, 3]), np.array([1, 2]))
    assert (uneven.lift, uneven.se) == pytest.approx((0.75, 0.625))


def test_identical_policies_give_exactly_zero():
    rng = np.random.default_rng(1)
    a = rng.gamma(1, 1, 5000)
    found = ratio_lift(a, a.copy(), rng.integers(0, 700, 5000), rng.random(5000))
    assert (found.lift, found.se, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 0.0, 1.0)


def test_swapping_the_models_inverts_the_ratio():
    rng = np.random.default_rng(2)
    a, b = rng.gamma(1, 1, (2, 5000))
    user, weight = rng.integers(0, 700, 5000), rng.random(5000)
    one, other = ratio_lift(a, b, user, weight), ratio_lift(b, a, user, weight)
    assert other.lift == pytest.approx(1 / (1 + one.lift) - 1, abs=1e-12)


def test_scale_of_values_and_weights_does_not_matter():
    rng = np.random.default_rng(3)
    a, b = rng.gamma(1, 1, (2, 1000))
    user, weight = rng.integers(0, 90, 1000), rng.random(1000)
    one, scaled = ratio_lift(a, b, user, weight), ratio_lift(7 * a, 7 * b, user, 3 * weight)
    assert scaled.lift == pytest.approx(one.lift)
    assert scaled.se == pytest.approx(one.se)


@pytest.mark.slow
def test_intervals_cover_a_known_lift_and_request_level_ones_would_not():
    """Users differ in how much B helps them; the true ratio is known, 400 samples of 300 users."""
    rng = np.random.default_rng(4)
    true_lift, covered, naive = 0.05, 0, 0
    for _ in range(400):
        requests_U = rng.poisson(rng.gamma(2, 3, 300)) + 1
        user = np.repeat(np.arange(300), requests_U)
        gain = true_lift + 0.3 * rng.standard_normal(300)
        a = rng.gamma(2, 0.5, len(user))
        b = a * (1 + gain[user])
        found = ratio_lift(a, b, user)
        covered += found.low <= true_lift <= found.high
        alone = ratio_lift(a, b, np.arange(len(user)))
        naive += alone.low <= true_lift <= alone.high
    assert 0.92 <= covered / 400 <= 0.98
    assert naive / 400 < 0.75


def test_a_null_effect_is_rejected_about_one_time_in_twenty():
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(500):
        a, b = rng.gamma(2, 1, (2, 400))
        rejected += ratio_lift(a, b, rng.integers(0, 150, 400)).p < 0.05
    assert 0.025 <= rejected / 500 <= 0.08


@pytest.mark.parametrize(
    ("a", "b", "user", "reason"),
    [
        ([], [], [], "no request"),
        ([1.0, 2.0], [1.0, 1.0], [4, 4], "one user"),
        ([0.0, 0.0], [1.0, 1.0], [1, 2], "worth no orders"),
    ],
)
def test_what_carries_no_lift_is_refused_with_its_reason(a, b, user, reason):
    with pytest.raises(NotEstimableError, match=reason):
        ratio_lift(np.array(a), np.array(b), np.array(user, dtype=np.int64))


def test_values_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        ratio_lift(np.array([1.0, np.nan]), np.array([1.0, 1.0]), np.array([1, 2]))


def test_relative_and_adjusted_p_values_by_hand():
    assert relative(np.array([3.0, 0]), np.array([1.0, 1]), np.ones(2)) == pytest.approx(0.5)
    assert benjamini_hochberg([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert benjamini_hochberg([]) == []
