"""What a row's features tell of its chances: brute force over users that look alike, calibration, no noise."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from small_world import small_contract

from hinet_core.world.load import load
from hinet_core.world.posterior import cholesky, known_chances, shrunk, standard_normals, true_chances
from hinet_core.world.preferences import turned
from hinet_core.world.truth import CLICK, ORDER, World

SATURDAY = date(2025, 3, 8)


def world_of(nu: float, **settings) -> World:
    variance = small_contract().world["variance"] | {"interaction": nu}
    return load(small_contract(variance=variance, **settings))


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(0.0, users=4000, requests_per_day=1500)


def shown(world: World):
    """Every candidate of a day's requests as a row."""
    requests = world.log_requests(SATURDAY)
    row_N = np.repeat(np.arange(len(requests)), requests.item_RC.shape[1])
    return requests, row_N, requests.item_RC.ravel()


@pytest.mark.parametrize("nu", [0.0, 0.5])
def test_a_row_has_the_mean_chance_of_all_users_that_look_like_its_own(nu):
    """The row's user drawn 200,000 times from what its features leave open, by textbook formulas."""
    world = world_of(nu, users=4000, requests_per_day=1500)
    requests, row_N, item_N = shown(world)
    draw, noise = np.random.default_rng(0), world.config.observation_noise
    for place in (3, 777, 40_123):
        row, item = int(row_N[place]), int(item_N[place])
        user, s = int(requests.user_R[row]), int(requests.scenario_R[row])
        scenario, n = list(world.config.scenarios.values())[s], 200_000
        taste = draw.normal(world.users.seen_taste_UJ[user] / (1 + noise**2), noise / np.sqrt(1 + noise**2), (n, 24))
        left = noise / np.sqrt(1 + noise**2)  # of a standard deviation, once the feature is known
        ideal, click = (
            draw.normal(seen_U[user] / (1 + noise**2), sd * left, n)
            for seen_U, sd in ((world.users.seen_price_ideal_U, 0.8), (world.users.seen_propensity_U, 0.4))
        )
        order = 0.375 * click + 0.5 * draw.normal(size=n)
        chance = []
        for k, propensity in ((CLICK, click), (ORDER, order)):
            weight_J, trait_J = world.weights_SKJ[s, k], world.items.trait_IJ[item]
            logit = world.bias_SK[s, k] + np.sqrt(1 - nu) * taste @ (weight_J * trait_J)
            for j in range(24):  # the matches after j, around the circle
                a, b = (j + 1) % 24, (j + 2) % 24
                logit = logit + np.sqrt(nu) * weight_J[j] * taste[:, a] * trait_J[a] * taste[:, b] * trait_J[b]
            logit = logit + scenario.quality[k] * world.items.quality_I[item] + propensity
            logit -= scenario.price[k] * np.abs(world.items.price_I[item] - ideal)
            logit -= scenario.distance[k] * np.log1p(5 * world.distance(np.array(user), np.array(item)))
            chance.append(expit(logit + (world.config.weekend_order if k == ORDER else 0)))
        expected = chance[0].mean(), (chance[0] * chance[1]).mean()
        found = known_chances(world, requests, row_N[[place]], item_N[[place]])[0]
        assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("nu", [0.0, 0.5])
def test_where_tastes_turn_a_row_has_the_chance_that_the_tastes_of_its_day_give_it(nu):
    """As in a world that never turns and began with the tastes of that day."""
    turning = world_of(nu, drift_per_day=0.3)
    requests, row_N, item_N = shown(turning)
    row_N, item_N = row_N[:400], item_N[:400]
    still = replace(
        turning,
        config=turning.config.model_copy(update={"drift_per_day": 0.0}),
        weights_SKJ=turned(turning.config, turning.weights_SKJ, 5),
    )
    found = known_chances(turning, requests, row_N, item_N)
    assert np.allclose(found, known_chances(still, requests, row_N, item_N), rtol=1e-6)
    begun = replace(still, weights_SKJ=turning.weights_SKJ)
    assert not np.allclose(found, known_chances(begun, requests, row_N, item_N), rtol=0.05)


def test_rows_that_are_said_to_have_a_chance_have_it_on_average(world):
    requests, row_N, item_N = shown(world)
    known_N2, true_N2 = known_chances(world, requests, row_N, item_N), true_chances(world, requests, row_N, item_N)
    for outcome in (0, 1):
        tenth_N = np.argsort(np.argsort(known_N2[:, outcome])) * 10 // len(row_N)
        for tenth in range(10):
            mine = tenth_N == tenth
            assert known_N2[mine, outcome].mean() == pytest.approx(true_N2[mine, outcome].mean(), rel=0.1)
    # Seen with noise, chances differ less than they do: the variance of a mean given something is below the whole.
    assert (known_N2.std(axis=0) < true_N2.std(axis=0)).all()


@pytest.mark.parametrize("nu", [0.0, 0.3])
def test_without_noise_the_features_tell_the_chance_of_a_click(nu):
    world = world_of(nu, observation_noise=0.0)
    requests, row_N, item_N = shown(world)
    row_N, item_N = row_N[:700], item_N[:700]
    known_N2, true_N2 = known_chances(world, requests, row_N, item_N), true_chances(world, requests, row_N, item_N)
    assert known_N2[:, 0] == pytest.approx(true_N2[:, 0], rel=1e-4)
    # A part of the propensity to order is never seen.
    assert not np.allclose(known_N2[:, 1], true_N2[:, 1], rtol=0.05)


def test_true_chances_are_those_of_the_world_and_a_shop_that_is_no_candidate_is_refused(world):
    requests, row_N, item_N = shown(world)
    click_RC, order_RC = world.probabilities(requests)
    found = true_chances(world, requests, row_N, item_N)
    assert np.array_equal(found, np.stack([click_RC.ravel(), (click_RC * order_RC).ravel()], axis=1))
    stranger = next(one for one in range(world.config.items) if one not in requests.item_RC[0])
    with pytest.raises(ValueError, match="among the candidates of their requests"):
        true_chances(world, requests, np.array([0]), np.array([stranger]))


def test_shrinking_and_roots_by_hand():
    assert shrunk(np.array([2.0]), 1.0, 0.5) == (np.array([1.6]), pytest.approx(np.sqrt(0.2)))
    assert shrunk(np.array([2.0]), 0.8, 0.0) == (np.array([2.0]), 0.0)
    roots = cholesky(np.array([[[4.0, 2.0], [2.0, 10.0]], [[0.0, 0.0], [0.0, 0.0]]]))
    assert roots.tolist() == [[[2.0, 0.0], [1.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]]


def test_the_points_are_spread_like_the_normal_distribution():
    points = standard_normals()
    assert np.allclose(points.mean(axis=0), 0, atol=0.02)
    assert np.allclose(np.cov(points.T), np.eye(5), atol=0.1)
    edges = norm.ppf(np.arange(1, 16) / 16)
    counts = np.array([np.bincount(np.searchsorted(edges, column), minlength=16) for column in points.T])
    assert (counts == 16).all()
