"""What the estimates take from the log: a reward model that never scores its own rows, and the effect of slots."""

import numpy as np
import pytest
from test_off_policy import drawn, exposure

from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.evaluate import evaluate_slates
from hinet_core.lift.off_policy.position_bias import by_em, by_randomised_slots, sensitivity
from hinet_core.lift.off_policy.reward import cross_fit
from hinet_core.lift.off_policy.simulated_log import THETA_S

THETA = np.array([1.0, 0.6, 0.3])


def planted(n, seed=1):
    """Items 0 … 9 with rates .1 to .55 at slot effect 1, shown in three slots."""
    rng = np.random.default_rng(seed)
    item, slot = rng.integers(0, 10, n), rng.integers(0, 3, n)
    rate = 0.1 + 0.05 * item
    return item, slot, rate, (rng.random(n) < THETA[slot] * rate).astype(float)


def test_the_reward_is_the_rate_at_slot_effect_one():
    item, slot, rate, outcome = planted(20_000)
    model = cross_fit(item[:, None], outcome, THETA[slot], np.arange(20_000) // 4, ids=(0,))
    found = model.predict(np.arange(10)[:, None], np.zeros(10, int))
    assert found == pytest.approx(0.1 + 0.05 * np.arange(10), abs=0.05)
    assert np.corrcoef(model.predict(item[:, None], model.fold_N), rate)[0, 1] > 0.95


def test_no_row_helps_to_fit_the_model_that_scores_it():
    item, slot, _, outcome = planted(1500)
    group = np.arange(1500) // 5
    mine, other = (group == 3), outcome.copy()
    other[mine] = 1 - other[mine]
    scores = [
        one.predict(item[:, None], one.fold_N)
        for one in (cross_fit(item[:, None], y, THETA[slot], group, ids=(0,)) for y in (outcome, other))
    ]
    assert (scores[0][mine] == scores[1][mine]).all()
    assert not np.array_equal(scores[0], scores[1])


def test_a_reward_model_without_orders_or_users_is_refused():
    feature = np.zeros((20, 1))
    with pytest.raises(NotEstimableError, match="no order outside fold 0"):
        cross_fit(feature, np.zeros(20), np.ones(20), np.arange(20))
    with pytest.raises(NotEstimableError, match="needs 5 users or requests, found 2"):
        cross_fit(feature, np.ones(20), np.ones(20), np.arange(20) % 2)


def test_randomised_slots_by_hand_and_planted():
    found = by_randomised_slots(np.array([1, 1, 2, 2, 2, 2]), np.array([1.0, 1, 1, 0, 0, 1]))
    assert found.theta_S == pytest.approx([1, 0.5])
    # Slot 2: rate 1/2, variance 4 * .25 / 16 = 1/16; slot 1 has none.
    assert found.se_S == pytest.approx([0, 0.25])
    # Slot 1: rates 1 and 0 weighted 3 to 1, .75 with variance (9 + 9) / 16 / 16; slot 2: 1/2 with 2 / 16.
    weighted = by_randomised_slots(np.array([1, 1, 2, 2]), np.array([1.0, 0, 1, 0]), np.array([3.0, 1, 1, 1]))
    assert weighted.theta_S == pytest.approx([1, 2 / 3])
    first, second = (9 * 0.25**2 + 0.75**2) / 16, 2 * 0.5**2 / 4
    assert weighted.se_S[1] == pytest.approx(np.sqrt(second + 4 / 9 * first) / 0.75)
    _, slot, _, outcome = planted(60_000)
    found = by_randomised_slots(slot + 1, outcome)
    assert (np.abs(found.theta_S - THETA) <= 4 * found.se_S).all() and (found.se_S < 0.02).all()


def test_em_finds_the_slot_effect_where_good_items_stand_first():
    """Slots not random: the plain ratio of rates overstates slot 1, the model does not."""
    rng = np.random.default_rng(2)
    item = rng.integers(0, 10, 80_000)
    slot = np.clip(np.round((9 - item) / 4.5 + rng.normal(0, 0.8, len(item))), 0, 2).astype(int)
    outcome = (rng.random(len(item)) < THETA[slot] * (0.1 + 0.05 * item)).astype(float)
    assert by_em(item, slot + 1, outcome).theta_S == pytest.approx(THETA, abs=0.03)
    assert by_randomised_slots(slot + 1, outcome).theta_S[2] < 0.2


def test_positions_with_a_gap_and_a_first_slot_without_outcome_are_named():
    with pytest.raises(ValueError, match=r"without a gap, found \[1, 3\]"):
        by_em(np.array([0, 1]), np.array([1, 3]), np.array([1.0, 0]))
    with pytest.raises(NotEstimableError, match="slot 1 has no outcome"):
        by_randomised_slots(np.array([1, 2]), np.array([0.0, 1]))


def test_the_lift_at_other_slot_effects_moves_around_its_own():
    log, people, (shown, outcome, _, _, a, b) = drawn(epsilon=1.0)
    a_rank, b_rank = (rank[log.request_R] for rank in (people.rank_a_RC, people.rank_b_RC))

    def lift(theta_S):
        theta = np.broadcast_to(theta_S, shown.shape)
        logged = np.full(a.shape, theta_S.sum() / 20)
        exposures = [exposure(rank, theta_S) for rank in (a_rank, b_rank)]
        return evaluate_slates(shown, outcome, theta, logged, *exposures).of("lift", "IPS").interval.estimate

    found = sensitivity(THETA_S, lift)
    assert found[1.0] == evaluate_slates(
        shown, outcome, np.broadcast_to(THETA_S, shown.shape), np.full(a.shape, THETA_S.sum() / 20), a, b
    ).of("lift", "IPS").interval.estimate
    assert len(set(found.values())) == 3
    assert max(abs(found[1.0] - one) for one in found.values()) < 0.1
