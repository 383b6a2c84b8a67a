"""What surrounds a lift: the split of users, the family of scenarios, power, guardrails."""

import math

import numpy as np
import pytest
import tea_tasting as tt
from scipy import stats

from hinet_core.lift.statistics.families import verdicts
from hinet_core.lift.statistics.guardrails import guardrail
from hinet_core.lift.statistics.planning import planned_log_se, power_at, smallest_effect, users_needed
from hinet_core.lift.statistics.relative import moments, relative_lift
from hinet_core.lift.statistics.sample_ratio import detectable_shift, sample_ratio
from hinet_core.lift.statistics.samples import NotEstimableError, Sample


def test_t13_a_broken_split_is_red_and_a_fair_one_is_not():
    rng = np.random.default_rng(1)
    fair = rng.binomial(400_000, 0.5, 400)
    assert np.mean([sample_ratio((n, 400_000 - n)).light == "red" for n in fair]) <= 0.005
    assert np.mean([sample_ratio((n, 400_000 - n)).light == "green" for n in fair]) == pytest.approx(0.99, abs=0.015)
    shifted = rng.binomial(400_000, 0.505, 100)
    assert np.mean([sample_ratio((n, 400_000 - n)).hides_lift for n in shifted]) >= 0.95


def test_the_detectable_shift_is_found_four_times_in_five():
    rng = np.random.default_rng(2)
    n = 60_000
    found = [sample_ratio((k, n - k)).hides_lift for k in rng.binomial(n, 0.5 + detectable_shift(n), 400)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_the_split_by_hand():
    # 5,200 and 4,800 of 10,000: chi-square (200^2 + 200^2) / 5,000 = 16 on one degree.
    found = sample_ratio((5200, 4800))
    assert found.p == pytest.approx(math.erfc(math.sqrt(16 / 2)))
    assert (found.light, found.users) == ("red", (5200, 4800))
    assert sample_ratio((5200, 4800), shares=(52, 48)).p == 1.0
    assert sample_ratio((5140, 4860)).light == "amber"


@pytest.mark.parametrize("users", [(0, 0), (3, 4)])
def test_too_few_users_are_no_check(users):
    with pytest.raises(NotEstimableError, match="too few users"):
        sample_ratio(users)


def p_values_of_identical_scenarios(n_tests: int, seed: int) -> np.ndarray:
    """(tests, 6): users with a taste that they bring to all scenarios, arms alike, z of the log ratio by numpy."""
    rng = np.random.default_rng(seed)
    orders = rng.poisson(0.3 * rng.gamma(1, 1, (n_tests, 2, 600, 1)), (n_tests, 2, 600, 6))
    mean = orders.mean(axis=2)
    se = np.sqrt((orders.var(axis=2, ddof=1) / 600 / mean**2).sum(axis=1))
    return 2 * stats.norm.sf(np.abs(np.log(mean[:, 1] / mean[:, 0])) / se)


def test_t12_the_family_of_six_scenarios_finds_something_in_one_of_twenty():
    p = p_values_of_identical_scenarios(500, seed=3)
    names = "abcdef"
    found = [bool(verdicts(None, dict(zip(names, row, strict=True))).found) for row in p.tolist()]
    assert np.mean(found) <= 0.07
    assert np.mean((p < 0.05).any(axis=1)) > 0.2, "without the correction it must be many"


def test_the_pooled_lift_stands_alone_and_untested_scenarios_do_not_count():
    found = verdicts(0.04, {"a": 0.01, "b": 0.04, "c": None, "d": 0.03})
    assert found.pooled_found is True
    # BH by hand: 0.01 * 3, then 0.03 * 3 / 2 = 0.045 capped by 0.04 * 3 / 3.
    assert dict(found.adjusted) == pytest.approx({"a": 0.03, "b": 0.04, "d": 0.04})
    assert found.found == ("a", "b", "d")
    assert verdicts(None, {}).found == ()


def test_the_smallest_effect_is_found_four_times_in_five_and_agrees_with_tea_tasting():
    rng = np.random.default_rng(4)
    history = Sample(rng.poisson(rng.gamma(1, 2, 20_000)).astype(float), 1.0 + rng.poisson(4, 20_000))
    log_se = planned_log_se(history, 10_000, 10_000)
    effect = smallest_effect(log_se)
    assert power_at(effect, log_se) == pytest.approx(0.8, abs=1e-4)
    assert power_at(0.0, log_se) == pytest.approx(0.05)
    theirs = tt.RatioOfMeans("total", "base", use_t=False, power=0.8, n_obs=20_000).solve_power(
        moments(history), "rel_effect_size"
    )
    assert effect == pytest.approx(theirs[0].rel_effect_size, rel=effect)
    # A third of the users in one arm: 1 / 5,000 + 1 / 15,000 instead of 2 / 10,000.
    assert planned_log_se(history, 5_000, 15_000) == pytest.approx(log_se * math.sqrt(4 / 3))
    assert users_needed(effect, log_se, 20_000) in (20_000, 20_001)
    assert users_needed(math.expm1(math.log1p(effect) / 2), log_se, 20_000) in (80_000, 80_001)


def test_power_is_how_often_a_true_effect_is_found():
    rng = np.random.default_rng(5)
    log_se = 0.02
    found = np.abs(rng.normal(math.log1p(0.05), log_se, 40_000)) > 1.96 * log_se
    assert power_at(0.05, log_se) == pytest.approx(found.mean(), abs=0.01)


def lift_of(rate_b: float, n: int = 4000):
    rng = np.random.default_rng(6)
    a, b = (Sample(rng.poisson(rate, n).astype(float)) for rate in (2.0, 2.0 * rate_b))
    return relative_lift(a, b)


def test_a_guardrail_holds_breaks_or_is_undecided():
    assert guardrail(lift_of(1.0), margin=0.05).verdict == "holds"
    assert guardrail(lift_of(0.9), margin=0.05).verdict == "broken"
    assert guardrail(lift_of(1.0, n=100), margin=0.02).verdict == "undecided"
    # Of a price a rise is the loss.
    assert guardrail(lift_of(1.1), margin=0.05, more_is_better=False).verdict == "broken"
    assert guardrail(lift_of(0.9), margin=0.05, more_is_better=False).verdict == "holds"


@pytest.mark.parametrize("more_is_better", [True, False])
def test_a_guardrails_worst_and_p_by_hand(more_is_better):
    found = lift_of(0.98 if more_is_better else 1.02, n=900)
    one = guardrail(found, margin=0.05, more_is_better=more_is_better)
    # Towards worse by 1.645 standard errors; p: how far the effect is from log(.95), or from log(1.05).
    worse = -1.6448536 if more_is_better else 1.6448536
    assert one.worst == pytest.approx((1 + found.lift) * math.exp(worse * found.log_se) - 1)
    effect = math.log1p(found.lift)
    inside = effect - math.log(0.95) if more_is_better else math.log(1.05) - effect
    assert one.p == pytest.approx(math.erfc(inside / found.log_se / math.sqrt(2)) / 2)
    assert 0.001 < one.p < 0.999


def test_a_guardrail_at_its_margin_holds_in_one_of_twenty():
    """One-sided 5 %: were the true loss exactly the margin, it would pass that often."""
    rng = np.random.default_rng(7)
    arms = [[Sample(rng.poisson(rate, 400).astype(float)) for rate in (2.0, 2.0 * 0.95)] for _ in range(240)]
    held = np.mean([guardrail(relative_lift(a, b), margin=0.05).verdict == "holds" for a, b in arms])
    assert 0.025 <= held <= 0.08


@pytest.mark.parametrize("margin", [0, 1, -0.1])
def test_a_margin_is_a_share(margin):
    with pytest.raises(ValueError, match="expected a margin between 0 and 1"):
        guardrail(lift_of(1.0), margin=margin)
