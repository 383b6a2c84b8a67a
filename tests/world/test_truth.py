"""Probabilities against a slow reference, rates on fresh requests, policies in their order, values by redraws."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from small_world import small_contract

from hinet_core.lift.calibration.rates import calibrate
from hinet_core.world.day import day_table
from hinet_core.world.load import load
from hinet_core.world.posterior import known_chances
from hinet_core.world.rates import logged_rates, rate_checks
from hinet_core.world.slates import slate_value, top_slots
from hinet_core.world.truth import World, choose, choose_by_row

MONDAY, SATURDAY = date(2025, 3, 3), date(2025, 3, 8)


@pytest.fixture(scope="module")
def world() -> World:
    return load(small_contract())


def slow_probability(world: World, requests, r: int, c: int, k: int) -> float:
    """The equations written out for one candidate."""
    user, item, s = int(requests.user_R[r]), int(requests.item_RC[r, c]), int(requests.scenario_R[r])
    scenario = list(world.config.scenarios.values())[s]
    liking = sum(
        float(world.weights_SKJ[s, k, j]) * float(world.users.taste_UJ[user, j]) * float(world.items.trait_IJ[item, j])
        for j in range(world.config.dimensions)
    )
    apart = math.dist(world.users.place_U2[user].tolist(), world.items.place_I2[item].tolist())
    logit = (
        float(world.bias_SK[s, k])
        + liking
        + scenario.quality[k] * float(world.items.quality_I[item])
        - scenario.distance[k] * math.log(1 + 5 * apart)
        - scenario.price[k] * abs(float(world.items.price_I[item]) - float(world.users.price_ideal_U[user]))
        + float(world.users.propensity_UK[user, k])
    )
    if k == 1 and requests.day.weekday() >= 5:
        logit += world.config.weekend_order
    return 1 / (1 + math.exp(-logit))


@pytest.mark.parametrize("day", [MONDAY, SATURDAY])
def test_probabilities_equal_the_written_out_equations(world, day):
    requests = world.requests(day, 2, seed=5)
    fast = world.probabilities(requests)
    for r in range(len(requests)):
        for c in (0, 17, 49):
            for k in (0, 1):
                assert fast[k][r, c] == pytest.approx(slow_probability(world, requests, r, c, k), rel=1e-4)


def test_position_effect_is_a_falling_power_of_the_slot(world):
    assert np.allclose(world.theta_SN[:, 0], 1)
    assert world.theta_SN[0, 3] == pytest.approx(4**-0.6)
    assert (np.diff(world.theta_SN, axis=1) < 0).all()


def test_candidates_are_distinct_and_popular_shops_come_more_often(world):
    items = world.requests(MONDAY, 400).item_RC
    assert (np.diff(items, axis=1) > 0).all()
    assert items.min() >= 0
    assert items.max() < world.config.items
    shown = np.bincount(items.ravel(), minlength=world.config.items)
    assert shown[:20].mean() > 2 * shown[-50:].mean()


def test_candidates_may_be_the_whole_catalogue():
    everything = load(small_contract(items=50, candidates=50)).requests(MONDAY, 3).item_RC
    assert (everything == np.arange(50)).all()


def test_hours_and_shares_have_exactly_their_margins(world):
    joint = world.traffic.hour_scenario_HS
    assert np.allclose(joint.sum(axis=0), world.shares_S, atol=1e-12)
    assert joint.sum() == pytest.approx(1)
    hours = joint.sum(axis=1)
    assert hours[12] > 2 * hours[9]
    assert hours[18] > 1.5 * hours[15]
    assert hours[3] < hours[9]


def test_traffic_follows_its_table_and_weekends_are_busier(world):
    assert world.traffic.requests_on(SATURDAY) == round(1.25 * world.traffic.requests_on(MONDAY))
    large = load(small_contract(requests_per_day=40_000)).log_requests(MONDAY)
    observed = np.bincount(large.scenario_R, minlength=6) / len(large)
    assert np.abs(observed - world.shares_S).max() < 0.01
    hours = np.bincount(large.hour_R, minlength=24) / len(large)
    assert np.abs(hours - world.traffic.hour_scenario_HS.sum(axis=1)).max() < 0.01


def test_fresh_requests_are_new_and_depend_on_the_seed(world):
    one, same, other = (world.requests(MONDAY, 50, seed) for seed in (1, 1, 2))
    assert (one.key_R == same.key_R).all()
    assert not set(one.key_R.tolist()) & set(other.key_R.tolist())
    assert not set(one.key_R.tolist()) & set(world.log_requests(MONDAY).key_R.tolist())
    assert (np.bincount(one.scenario_R) == 50).all()


@pytest.mark.slow
def test_the_packaged_world_meets_its_target_rates_on_fresh_requests():
    """CTR within 2 %, CTCVR within 4 % of target, over an average week: what `make calibrate` counts, on 16,000."""
    checks = calibrate(40, seed=0)
    assert [one.name for one in checks[:2]] == ["T14 meishi: home_feed ctr", "T14 meishi: home_feed ctcvr"]
    assert len(checks) == 12
    assert (checks[1].low, checks[1].high) == pytest.approx((0.03 * 0.96, 0.03 * 1.04))
    assert not [one for one in checks if not one.low <= one.value <= one.high]


def test_rates_are_those_of_the_log_and_another_bias_fails_its_checks(world):
    found = logged_rates(world, 1500)
    rows = day_table(load(small_contract(requests_per_day=12_000)), MONDAY)
    home = np.array(rows["scenario"].to_pylist()) == "home_feed"
    for k, name in enumerate(("is_click", "is_order")):
        assert rows[name].to_numpy()[home].mean() == pytest.approx(found[0, k], rel=0.08)
    assert not np.allclose(logged_rates(world, 1500, seed=1), found, rtol=1e-4)
    # 2.5 of 7.5 requests a week come on weekends, where e^2 as many orders would follow: without them it is Monday's.
    eager = replace(world, config=world.config.model_copy(update={"weekend_order": 2.0}))
    calm = replace(world, config=world.config.model_copy(update={"weekend_order": 0.0}))
    weekday, mixed = logged_rates(calm, 600), logged_rates(eager, 600)
    requests = world.requests(SATURDAY, 200, seed=5)
    shown = eager.logged_slates(requests, eager.appeal(requests))
    click, order = (np.take_along_axis(chance, shown, axis=1) for chance in eager.probabilities(requests))
    worth = (world.theta_SN[requests.scenario_R] * click * order).mean(axis=1)
    weekend = np.bincount(requests.scenario_R, worth, 6) / 200
    assert mixed[:, 1] == pytest.approx((2 * weekday[:, 1] + weekend) / 3, rel=0.12)
    assert (mixed[:, 1] > 1.3 * weekday[:, 1]).all()
    shifted = rate_checks(replace(world, bias_SK=world.bias_SK + 0.3), 500)
    assert all(one.value > one.high for one in shifted)


def test_the_feature_best_ranking_is_between_logger_and_oracle_in_every_scenario():
    full = load(small_contract(users=4000))
    requests = full.requests(MONDAY, 60, seed=4)
    click, order = full.probabilities(requests)
    row = np.repeat(np.arange(len(requests)), 50)
    model = known_chances(full, requests, row, requests.item_RC.ravel())[:, 1].reshape(click.shape)
    theta, best = full.theta_SN[requests.scenario_R], click * order
    scores = {"logger": full.logger_score(requests), "model": model, "oracle": best}
    value = {name: slate_value(theta, best, top_slots(one, requests.item_RC, 10)) for name, one in scores.items()}
    for s in range(6):
        means = [value[name][requests.scenario_R == s].mean() for name in scores]
        assert means == sorted(means)
    assert (value["model"] <= value["oracle"] + 1e-6).all()


def test_random_logger_reverse_and_oracle_keep_their_order_in_every_scenario(world):
    requests = world.requests(MONDAY, 300)
    click, order = world.probabilities(requests)
    worth, theta = click * order, world.theta_SN[requests.scenario_R]
    score = {"oracle": worth, "logger": world.logger_score(requests), "reverse": -worth}
    value = {
        name: slate_value(theta, worth, top_slots(one, requests.item_RC, world.config.slots))
        for name, one in score.items()
    }
    value["random"] = theta.sum(axis=1) * worth.mean(axis=1)
    for s in range(6):
        mine = requests.scenario_R == s
        means = [value[name][mine].mean() for name in ("reverse", "random", "logger", "oracle")]
        assert means == sorted(means)
        assert means[1] < 0.5 * means[2]
    for other in ("logger", "reverse", "random"):
        assert (value[other] <= value["oracle"] + 1e-9).all()


def test_a_slates_value_is_the_average_of_redrawn_outcomes(world):
    requests = world.requests(MONDAY, 334, seed=3)
    click, order = world.probabilities(requests)
    theta = world.theta_SN[requests.scenario_R]
    top = top_slots(world.logger_score(requests), requests.item_RC, world.config.slots)
    closed = slate_value(theta, click * order, top).sum()
    seen_click = theta * np.take_along_axis(click, top, axis=1)
    seen_order = np.take_along_axis(order, top, axis=1)
    rng = np.random.default_rng(8)
    totals = [
        ((rng.random(seen_click.shape) < seen_click) & (rng.random(seen_order.shape) < seen_order)).sum()
        for _ in range(2000)
    ]
    assert abs(np.mean(totals) - closed) < 3 * np.std(totals) / np.sqrt(len(totals))


def test_choosing_follows_the_mass():
    mass = np.array([0.2, 0.0, 0.5, 0.3])
    position = (np.arange(1000) + 0.5) / 1000
    assert np.bincount(choose(mass, position)).tolist() == [200, 0, 500, 300]
    assert (choose_by_row(np.tile(mass, (1000, 1)), position) == choose(mass, position)).all()
    assert choose(mass, np.array([1 - 1e-16])).tolist() == [3]
