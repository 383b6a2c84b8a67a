"""The lift of architectures: by hand, against loops and scipy, on simulated trainings whose truth is known, refused."""

import numpy as np
import pytest
from scipy import stats

from hinet_core.lift.architecture import architecture_lift
from hinet_core.lift.calibration import seeds
from hinet_core.lift.statistics.samples import NotEstimableError

RNG = np.random.default_rng(3)
USERS_R = RNG.integers(0, 40, 300)
A_MR, B_MR = (RNG.lognormal(-3, 0.5, 300) * RNG.lognormal(0, 0.1, (6, 300)) for _ in range(2))


def test_without_spread_over_requests_it_is_the_t_interval_over_the_seeds():
    """Every request of a seed gains the same, so all that varies are five lifts."""
    gains_M = np.array([0.01, 0.02, 0.015, 0.03, 0.0])
    found = architecture_lift(np.ones((5, 4)), np.repeat(1 + gains_M[:, None], 4, axis=1), np.arange(4))
    by_scipy = stats.ttest_1samp(np.log1p(gains_M), 0.0)
    low, high = np.expm1(by_scipy.confidence_interval(0.95))
    assert found.of_seeds == pytest.approx(gains_M, abs=1e-12)
    assert found.lift == pytest.approx(float(stats.gmean(1 + gains_M)) - 1)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, by_scipy.pvalue))
    assert found.requests_log_se == pytest.approx(0, abs=1e-12)
    assert (found.n_seeds, found.n_users, found.n_requests, found.kind) == (5, 4, 4, "architecture")
    # A t test of 5 at 80 % power: 2.776 + 0.941 standard errors.
    assert np.log1p(found.mde80) == pytest.approx(3.717 * found.log_se, rel=1e-3)


def test_what_requests_have_in_common_is_counted_once_as_loops_find_it():
    weight_R = np.where(np.arange(300) % 3 == 0, 2.0, 0.5)
    found = architecture_lift(A_MR, B_MR, USERS_R, weight_R)
    residuals = []
    for a_R, b_R in zip(A_MR, B_MR, strict=True):
        total_a, total_b = sum(weight_R * a_R), sum(weight_R * b_R)
        users = np.unique(USERS_R)
        mine = [weight_R * np.equal(USERS_R, user) for user in users]
        residuals.append([len(users) * (sum(w * b_R) / total_b - sum(w * a_R) / total_a) for w in mine])
    cov = np.cov(residuals) / len(users)
    common = cov[~np.eye(6, dtype=bool)].mean()
    over_seeds = np.log1p(found.of_seeds).var(ddof=1) / 6
    assert common > 0.1 * over_seeds
    assert found.log_se**2 == pytest.approx(over_seeds + common)
    assert found.requests_log_se**2 == pytest.approx(np.diag(cov).mean())


def test_requests_of_its_own_for_each_seed_are_in_the_spread_of_seeds_already():
    found = architecture_lift(A_MR, B_MR, np.tile(USERS_R, (6, 1)))
    assert found.log_se**2 == pytest.approx(np.log1p(found.of_seeds).var(ddof=1) / 6)
    assert found.log_se < architecture_lift(A_MR, B_MR, USERS_R).log_se


def test_swapping_the_models_inverts_lift_and_interval_and_a_model_has_no_lift_over_itself():
    there, back = architecture_lift(A_MR, B_MR, USERS_R), architecture_lift(B_MR, A_MR, USERS_R)
    assert back.lift == pytest.approx(1 / (1 + there.lift) - 1, abs=1e-12)
    assert (back.low, back.high) == pytest.approx((1 / (1 + there.high) - 1, 1 / (1 + there.low) - 1), abs=1e-12)
    assert back.p == pytest.approx(there.p)
    same = architecture_lift(A_MR, A_MR.copy(), USERS_R)
    assert (same.lift, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("a_MR", "b_MR", "user_R", "reason"),
    [
        (A_MR[:4], B_MR[:4], USERS_R, "expected 5 or more, found 4. Train each model from more seeds"),
        (A_MR[:1], B_MR[:1], USERS_R, "expected 5 or more, found 1"),
        (A_MR, B_MR, np.zeros(300, int), "all requests come from one user"),
        (A_MR[:, :0], B_MR[:, :0], USERS_R[:0], "there is no request"),
        (0 * A_MR, B_MR, USERS_R, "baseline's ranking is worth no orders"),
        (A_MR, 0 * B_MR, USERS_R, "other model's ranking is worth no orders"),
    ],
)
def test_what_carries_no_lift_of_architectures_is_refused_with_the_reason(a_MR, b_MR, user_R, reason):
    with pytest.raises(NotEstimableError, match=reason):
        architecture_lift(a_MR, b_MR, user_R)


def test_values_that_are_no_numbers_or_of_other_requests_are_errors():
    broken = B_MR.copy()
    broken[2, 7] = np.nan
    with pytest.raises(ValueError, match="found NaN"):
        architecture_lift(A_MR, broken, USERS_R)
    with pytest.raises(ValueError, match=r"of both models alike, found \(6, 300\) and \(5, 300\)"):
        architecture_lift(A_MR, B_MR[:5], USERS_R)
    with pytest.raises(ValueError, match="expected a user per request"):
        architecture_lift(A_MR, B_MR, USERS_R[:9])


PEOPLE = seeds.makers(600, seed=5)
TRUTH = seeds.slow_truth(PEOPLE)


def test_the_slow_truth_is_what_very_many_trainings_and_requests_yield():
    one = seeds.draw(PEOPLE, 400, 3000, own=True, rng=np.random.default_rng(1))
    logs_M = np.log(one.b_MR.sum(axis=1) / one.a_MR.sum(axis=1))
    assert np.log1p(TRUTH) == pytest.approx(logs_M.mean(), abs=3 * logs_M.std() / 20)


@pytest.mark.parametrize(("n_requests", "own"), [(800, False), (100, True)])
def test_intervals_cover_the_truth_and_would_not_if_20_percent_narrower(n_requests, own):
    found = seeds.lifts(PEOPLE, 400, seed=2, n_requests=n_requests, own=own)
    assert 0.93 <= seeds.covered(found, TRUTH) <= 0.97
    assert seeds.covered(found, TRUTH, width=0.8) < 0.93
    assert seeds.covered(found, TRUTH, width=1.3) > 0.97


def test_an_interval_over_requests_alone_is_far_too_narrow_for_architectures():
    found = seeds.lifts(PEOPLE, 240, seed=4, n_requests=800)
    assert np.mean([low <= TRUTH <= high for _, (low, high) in found]) < 0.5
    same = seeds.makers(600, seed=5, effect=0.0)
    null = seeds.lifts(same, 400, seed=6, n_requests=400)
    assert 0.03 <= np.mean([one.p < 0.05 for one, _ in null]) <= 0.07
    assert np.mean([low > 0 or high < 0 for _, (low, high) in null]) > 0.5
