"""Draws of users: Poisson counts, the same for the same seed, added up exactly, in whatever blocks."""

import numpy as np

from hinet_core.evaluation import draws as draws_module
from hinet_core.evaluation.draws import POISSON, UserDraws


def test_a_user_counts_as_often_as_poisson_has_it():
    assert len(POISSON) == 2**16
    assert abs(POISSON.mean() - 1) < 1e-4
    assert abs(POISSON.var() - 1) < 1e-3
    counts = UserDraws(5000, [1], 40).counts(0)
    assert counts.shape == (5000, 40)
    assert abs((counts == 0).mean() - np.exp(-1)) < 0.005


def test_draws_are_a_function_of_the_seed():
    first, again, other = (UserDraws(20, seed, 30).counts(0) for seed in ([1, 2], [1, 2], [1, 3]))
    assert (first == again).all()
    assert (first != other).any()
    assert list(UserDraws(0, [1], 3).blocks()) == []


def test_sums_equal_loops_over_rows_and_users_of_a_later_block_have_counts_of_their_own(monkeypatch):
    monkeypatch.setattr(draws_module, "BLOCK", 7)
    rng = np.random.default_rng(0)
    users = UserDraws(20, [4], 6)
    counts = np.concatenate([block for _, _, block in users.blocks()])
    assert len(np.unique(counts, axis=0)) == 20
    user, code, value = np.sort(rng.integers(20, size=90)), rng.integers(5, size=90), rng.normal(size=90)
    expected, of_values = np.zeros((5, 7)), np.zeros((5, 7))
    for u, c, v in zip(user, code, value, strict=True):
        weight = np.r_[1, counts[u]]
        expected[c] += weight
        of_values[c] += weight * v
    assert (users.sums(code, user, 5) == expected).all()
    np.testing.assert_allclose(users.sums(code, user, 5, value), of_values, rtol=1e-12)


def test_counts_that_are_not_kept_are_drawn_again(monkeypatch):
    kept = UserDraws(50, [9], 8).counts(0)
    monkeypatch.setattr(draws_module, "KEPT_BYTES", 0)
    forgetful = UserDraws(50, [9], 8)
    assert (forgetful.counts(0) == kept).all()
    assert forgetful._kept == {}
