"""The correlation of preferences: closed form against the weights, Gaussian draws and the finite catalogue."""

import numpy as np
import pytest
from small_world import small_contract

from hinet_core.world.config import read_config
from hinet_core.world.load import load
from hinet_core.world.preferences import correlation, weights


def test_named_values():
    closed = correlation(read_config(small_contract()))
    first, second, fourth = 0, 2, 6
    assert closed[first, second] == pytest.approx(0.70)  # click in home_feed and food_channel
    assert closed[first, fourth] == pytest.approx(0.50)  # click in home_feed and deals
    assert closed[first, first + 1] == pytest.approx(0.80)  # click and order in home_feed
    assert np.allclose(np.diag(closed), 1)


@pytest.mark.parametrize("part", ["shared", "task", "factor", "scenario", "scenario_task"])
def test_closed_form_is_the_cosine_of_the_weights(part):
    variance = dict.fromkeys(("shared", "task", "factor", "scenario", "scenario_task"), 0.1) | {part: 0.6}
    config = read_config(small_contract(variance=variance))
    flat = weights(config).reshape(12, -1)
    assert np.allclose(flat @ flat.T, correlation(config), atol=1e-12)


def test_closed_form_matches_drawn_tastes_and_traits():
    config = read_config(small_contract())
    rng = np.random.default_rng(3)
    taste, trait = rng.standard_normal((2, 200_000, config.dimensions))
    liking = (taste * trait) @ weights(config).reshape(12, -1).T
    assert np.abs(np.corrcoef(liking.T) - correlation(config)).max() < 0.02


def test_closed_form_is_near_in_the_finite_catalogue():
    world = load(small_contract(items=1500, users=2000))
    rng = np.random.default_rng(4)
    user, item = rng.integers(0, 2000, 100_000), rng.integers(0, 1500, 100_000)
    flat = world.weights_SKJ.reshape(12, -1)
    liking = (world.users.taste_UJ[user] * world.items.trait_IJ[item]) @ flat.T
    assert np.abs(np.corrcoef(liking.T) - world.correlation).max() < 0.1
