"""The interval that may be looked at every day: T11 reduced, known values, the chronicle of a test."""

import math

import numpy as np
import pytest

from hinet_core.lift.statistics.chronicle import DailyArm, chronicle
from hinet_core.lift.statistics.relative import relative_lift
from hinet_core.lift.statistics.samples import Sample
from hinet_core.lift.statistics.sequential import confidence_sequence, half_width, tightest_tau

DAYS = 14


def looks_at_identical_arms(n_tests: int, n_users: int, seed: int):
    """(tests, days) log ratios of orders per request and their standard errors, computed here by numpy alone."""
    rng = np.random.default_rng(seed)
    taste = rng.gamma(1, 1, (n_tests, 2, n_users))
    requests = np.zeros((n_tests, 2, n_users))
    orders = np.zeros_like(requests)
    ratios, errors = [], []
    for _ in range(DAYS):
        today = rng.poisson(0.7, requests.shape)
        requests += today
        orders += rng.poisson(0.15 * taste * today)
        rate = orders.sum(axis=2) / requests.sum(axis=2)
        residual = (orders - rate[..., None] * requests) / requests.mean(axis=2, keepdims=True)
        variance = residual.var(axis=2, ddof=1) / n_users / rate**2
        ratios.append(np.log(rate[:, 1] / rate[:, 0]))
        errors.append(np.sqrt(variance.sum(axis=1)))
    return np.array(ratios).T, np.array(errors).T


@pytest.mark.slow
def test_t11_fourteen_looks_at_identical_arms_find_nothing_in_95_of_100():
    effect, se = looks_at_identical_arms(300, 500, seed=1)
    naive = np.mean((np.abs(effect) > 1.96 * se).any(axis=1))
    tau = tightest_tau(float(se[:, -1].mean()))
    bands = [confidence_sequence(np.expm1(one), error, tau) for one, error in zip(effect, se, strict=True)]
    false_alarms = np.mean([((band.low_L > 0) | (band.high_L < 0)).any() for band in bands])
    assert naive > 0.1, "looking every day with fixed intervals must be caught, or this test has no teeth"
    assert false_alarms <= 0.05
    assert false_alarms == np.mean([band.p_L[-1] < 0.05 for band in bands])
    width = np.mean([math.log((1 + b.high_L[-1]) / (1 + b.low_L[-1])) for b in bands]) / (2 * 1.96 * se[:, -1].mean())
    assert 1.4 < width < 1.7, "the price of looking every day"


def test_the_formula_at_a_known_point():
    # SE = tau = 1, alpha = .05: sqrt(1 * 2 / 1 * ln(2 / .0025)).
    assert half_width(np.array([1.0]), 1.0, 0.05)[0] == pytest.approx(math.sqrt(2 * math.log(800)))


def test_the_tightest_tau_is_the_tightest():
    tau = tightest_tau(0.02)
    assert tau == pytest.approx(0.0564, abs=1e-4)
    widths = [half_width(np.array([0.02]), factor * tau, 0.05)[0] for factor in (0.8, 1, 1.25)]
    assert widths[1] == min(widths)


def test_p_is_the_level_at_which_the_interval_touches_zero_and_never_rises():
    lift, se = np.array([0.05, 0.04, 0.001]), np.array([0.03, 0.012, 0.01])
    band = confidence_sequence(lift, se, tau=0.03)
    at_that_level = confidence_sequence(lift[:2], se[:2], tau=0.03, level=1 - band.p_L[1])
    assert at_that_level.low_L[1] == pytest.approx(0, abs=1e-12)
    assert band.p_L[2] == band.p_L[1] < band.p_L[0]


def test_arms_without_any_difference_stay_at_zero():
    band = confidence_sequence(np.zeros(3), np.zeros(3), tau=0.02)
    assert band.low_L.tolist() == band.high_L.tolist() == [0, 0, 0]
    assert band.p_L.tolist() == [1, 1, 1]


def test_tau_is_above_zero():
    with pytest.raises(ValueError, match="expected tau above 0"):
        confidence_sequence(np.zeros(1), np.ones(1), tau=0)


def daily(seed: int, n: int = 300) -> DailyArm:
    rng = np.random.default_rng(seed)
    requests = rng.poisson(0.5, (4, n)).astype(float)
    return DailyArm(rng.poisson(0.3 * requests).astype(float), requests)


def test_every_day_holds_what_came_until_then():
    a, b = daily(1), daily(2)
    looks = chronicle(a, b, tau=0.1)
    assert [look.day for look in looks] == [1, 2, 3, 4]
    came = a.requests_DU[:3].sum(axis=0) > 0
    third = looks[2].fixed
    assert third.n_a == came.sum()
    assert third.value_a == pytest.approx(a.orders_DU[:3].sum() / a.requests_DU[:3].sum())
    whole = [Sample(one.orders_DU.sum(axis=0), one.requests_DU.sum(axis=0)) for one in (a, b)]
    assert looks[3].fixed.lift == pytest.approx(relative_lift(*whole).lift)
    assert all(look.low < look.fixed.low < look.fixed.high < look.high and look.tau == 0.1 for look in looks)
    assert [look.p for look in looks] == sorted((look.p for look in looks), reverse=True)


def test_both_intervals_of_a_day_have_the_level_that_is_asked_for():
    a, b = daily(1), daily(2)
    last, wide = chronicle(a, b, tau=0.1, level=0.8)[-1], chronicle(a, b, tau=0.1, level=0.99)[-1]
    assert (last.level, wide.level) == (0.8, 0.99)
    assert wide.fixed.low < last.fixed.low < last.fixed.high < wide.fixed.high
    for look in (last, wide):
        half = half_width(np.array([look.fixed.log_se]), 0.1, 1 - look.level)[0]
        assert math.log1p(look.high) - math.log1p(look.fixed.lift) == pytest.approx(half)


def test_a_day_with_too_few_orders_says_so_and_has_no_sequential_interval():
    a, b = daily(3), daily(4)
    a.orders_DU[0] = 0
    first, second = chronicle(a, b, tau=0.1)[:2]
    assert (first.fixed, first.low, first.high, first.p) == (None, None, None, 1.0)
    assert first.reason == "insufficient: the baseline has no orders, so a relative lift has no meaning"
    assert second.fixed is not None and second.reason is None


def test_days_with_less_than_30_orders_in_an_arm_have_a_fixed_interval_alone():
    a, b = daily(1), daily(2)
    b.orders_DU[:, 40:] = 0
    looks = chronicle(a, b, tau=0.1)
    few = [look for look in looks if look.fixed is not None and look.fixed.events_b < 30]
    assert few and len(few) < len(looks)
    for look in looks:
        assert (look.low is None) == (look.fixed is None or look.fixed.events_b < 30)


def test_identical_arms_are_zero_on_every_day():
    a = daily(5)
    assert [look.fixed.lift for look in chronicle(a, a, tau=0.1)] == [0, 0, 0, 0]
