"""The lift of two arms of users: known answers, identities, small arms, refusals."""

import math

import numpy as np
import pytest

from hinet_core.lift.statistics.relative import FEW, relative_lift
from hinet_core.lift.statistics.samples import NotEstimableError, Sample

Z = 1.959963984540054


def arm(seed: int, n: int = 400, rate: float = 0.3, **columns) -> Sample:
    rng = np.random.default_rng(seed)
    taste = rng.gamma(1, 1, n)
    requests = 1.0 + rng.poisson(3, n)
    return Sample(rng.poisson(rate * taste * requests).astype(float), requests, rng.poisson(3 * rate * taste) * 1.0)


def by_loops(a: Sample, b: Sample) -> tuple[float, float, float]:
    """Lift and interval of orders per request, from sums over users alone."""
    log_ratio, variance = 0.0, 0.0
    for sign, one in ((-1, a), (1, b)):
        users = list(zip(one.total_U.tolist(), one.base_U.tolist(), strict=True))
        rate = sum(y for y, _ in users) / sum(n for _, n in users)
        mean_n = sum(n for _, n in users) / len(users)
        residuals = [(y - rate * n) / mean_n for y, n in users]
        variance += sum(e * e for e in residuals) / (len(users) - 1) / len(users) / rate**2
        log_ratio += sign * math.log(rate)
    half = Z * math.sqrt(variance)
    return math.expm1(log_ratio), math.expm1(log_ratio - half), math.expm1(log_ratio + half)


def test_orders_per_request_as_loops_over_users_find_it():
    a, b = (Sample(one.total_U, one.base_U) for one in (arm(1), arm(2, rate=0.33)))
    found = relative_lift(a, b)
    assert (found.lift, found.low, found.high) == pytest.approx(by_loops(a, b), rel=1e-9)
    assert (found.n_a, found.n_b, found.events_a) == (400, 400, a.total_U.sum())
    assert (found.value_a, found.value_b) == pytest.approx((a.value, b.value))


def test_the_mean_per_user_by_hand():
    # 20 users with one order and 20 with three: mean 2, variance 40/39; B the same with four instead of three.
    a, b = Sample(np.repeat([1.0, 3.0], 20)), Sample(np.repeat([1.0, 4.0], 20))
    found = relative_lift(a, b)
    assert found.lift == pytest.approx(0.25)
    assert found.log_se == pytest.approx(math.sqrt(40 / 39 / 40 / 4 + 90 / 39 / 40 / 6.25))
    assert found.high == pytest.approx(1.25 * math.exp(Z * found.log_se) - 1)
    assert found.p == pytest.approx(math.erfc(math.log(1.25) / found.log_se / math.sqrt(2)))


def test_the_time_before_corrects_by_the_slope_over_both_arms():
    a, b = (Sample(one.total_U, None, one.before_U) for one in (arm(3, 900), arm(4, 700)))
    x, y = np.r_[a.before_U, b.before_U], np.r_[a.total_U, b.total_U]
    theta = np.polyfit(x, y, 1)[0]
    adjusted = [one.total_U - theta * (one.before_U - x.mean()) for one in (a, b)]
    found = relative_lift(a, b)
    assert found.lift == pytest.approx(adjusted[1].mean() / adjusted[0].mean() - 1, rel=1e-9)
    plain = relative_lift(Sample(a.total_U), Sample(b.total_U))
    assert found.log_se < 0.92 * plain.log_se
    assert found.method.endswith("CUPED")


def test_new_users_alone_leave_the_estimate_as_it_is():
    a, b = arm(5), arm(6)
    new = [Sample(one.total_U, one.base_U, np.zeros(len(one))) for one in (a, b)]
    plain = [Sample(one.total_U, one.base_U) for one in (a, b)]
    assert relative_lift(*new).lift == pytest.approx(relative_lift(*plain).lift, rel=1e-12)


@pytest.mark.parametrize("rate", [0.3, 0.01])
def test_identical_arms_give_exactly_zero(rate):
    a = arm(7, rate=rate)
    found = relative_lift(a, Sample(a.total_U.copy(), a.base_U.copy(), a.before_U.copy()))
    assert (found.lift, found.p) == (0.0, 1.0)
    assert found.low < 0 < found.high


@pytest.mark.parametrize("rate", [0.3, 0.012])
def test_swapping_the_arms_inverts_lift_and_interval(rate):
    a, b = arm(8, rate=rate), arm(9, rate=rate)
    assert (min(a.total_U.sum(), b.total_U.sum()) < FEW) == (rate < 0.1)
    one, other = relative_lift(a, b), relative_lift(b, a)
    assert other.lift == pytest.approx(1 / (1 + one.lift) - 1, abs=1e-9)
    assert (other.low, other.high) == pytest.approx((1 / (1 + one.high) - 1, 1 / (1 + one.low) - 1), abs=1e-9)


def rate_and_variance(one: Sample) -> tuple[float, float]:
    """Of orders per request, or per user where there is no base, from sums over users alone."""
    base = [1.0] * len(one) if one.base_U is None else one.base_U.tolist()
    users = list(zip(one.total_U.tolist(), base, strict=True))
    rate = sum(y for y, _ in users) / sum(n for _, n in users)
    mean_n = sum(n for _, n in users) / len(users)
    return rate, sum(((y - rate * n) / mean_n) ** 2 for y, n in users) / (len(users) - 1) / len(users)


@pytest.mark.parametrize("per_user", [False, True])
def test_few_orders_get_fiellers_interval(per_user):
    """It is the set of ratios that are not refused: found here by trying every ratio on a grid."""
    a, b = (Sample(one.total_U, None if per_user else one.base_U) for one in (arm(10, rate=0.012), arm(11, rate=0.02)))
    found = relative_lift(a, b)
    assert "Fieller" in found.method
    (rate_a, var_a), (rate_b, var_b) = rate_and_variance(a), rate_and_variance(b)
    ratios = np.arange(0.01, 40, 0.0005)
    kept = ratios[(rate_b - ratios * rate_a) ** 2 <= Z**2 * (var_b + ratios**2 * var_a)]
    assert (found.low, found.high) == pytest.approx((kept[0] - 1, kept[-1] - 1), abs=0.001)
    assert found.log_se == pytest.approx(math.sqrt(var_a / rate_a**2 + var_b / rate_b**2))
    # Of the same test at a ratio of 1.
    assert found.p == pytest.approx(math.erfc(abs(rate_b - rate_a) / math.sqrt(2 * (var_a + var_b))))


def test_a_log_without_users_says_that_requests_were_the_unit():
    a, b = (Sample(one.total_U, unit="request") for one in (arm(14), arm(15)))
    found = relative_lift(a, b)
    assert (found.unit, found.method) == ("request", "mean per request, requests taken as independent, delta method")
    with pytest.raises(ValueError, match="the same columns and unit"):
        relative_lift(a, Sample(b.total_U))


def test_the_level_is_that_of_the_row():
    a, b = arm(12), arm(13)
    narrow, wide = relative_lift(a, b, level=0.8), relative_lift(a, b, level=0.99)
    assert (narrow.level, wide.level) == (0.8, 0.99)
    assert wide.low < narrow.low < narrow.lift < narrow.high < wide.high
    assert narrow.log_se == pytest.approx(wide.log_se)


def orders(*counts: float) -> Sample:
    return Sample(np.array(counts), np.full(len(counts), 5.0))


def per_request(rate: float) -> Sample:
    requests = np.arange(1.0, 60.0)
    return Sample(rate * requests, requests)


def alike_before(seed: int) -> Sample:
    """The days before the test say all of it."""
    counts = np.random.default_rng(seed).poisson(2.0, 80).astype(float)
    return Sample(counts, None, 10 * counts)


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        (orders(50), orders(50, 40), "arm A has 1 user"),
        (orders(0, 0, 0), orders(20, 20, 20), "the baseline has no orders"),
        (orders(20, 20), orders(0, 3), "3 orders, expected 8 or more"),
        (Sample(np.zeros(2), np.zeros(2)), orders(9, 9), "arm A has no requests"),
        (orders(*[0] * 400, 10), orders(*[0] * 400, 12), "from so few users"),
        (Sample(np.ones(50)), Sample(np.ones(60)), "all users of an arm have the same orders: no spread"),
        (Sample(np.ones(50)), Sample(np.full(60, 2.0)), "all users of an arm have the same orders: no spread"),
        (per_request(0.1), per_request(0.1), "all users of an arm have the same orders per request"),
        (per_request(3.0), per_request(1.0), "all users of an arm have the same orders per request"),
        (orders(3, 3, 3), orders(4, 4), "all users of an arm have the same orders per request"),
        (alike_before(1), alike_before(2), "all users of an arm have the same orders: no spread"),
    ],
)
def test_what_carries_no_lift_is_refused_with_the_reason(a, b, reason):
    with pytest.raises(NotEstimableError, match=f"insufficient: .*{reason}"):
        relative_lift(a, b)


@pytest.mark.parametrize(
    ("total", "base", "message"),
    [
        ([1.0, np.nan], None, "finite values of total per user, found NaN"),
        ([1.0, -1.0], None, "0 or more, found -1"),
        ([1.0, 2.0], [1.0], "expected base of shape"),
        ([1.0, 2.0], [0.0, 4.0], "orders without a request"),
    ],
)
def test_wrong_input_is_an_error(total, base, message):
    with pytest.raises(ValueError, match=message):
        Sample(np.array(total), None if base is None else np.array(base))


@pytest.mark.parametrize(("n", "most"), [(8, 0.11), (15, 0.08)])
def test_few_users_are_no_reason_to_find_something(n, most):
    """Identical arms of very unequal users; by the normal quantile 16 and 9 % of them were told apart."""
    rng, found, refused = np.random.default_rng(n), [], 0
    for _ in range(400):
        visits, taste = 60 * rng.gamma(0.8, 1 / 0.8, 2 * n), np.exp(rng.normal(0, 0.6, 2 * n))
        requests = rng.poisson(visits).astype(float)
        orders, before = (rng.poisson(0.08 * taste * one).astype(float) for one in (requests, visits))
        came = requests > 0
        arms = [came & (np.arange(2 * n) % 2 == code) for code in (0, 1)]
        try:
            found.append(relative_lift(*(Sample(orders[mine], requests[mine], before[mine]) for mine in arms)))
        except NotEstimableError:
            refused += 1
    assert refused < 80
    assert 0.02 <= np.mean([one.p < 0.05 for one in found]) <= most
    assert all((one.p < 0.05) == (one.low > 0 or one.high < 0) for one in found)
    assert all(one.method.endswith("t, few users") and one.df < 2 * n for one in found)


def test_one_user_who_makes_nearly_all_requests_is_refused():
    orders, requests = np.array([60.0, 1, 0, 1]), np.array([5000.0, 1, 1, 1])
    with pytest.raises(NotEstimableError, match="come from one user"):
        relative_lift(Sample(orders, requests), Sample(orders, requests))
