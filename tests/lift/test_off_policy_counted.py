"""What estimates from a lake are made of, by hand on logs of a few rows: counted shares, folds, truths, seeds."""

from dataclasses import dataclass

import numpy as np
import pytest

from hinet_core.lift.expected import ratio_lift
from hinet_core.lift.off_policy.intervals import ratio_of
from hinet_core.lift.off_policy.lake_estimates import estimated, modelled, truths, unseen_share
from hinet_core.lift.off_policy.lake_log import LakeLog
from hinet_core.lift.off_policy.lake_targets import Choice, ItemShares, Slots
from hinet_core.lift.off_policy.reward import CrossFitted

SLOTS = Slots((("home", 1),))


def log_of(item, outcome, chance, user=None) -> LakeLog:
    """Requests of one row each in one slot."""
    n = len(item)
    item, chance = np.asarray(item), np.asarray(chance, dtype=float)
    user = np.arange(n) if user is None else user
    home, one = np.full(n, "home"), np.ones(n, dtype=np.int64)
    return LakeLog(home, item, one, np.asarray(outcome, dtype=float), chance, user, np.arange(n), {}, {})


def drawn_log(n: int, rate: float, seed: int = 1) -> LakeLog:
    """Two items, evenly shown; the second is bought half as often. Users have two rows each."""
    rng = np.random.default_rng(seed)
    item = rng.integers(0, 2, n)
    return log_of(item, rng.random(n) < np.where(item == 0, rate, rate / 2), np.full(n, 0.5), np.arange(n) // 2)


def test_counted_shares_add_their_variance_to_value_and_lift():
    log, counted = drawn_log(3000, 0.2), 20
    shares = ItemShares(np.array([[0.7, 0.3]]), np.array([counted]))
    report = estimated(log, (Choice("shown"), Choice("logger")), (shares, None), SLOTS, seed=0)
    weight_N = np.where(log.item_N == 0, 0.7, 0.3) / 0.5
    known = ratio_lift(np.ones(len(log)), weight_N * log.outcome_N, log.user_N)
    lift = ratio_lift(log.outcome_N, weight_N * log.outcome_N, log.user_N)
    # V = p m_1 + (1 - p) m_2, m the weighted outcomes of either item: its variance is p (1 - p) (m_1 - m_2)^2 / n.
    mean = [(log.outcome_N / 0.5)[log.item_N == item].sum() / len(log) for item in (0, 1)]
    se = np.sqrt(0.7 * 0.3 / counted) * (mean[0] - mean[1])
    assert se > 0.5 * known.se
    for quantity, alone, more in (("value_b", known.se, se), ("lift", lift.se, se / log.outcome_N.mean())):
        found = report.of(quantity, "IPS").interval
        assert found.se**2 - alone**2 == pytest.approx(more**2, rel=0.35)
        assert (found.high - found.low) / 2 == pytest.approx(1.96 * found.se, rel=0.01)


@dataclass
class Always:
    """A reward model that says one number."""

    value: float

    def predict(self, features):
        return np.full(len(features), self.value)


def test_the_direct_value_of_a_row_is_by_the_model_of_its_own_fold():
    model = CrossFitted((Always(0.1), Always(0.2), Always(0.4)), np.array([2, 0, 1, 2]))
    chance = ItemShares(np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert modelled(chance, np.array([0, 0, 1, 1]), model) == pytest.approx([0.4, 0.1, 0.2, 0.4])


def test_the_unseen_share_is_of_the_targets_choices_on_items_that_no_row_showed():
    log = log_of([0, 0, 2], [0, 0, 1], [0.5] * 3)
    assert unseen_share(log, SLOTS, ItemShares(np.array([[0.1, 0.6, 0.3]]))) == pytest.approx(0.6)


def test_the_truth_of_a_lift_has_the_spread_of_both_arms():
    log, target = drawn_log(400, 0.3, seed=2), drawn_log(200, 0.5, seed=3)
    found = truths(log, target, Choice("logger"))
    # Users of two requests: variance of their sums over twice the mean number of requests, by hand.
    (a, var_a), (b, var_b) = (
        (sums.mean() / 2, sums.var(ddof=1) / 4 / len(sums))
        for sums in (one.outcome_N.reshape(-1, 2).sum(axis=1) for one in (log, target))
    )
    assert found["value_b"].estimate == pytest.approx(b)
    assert found["lift"].estimate == pytest.approx(b / a - 1)
    assert found["lift"].se == pytest.approx(np.sqrt(var_b / a**2 + b**2 * var_a / a**4))
    assert set(truths(log, target, Choice("uniform"))) == {"value_b"}


def test_redraws_are_of_users_and_another_seed_redraws_others():
    rng = np.random.default_rng(4)
    user, score = np.repeat(np.arange(60), 9), np.repeat(rng.gamma(1.0, 1.0, 60), 9)
    a = np.ones(540)
    of_users, of_requests = (ratio_of(a, score, unit, few=True) for unit in (user, np.arange(540)))
    # Nine requests of a user say no more than one.
    assert (of_users.high - of_users.low) / (of_requests.high - of_requests.low) == pytest.approx(3, rel=0.15)
    assert of_users.low != ratio_of(a, score, user, few=True, seed=1).low
    log = drawn_log(400, 0.06)
    assert 5 < log.outcome_N.sum() < 30
    ends = []
    for seed in (0, 0, 1):
        report = estimated(log, (Choice("uniform"), Choice("logger")), (ItemShares(np.full((1, 2), 0.5)), None), SLOTS,
                           seed)  # fmt: skip
        found = report.of("value_b", "IPS")
        assert (found.status, found.interval.method) == ("amber", "percentile bootstrap")
        ends.append(found.interval.low)
    assert ends[0] == ends[1] != ends[2]
