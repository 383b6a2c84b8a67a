"""Products of matches: a part of what users like that no sum of matches tells, with the same correlations."""

from datetime import date

import numpy as np
import pytest
from small_world import small_contract

from hinet_core.world.config import read_config
from hinet_core.world.load import load
from hinet_core.world.preferences import correlation, for_products, pairs, weights, with_products

MONDAY = date(2025, 3, 3)
NU = 0.6


def contract_of(nu: float, **settings):
    return small_contract(variance=small_contract().world["variance"] | {"interaction": nu}, **settings)


@pytest.mark.parametrize("dimensions", [3, 4, 5, 24, 31])
def test_no_two_products_are_of_one_pair_and_none_is_with_itself(dimensions):
    a, b = pairs(dimensions)
    assert len({frozenset(pair) for pair in zip(a.tolist(), b.tolist(), strict=True)}) == dimensions
    assert all(sorted(one) == list(range(dimensions)) for one in (a, b))
    assert not (a == np.arange(dimensions)).any()
    assert not (b == np.arange(dimensions)).any()


def test_the_closed_form_holds_with_products_to_three_standard_errors():
    config = read_config(contract_of(NU))
    flat = for_products(weights(config), NU).reshape(12, -1)
    rng, found = np.random.default_rng(11), []
    for _ in range(80):
        taste, trait = (with_products(rng.standard_normal((4000, 24))) for _ in "zv")
        liking = (taste * trait) @ flat.T
        found.append(liking.T @ liking / len(liking))
    off = (np.mean(found, axis=0) - correlation(config)) / (np.std(found, axis=0, ddof=1) / np.sqrt(len(found)))
    assert np.abs(off[np.triu_indices(12)]).max() < 3


def test_liking_is_the_written_out_sum_and_matches_alone_tell_the_rest():
    world = load(contract_of(NU))
    requests = world.requests(MONDAY, 40)
    plain = load(contract_of(0.0))
    # All else is the same in both worlds, so what they differ by is liking.
    found = world.appeal(requests) - plain.appeal(requests)
    for r, c, k in ((0, 0, 0), (100, 17, 1), (239, 49, 0)):
        user, item, s = requests.user_R[r], requests.item_RC[r, c], requests.scenario_R[r]
        weight = world.weights_SKJ[s, k].astype(float)
        match = world.users.taste_UJ[user].astype(float) * world.items.trait_IJ[item]
        product = sum(weight[j] * match[(j + 1) % 24] * match[(j + 2) % 24] for j in range(24))
        expected = (np.sqrt(1 - NU) - 1) * (weight @ match) + np.sqrt(NU) * product
        assert found[r, c, k] == pytest.approx(expected, abs=1e-5)
    rng = np.random.default_rng(5)
    match = rng.standard_normal((50_000, 24)) * rng.standard_normal((50_000, 24))
    weight = weights(world.config)[0, 0]
    liking = with_products(match) @ for_products(weights(world.config), NU)[0, 0]
    assert np.corrcoef(liking, match @ weight)[0, 1] ** 2 == pytest.approx(1 - NU, abs=0.03)
