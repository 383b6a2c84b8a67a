"""Units per order: their mean, their draws, and the ranking that sells most of them."""

from datetime import date

import numpy as np
import pytest
from small_world import small_contract

from hinet_core.world.day import day_table
from hinet_core.world.draws import Stream, fold
from hinet_core.world.load import load
from hinet_core.world.slates import slate_value, top_slots

MONDAY = date(2025, 3, 3)


@pytest.fixture(scope="module")
def world():
    return load(small_contract(units_per_order=1.8, users=2000, requests_per_day=1500))


def test_the_mean_over_users_and_shops_is_the_setting_and_the_mean_of_draws_is_what_is_expected(world):
    user, item = np.arange(2000)[:, None], np.arange(200)[None]
    assert world.units.expected(user, item).mean() == pytest.approx(1.8, abs=0.05)
    key = fold(1, Stream.LOG, np.arange(200_000))
    one = np.full(200_000, 7)
    drawn, expected = world.units.drawn(key, one, one + 1), float(world.units.expected(one[:1], one[:1] + 1)[0])
    assert drawn.min() == 1
    assert drawn.mean() == pytest.approx(expected, abs=4 * np.sqrt((expected - 1) / 200_000))
    assert drawn.var() == pytest.approx(expected - 1, rel=0.03)  # of a Poisson number


def test_an_order_has_units_and_what_is_not_ordered_has_none(world):
    rows = day_table(world, MONDAY)
    ordered = rows["is_order"].to_numpy() == 1
    units = rows["units"].to_pandas()
    assert (units.notna() == ordered).all()
    assert units[ordered].min() == 1
    user, item = rows["user_id"].to_numpy()[ordered] - 1, rows["shop_id"].to_numpy()[ordered] - 1
    expected = world.units.expected(user, item)
    assert units[ordered].sum() == pytest.approx(expected.sum(), abs=4 * np.sqrt((expected - 1).sum()))
    without = load(small_contract(users=2000, requests_per_day=1500))
    assert "units" not in day_table(without, MONDAY).column_names
    assert rows.drop_columns("units").equals(day_table(without, MONDAY))


def test_most_units_are_sold_by_sorting_by_them(world):
    requests = world.requests(MONDAY, 100)
    click, order = world.probabilities(requests)
    units = click * order * world.units.expected(requests.user_R[:, None], requests.item_RC)
    theta, rng = world.theta_SN[requests.scenario_R], np.random.default_rng(0)
    value = lambda score: slate_value(theta, units, top_slots(score, requests.item_RC, 10))  # noqa: E731
    best, by_orders = value(units), value(click * order)
    for other in (by_orders, value(rng.random(units.shape)), value(-units)):
        assert (other <= best + 1e-12).all()
    assert by_orders.sum() < best.sum()
