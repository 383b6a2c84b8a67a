"""What changes from day to day: tastes turn without changing their structure, shops close and open."""

from datetime import date, timedelta

import numpy as np
import pytest
from small_world import small_contract

from hinet_core.world.day import day_table
from hinet_core.world.load import load
from hinet_core.world.observed import shop_columns, user_columns

MONDAY = date(2025, 3, 3)


def test_tastes_turn_by_the_angle_of_the_day_and_keep_every_norm_and_correlation():
    world = load(small_contract(drift_per_day=0.3))
    first = world.weights_SKJ.reshape(12, 24).astype(float)
    assert np.array_equal(world.weights_on(MONDAY), world.weights_SKJ)
    for nights in (1, 3):
        turned = world.weights_on(MONDAY + timedelta(days=nights)).reshape(12, 24).astype(float)
        assert turned @ turned.T == pytest.approx(world.correlation, abs=1e-5)
        assert (first * turned).sum(axis=1) == pytest.approx(np.cos(0.3 * nights), abs=1e-5)
    requests = world.requests(MONDAY, 3)
    later = vars(requests) | {"day": MONDAY + timedelta(days=2)}
    assert not np.allclose(world.appeal(requests), world.appeal(type(requests)(**later)), atol=0.1)


def test_an_odd_number_of_dimensions_does_not_turn():
    with pytest.raises(ValueError, match=r"even number of dimensions where drift_per_day is above 0, found 25; add"):
        load(small_contract(drift_per_day=0.1, dimensions=25))


def test_every_night_as_many_shops_open_as_close():
    world = load(small_contract(item_churn=0.05))
    n_new, before = 10, np.arange(200)
    for nights in range(4):
        shops = world.items.open_after(nights)
        opened = set(shops.tolist()) - set(before.tolist())
        assert len(np.unique(shops)) == 200
        assert (shops != before).sum() == (n_new if nights else 0)
        assert opened == set(range(200 + (nights - 1) * n_new, 200 + nights * n_new) if nights else ())
        before = shops
    assert np.array_equal(world.items.open_after(9), before)  # nothing is known of later nights
    assert np.array_equal(world.items.open_after(-1), np.arange(200))


def test_a_day_shows_open_shops_only_and_the_shops_table_describes_them_all():
    world, still = load(small_contract(item_churn=0.05)), load(small_contract())
    shops, users = shop_columns(world), user_columns(world)
    assert shops["shop_id"].tolist() == list(range(1, 231))
    for name in ("category", "price", "quality"):
        assert np.array_equal(shops[name][:200], shop_columns(still)[name])
    assert day_table(world, MONDAY).equals(day_table(still, MONDAY))
    last = MONDAY + timedelta(days=3)
    rows = day_table(world, last)
    item, user = rows["shop_id"].to_numpy() - 1, rows["user_id"].to_numpy() - 1
    assert set(item) <= set(world.items.open_after(3))
    is_new = item >= 200
    assert 0.05 < is_new.mean() < 0.3  # 15 % of the places are new since the first day
    assert len(users["user_id"]) == 400
    match = world.users.seen_taste_UJ[user] * world.items.trait_IJ[item]
    assert np.array_equal(rows["match_07"].to_numpy()[is_new], match[is_new, 7])
    assert (np.diff(world.log_requests(last).item_RC, axis=1) > 0).all()


def test_new_shops_are_like_the_old_ones():
    items = load(small_contract(item_churn=0.2, days=30, items=100)).items
    assert len(items.trait_IJ) == 100 + 29 * 20
    assert np.abs(items.trait_IJ[100:].mean(axis=0)).max() < 0.6
    assert items.trait_IJ[100:].std() == pytest.approx(1, abs=0.15)
    assert items.quality_I[100:].std() == pytest.approx(1, abs=0.1)


def test_a_churn_that_replaces_nobody_is_refused():
    with pytest.raises(ValueError, match=r"replaces a shop a day or more, found 0.001 of 200 items; at least 0.0025"):
        load(small_contract(item_churn=0.001))
