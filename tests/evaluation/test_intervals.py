"""Intervals hold their level on clustered data, and say when there is none."""

import numpy as np
import pytest

from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.intervals import Basis, over_users, percentile, wilson
from hinet_core.evaluation.metrics import auc, predicted_over_observed
from hinet_core.evaluation.ranked import ranked


def clustered_rows(rng, n_users, per_user):
    """Rows of users who differ in how much they click; the score sees a part of it."""
    taste = rng.normal(0, 1, n_users)
    user = np.repeat(np.arange(n_users), rng.poisson(per_user, n_users) + 1)
    seen = rng.normal(0, 1, len(user))
    label = rng.random(len(user)) < 1 / (1 + np.exp(1.5 - seen - taste[user]))
    return user, seen + taste[user] / 2, label.astype(float)


def coverage(n_worlds, n_users, by_user, metric=auc, per_user=8):
    """Share of worlds whose interval holds the truth, resampling users or (wrongly) rows."""
    rng = np.random.default_rng(3)
    _, score, label = clustered_rows(rng, 500_000 // per_user, per_user)
    truth = metric(ranked(score, label))[0]
    hits = 0
    for world in range(n_worlds):
        user, score, label = clustered_rows(rng, n_users, per_user)
        unit = user if by_user else np.arange(len(user))
        drawn = UserDraws(unit.max() + 1, [world], draws=200).counts(0)[unit].astype(float)
        interval = percentile(metric(ranked(score, label, drawn)))
        hits += interval.low <= truth <= interval.high
    return hits / n_worlds


@pytest.mark.slow
def test_the_bootstrap_over_users_covers_the_truth():
    # 300 worlds: three standard errors of a coverage of .95 are .038.
    assert 0.91 <= coverage(300, 150, by_user=True) <= 0.99


@pytest.mark.slow
def test_resampling_rows_instead_of_users_would_not():
    by_user, by_row = (coverage(60, 60, kind, predicted_over_observed, per_user=30) for kind in (True, False))
    # 60 worlds: three standard errors of a coverage of .95 are .084.
    assert by_user > 0.866
    assert by_row < 0.8


def test_too_few_users_give_no_interval():
    assert over_users(np.arange(100.0), Basis(3)).reason == "no interval: 3 users, expected 10 or more"
    assert over_users(np.arange(100.0), Basis(10)).low is not None


def test_percentile_of_known_draws():
    interval = percentile(np.arange(1001.0))
    assert (interval.low, interval.high) == (pytest.approx(25), pytest.approx(975))


def test_too_many_draws_without_a_class_give_no_interval():
    draws = np.r_[np.full(6, np.nan), np.arange(94.0)]
    assert percentile(draws).low is None
    assert percentile(draws).reason == "no interval: 6% of the draws over users lack a class"
    assert percentile(draws[2:]).low is not None


def test_equal_draws_give_no_interval_unless_a_constant_is_meant():
    assert percentile(np.ones(10)).reason == "no interval: every draw over users gives the same value"
    assert percentile(np.zeros(10), constant=True).high == 0.0


def test_wilson_by_hand():
    # 10 of 100, from the published formula with z = 1.959964.
    interval = wilson(10, 100)
    assert (interval.low, interval.high) == (pytest.approx(0.055229, abs=1e-6), pytest.approx(0.174366, abs=1e-6))
    assert wilson(0, 5).low == pytest.approx(0, abs=1e-12)
    assert wilson(5, 5).high == pytest.approx(1)
    assert wilson(0, 0).low is None
