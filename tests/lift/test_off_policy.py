"""Off-policy estimates: hand-computed scores, refusals with their reasons, exposures against brute force."""

from itertools import permutations

import numpy as np
import pytest

from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.diagnostics import item_position_ips, replay
from hinet_core.lift.off_policy.estimators import choose_switch, direct, doubly_robust, ips, snips, weights
from hinet_core.lift.off_policy.evaluate import MODEL_DEPENDENT, evaluate, evaluate_slates, logger_itself
from hinet_core.lift.off_policy.exposures import epsilon_mix, greedy, plackett_luce, require_slates_of, uniform
from hinet_core.lift.off_policy.gates import health, support
from hinet_core.lift.off_policy.intervals import bootstrap
from hinet_core.lift.off_policy.logged import LoggedRows, Target, rows_of_slates, target_of_slates
from hinet_core.lift.off_policy.simulated_log import THETA_S, draw, population


def rows(logged, outcome=(1.0, 0.0, 0.0, 1.0), **more):
    """Two requests of two slots with theta (1, .5), of two users."""
    theta = np.array([1.0, 0.5, 1.0, 0.5])
    return LoggedRows(
        np.array([0, 0, 1, 1]), np.array(outcome), np.array(logged), theta, np.array([7, 9]),
        reward_N=np.array([0.4, 0.2, 0.1, 0.3]), **more,
    )  # fmt: skip


LOG = rows([0.5, 0.25, 0.8, 0.1])
TARGET = Target(np.array([1.0, 0.5, 0.4, 0.2]), direct_R=np.array([0.5, 0.3]))


def test_scores_by_hand():
    assert weights(LOG, TARGET) == pytest.approx([2, 2, 0.5, 2])
    assert ips(LOG, TARGET) == pytest.approx([2, 2])
    # Corrections w (y - theta q): 2 (1 - .4), 2 (0 - .1), .5 (0 - .1), 2 (1 - .15).
    assert doubly_robust(LOG, TARGET) == pytest.approx([0.5 + 1.2 - 0.2, 0.3 - 0.05 + 1.7])
    assert doubly_robust(LOG, TARGET, tau=1.0) == pytest.approx([0.5, 0.3 - 0.05])
    assert direct(LOG, TARGET) == pytest.approx([0.5, 0.3])
    # mean sum theta = 1.5, mean sum w y = 2, mean sum w theta = (3 + 1.5) / 2.
    assert snips(LOG, TARGET).mean() == pytest.approx(1.5 * 2 / 2.25)


def test_every_estimator_has_the_right_mean_over_all_slates_of_a_small_logger():
    """Four candidates in two slots: the twelve slates as often as the logger shows them, with their mean outcomes."""
    theta, worth, epsilon = np.array([1.0, 0.6]), np.array([0.30, 0.05, 0.20, 0.10]), 0.48
    # The greedy slate (1, 0) 14 times of 25: .52 of its own and .04 of the uniform twelfth; the others once.
    slates = [*permutations(range(4), 2)] + [(1, 0)] * 13
    shown = np.array(slates)
    outcome = theta * worth[shown]
    logged = np.zeros(4)
    for slate in slates:
        logged[list(slate)] += theta / len(slates)
    mixed = epsilon_mix(np.array([[0.5, 0.9, 0.2, 0.1]]), np.arange(4)[None], theta[None], epsilon)
    assert mixed[0] == pytest.approx(logged)
    b = np.array([theta[0], 0.0, theta[1], 0.0])
    truth, q = b @ worth, np.array([0.2, 0.2, 0.02, 0.4])
    every = [np.tile(one, (25, 1)) for one in (theta, logged, b, q)]
    log = rows_of_slates(shown, outcome, every[0], every[1], None, every[3])
    target = target_of_slates(every[2], shown, every[1], every[3])
    for estimator in (ips, snips, doubly_robust):
        assert estimator(log, target).mean() == pytest.approx(truth)
    # Without the corrections of candidate 2, whose weight is the largest, DR is off by what q is wrong about it.
    assert weights(log, target).max() == pytest.approx(b[2] / logged[2])
    assert doubly_robust(log, target, tau=2.5).mean() == pytest.approx(truth + b[2] * (q[2] - worth[2]))
    assert direct(log, target).mean() == pytest.approx(b @ q)


def test_the_spread_of_snips_is_that_of_its_jackknife():
    rng = np.random.default_rng(1)
    n = 400
    log = LoggedRows(np.arange(n), rng.poisson(1, n).astype(float), rng.uniform(0.2, 0.9, n), np.ones(n))
    target = Target(rng.uniform(0, 1, n))
    w = target.exposure_N / log.logged_N
    left_out = [(w @ log.outcome_N - w[i] * log.outcome_N[i]) / (w.sum() - w[i]) for i in range(n)]
    jackknife = np.sqrt((n - 1) / n * ((left_out - np.mean(left_out)) ** 2).sum())
    assert snips(log, target).std(ddof=1) / np.sqrt(n) == pytest.approx(jackknife, rel=0.02)


def test_health_by_hand():
    found = health(LOG, TARGET)
    assert found.ess_rows == pytest.approx(6.5**2 / 12.25)
    assert (found.max_weight, found.max_weight_share) == (2.0, pytest.approx(2 / 6.5))
    assert found.mean_weight == pytest.approx((2 + 1 + 0.5 + 1) / 3)
    assert found.effective_orders == pytest.approx(16 / 8)
    assert found.verdict == "refused" and "worth 3.4 rows (at least 50)" in "; ".join(found.reasons)


def test_identical_policies_give_exactly_zero_and_swapping_inverts():
    log, (a, b) = drawn_rows(epsilon=1.0)
    assert {one.interval.estimate for one in evaluate(log, a, a).estimates if one.quantity == "lift"} == {0.0}
    one, other = evaluate(log, b, a), evaluate(log, a, b)
    for name in ("IPS", "SNIPS", "DR"):
        forth, back = one.of("lift", name).interval.estimate, other.of("lift", name).interval.estimate
        assert back == pytest.approx(1 / (1 + forth) - 1, abs=1e-9)


def drawn(epsilon, users=400, seed=3, **more):
    """One simulated log as `evaluate_slates` takes it: shown, outcome, theta, exposures of logger, A and B."""
    people = population(0, users=500, **more)
    log = draw(people, epsilon, users, seed)
    theta = np.broadcast_to(THETA_S, log.shown_RS.shape)
    a, b = (exposure(rank[log.request_R]) for rank in (people.rank_a_RC, people.rank_b_RC))
    return log, people, (log.shown_RS, log.outcome_RS, theta, (1 - epsilon) * a + epsilon * THETA_S.sum() / 20, a, b)


def exposure(rank_RC, theta_S=THETA_S):
    found = np.zeros(rank_RC.shape)
    np.put_along_axis(found, rank_RC[:, :5], np.broadcast_to(theta_S, (len(rank_RC), 5)), axis=1)
    return found


def drawn_rows(epsilon):
    log, people, (shown, outcome, theta, logged, a, b) = drawn(epsilon)
    worth = people.worth_RC[log.request_R]
    targets = [target_of_slates(one, shown, logged, worth) for one in (a, b)]
    return rows_of_slates(shown, outcome, theta, logged, log.user_R, worth), targets


@pytest.mark.parametrize(
    ("logged", "reason"),
    [
        ([0.5, np.nan, 0.5, 0.5], "1 of 4 rows have no propensity"),
        ([0.5, 0.0, 0.5, 0.5], "propensity of 0 or less: the slate is not what the logger's policy would show"),
        ([0.5, 0.5, 1.2, 0.5], "1 of 4 propensities are above 1"),
    ],
)
def test_propensities_that_are_none_are_refused(logged, reason):
    with pytest.raises(NotEstimableError, match=reason):
        rows(logged)


def test_bad_arrays_say_what_was_expected():
    with pytest.raises(ValueError, match="expected 4 entries of logged_N, one per row, found 3"):
        rows([0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="finite outcomes"):
        rows([0.5] * 4, outcome=(np.nan, 0, 0, 1))
    with pytest.raises(ValueError, match="exposures of the target"):
        Target(np.array([0.1, -0.1]))
    with pytest.raises(NotEstimableError, match="no shown row"):
        LoggedRows(*(np.array([]) for _ in range(4)))


def test_slates_and_exposures_that_are_none_are_named():
    shown, two = np.array([[0, 1], [2, -1]]), np.full((2, 3), 0.5)
    with pytest.raises(ValueError, match="slates of candidates 0 to 2, found -1; leave out empty slots"):
        target_of_slates(two, shown, two)
    with pytest.raises(ValueError, match="slates of candidates 0 to 2, found 3"):
        target_of_slates(two, shown + 1, two)
    with pytest.raises(ValueError, match="found 1 slates and 2 requests"):
        target_of_slates(two, shown[:1], two)
    good, missing = np.abs(shown), np.array([[0.5, np.nan, 0.1], [0.2, 0.1, 0.1]])
    with pytest.raises(ValueError, match=r"logger's exposure of every candidate .* 1 missing"):
        target_of_slates(two, good, missing)
    for odd in (missing, -two, 0 * two):
        with pytest.raises(ValueError, match="exposures of the target policy from 0 up"):
            target_of_slates(odd, good, two)
    with pytest.raises(ValueError, match=r"temperature above 0 .* found 0\.0 and 10"):
        plackett_luce(two, two[:, :2], 0.0, 10, 0)


def test_a_target_off_the_logs_support_is_refused():
    log, _, (shown, outcome, theta, _, a, b) = drawn(epsilon=0.0)
    report = evaluate_slates(shown, outcome, theta, a, a, b, user_R=log.user_R)
    assert report.of("value_b", "IPS").interval is None
    assert "exposure is on items that the logger never shows" in report.of("lift", "SNIPS").reason


def test_propensities_of_another_policy_are_refused_by_the_mean_weight():
    log, _, (shown, outcome, theta, _, a, b) = drawn(epsilon=0.5)
    claimed = 0.9 * a + 0.1 * THETA_S.sum() / 20
    report = evaluate_slates(shown, outcome, theta, claimed, a, b, user_R=log.user_R)
    assert "the slates are not what the policy would show" in report.of("value_b", "IPS").reason


@pytest.mark.parametrize(("orders", "verdict"), [(4, "refused"), (5, "amber"), (29, "amber"), (30, "green")])
def test_the_gate_on_support_orders(orders, verdict):
    outcome = np.zeros(200)
    outcome[:orders] = outcome[150:] = 1
    log = LoggedRows(np.arange(200), outcome, np.full(200, 0.5), np.ones(200))
    b, a = Target(np.full(200, 0.5)), Target(np.where(np.arange(200) < 100, 0.0, 1.0))
    found = support(log, a, b)
    assert (found.orders, found.verdict, found.added_share) == (orders, verdict, 0.5)
    lift = evaluate(log, b, a).of("lift", "IPS")
    assert lift.status == verdict
    assert (lift.interval is None) == (verdict == "refused")
    if verdict == "amber":
        assert lift.interval.method == "percentile bootstrap" and "(fewer than 30)" in lift.reason


def test_a_lift_is_as_doubtful_as_its_baseline():
    """A's exposures make 12 outcomes of 100 carry it, or 2; B's are the logger's own."""
    outcome, n = np.zeros(2000), np.arange(2000)
    outcome[:100] = 1
    log = LoggedRows(n, outcome, np.full(2000, 0.5), np.ones(2000))
    b = Target(np.full(2000, 0.5))
    for heavy, status in ((12, "amber"), (2, "refused")):
        spread = np.where(n < 100, np.where(n < heavy, 0.5, 0.002), 0.5)
        report = evaluate(log, b, Target(spread * 1000 / spread.sum()))
        assert (report.of("value_b", "IPS").status, report.of("lift", "IPS").status) == ("green", status)
        assert "the baseline: the estimate leans on" in report.of("lift", "IPS").reason
    assert evaluate(log, b, b).of("lift", "IPS").status == "green"


@pytest.mark.filterwarnings("error")
def test_redraws_without_an_outcome_of_the_baseline_leave_the_interval_its_ends():
    """With seven outcomes one redraw in 1,100 has none."""
    ends = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        outcome = np.isin(np.arange(400), rng.choice(400, 7, replace=False)).astype(float)
        log = LoggedRows(np.arange(400), outcome, np.full(400, 0.5), np.ones(400))
        found = evaluate(log, Target(rng.normal(0.5, 0.01, 400)), seed=seed).of("lift", "IPS").interval
        assert -0.06 < found.low < found.estimate < found.high < 0.06
        ends.append(found.low)
    assert len(set(ends)) == 8
    a, b = (np.where(np.arange(400) == one, 1.0, 0.0) for one in (3, 5))
    with pytest.raises(NotEstimableError, match="no upper end"):
        bootstrap(a, b, np.arange(400), seed=0)


def test_a_log_without_users_takes_requests_and_one_user_alone_is_refused():
    log, _, arrays = drawn(epsilon=1.0)
    alone = evaluate_slates(*arrays)
    named = evaluate_slates(*arrays, user_R=log.user_R)
    assert (alone.unit, named.unit) == ("request", "user")
    assert alone.of("value_b", "IPS").interval.n_units == len(log.user_R) > named.of("value_b", "IPS").interval.n_units
    with pytest.raises(NotEstimableError, match="one user"):
        evaluate_slates(*arrays, user_R=np.zeros(len(log.user_R), int))


def test_the_direct_method_is_labelled_and_stands_beside_the_others_only():
    log, (a, b) = drawn_rows(epsilon=1.0)
    assert evaluate(log, b, a).of("value_b", "direct method").reason.startswith(MODEL_DEPENDENT)
    without = Target(b.exposure_N)
    names = {one.estimator for one in evaluate(log, without, Target(a.exposure_N)).estimates}
    assert names == {"IPS", "SNIPS"}
    with pytest.raises(NotEstimableError, match="shown rows alone"):
        direct(log, without)


def test_switch_drops_what_costs_more_variance_than_bias():
    rng = np.random.default_rng(5)
    logged = np.where(np.arange(2000) < 4, 1e-4, 0.5)
    outcome = np.where(np.arange(2000) < 4, 1.0, rng.random(2000) < 0.1).astype(float)
    reward = np.where(np.arange(2000) == 9, 0.1, 0.05)
    log = LoggedRows(np.arange(2000), outcome, logged, np.ones(2000), reward_N=reward)
    found = choose_switch(log, Target(np.full(2000, 0.01), direct_R=np.full(2000, 0.1)))
    assert 0.02 <= found.tau < 100
    assert found.dropped_share == pytest.approx(400 / (400 + 1996 * 0.02), rel=0.01)
    assert found.bias_bound == pytest.approx(400 * 0.1 / 2000, rel=0.01)


def test_the_epsilon_mix_is_the_average_over_its_slates():
    """By brute force over all orders of four candidates in two slots."""
    theta, score, item = np.array([[1.0, 0.6]]), np.array([[0.1, 0.9, 0.3, 0.9]]), np.array([[4, 8, 6, 2]])
    average = np.zeros(4)
    slates = list(permutations(range(4), 2))
    for slate in slates:
        average[list(slate)] += theta[0] / len(slates)
    # Of the two with score .9, item 2 (candidate 3) comes first.
    assert greedy(score, item, theta)[0] == pytest.approx([0, 0.6, 0, 1.0])
    assert uniform(theta, 4)[0] == pytest.approx(average)
    assert epsilon_mix(score, item, theta, 0.3)[0] == pytest.approx(0.7 * greedy(score, item, theta)[0] + 0.3 * average)
    with pytest.raises(ValueError, match="epsilon from 0 to 1"):
        epsilon_mix(score, item, theta, 1.5)


def test_plackett_luce_agrees_with_its_closed_form():
    theta, score = np.array([[1.0, 0.5]]), np.log(np.array([[4.0, 2.0, 1.0]]))
    chance = np.array([4, 2, 1]) / 7
    second = [sum(chance[j] * chance[i] / (1 - chance[j]) for j in range(3) if j != i) for i in range(3)]
    found = plackett_luce(score, theta, 1.0, draws=8000, seed=1)[0]
    assert found == pytest.approx(chance + 0.5 * np.array(second), abs=0.02)
    assert (found == plackett_luce(score, theta, 1.0, draws=8000, seed=1)[0]).all()
    # Scores over a temperature of .5 are their squares.
    cooler = plackett_luce(score, theta[:, :1], 0.5, draws=8000, seed=1)[0]
    assert cooler == pytest.approx(np.array([16, 4, 1]) / 21, abs=0.02)
    with pytest.raises(ValueError, match="without NaN"):
        plackett_luce(score * np.nan, theta, 1.0, 10, 0)
    with pytest.raises(ValueError, match="at least 4 candidates"):
        plackett_luce(score, np.ones((1, 4)), 1.0, 10, 0)


def test_slates_that_the_claimed_policy_would_not_show_are_refused():
    log, people, _ = drawn(epsilon=0.3)
    first = people.rank_a_RC[log.request_R, :5]
    assert require_slates_of(log.shown_RS, first, 0.3, 20) == pytest.approx(0.7, abs=0.05)
    for claimed in (0.1, 0.6, 0.0):
        with pytest.raises(NotEstimableError, match="the log was not written by this policy"):
            require_slates_of(log.shown_RS, first, claimed, 20)


def test_slates_that_are_greedy_by_chance_are_expected():
    """Two candidates in two slots: of a uniform logger's slates half are the first choice."""
    shown = np.array([[0, 1], [1, 0]] * 500)
    greedy_RS = np.tile([0, 1], (1000, 1))
    assert require_slates_of(shown, greedy_RS, 1.0, 2) == 0.5
    with pytest.raises(NotEstimableError, match="50.00% of the slates are .* expected 75.00%"):
        require_slates_of(shown, greedy_RS, 0.5, 2)


def test_the_logger_itself_is_worth_what_it_got_whatever_the_model_says():
    found = evaluate(LOG, Target(LOG.logged_N, LOG.per_request(LOG.theta_N * LOG.reward_N)))
    assert found.health.mean_weight == 1.0
    # theta q of the shown rows: .4 + .5 * .2 and .1 + .5 * .3.
    assert logger_itself(LOG).direct_R == pytest.approx([0.5, 0.25])
    assert doubly_robust(LOG, logger_itself(LOG)) == pytest.approx([1.0, 1.0])


def test_what_b_adds_is_the_share_of_its_exposure_that_a_never_shows():
    _, _, (shown, outcome, theta, logged, a, b) = drawn(epsilon=1.0)
    expected = sum(b[r, c] for r, c in zip(*np.nonzero(a == 0), strict=True)) / b.sum()
    assert 0.01 < expected < 0.99
    assert evaluate_slates(shown, outcome, theta, logged, a, b).support.added_share == pytest.approx(expected)


def test_diagnostics_by_hand():
    shown, target = np.array([[1, 2], [3, 4], [5, 6]]), np.array([[1, 2], [3, 9], [5, 6]])
    outcome = np.array([[1.0, 0], [0, 1], [0, 0]])
    logged = np.full((3, 2), 0.5)
    found = item_position_ips(shown, outcome, target, logged, np.arange(3))
    assert found.interval.estimate == pytest.approx(2 / 3)
    assert (found.matched, found.ess_share) == (5, pytest.approx(10**2 / 20 / 6))
    same = replay(shown, outcome, target, np.arange(3))
    assert (same.matched, same.interval.estimate) == (2, pytest.approx(0.5))
    none = replay(shown, outcome, target + 50, np.arange(3))
    assert none.interval is None and none.matched == 0
