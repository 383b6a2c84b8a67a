"""Mistakes in a [world] section name their key, what was found and what is allowed."""

import pytest
from small_world import small_contract

from hinet_core.contract import load_contract
from hinet_core.world.config import read_config
from hinet_core.world.load import load

SCENARIOS = load_contract("meishi").world["scenarios"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sed": 3}, "world.sed"),
        ({"sed": 3}, "unknown key; did you mean 'seed'"),
        ({"users": 0}, "world.users: found 0, allowed: at least 1"),
        ({"users": "many"}, "world.users: found 'many', allowed: a whole number"),
        ({"weekend_order": float("inf")}, "world.weekend_order: found inf, allowed: a number that is finite"),
        ({"variance": {"interaction": 1.5}}, "world.variance.interaction: found 1.5, allowed: at most 1"),
        ({"item_churn": 1.0}, "world.item_churn: found 1.0, allowed: less than 1"),
        ({"units_per_order": 0.5}, "world.units_per_order: found 0.5, allowed: at least 1"),
        ({"units_per_order": 2e4}, "world.units_per_order: found 20000.0, allowed: at most 1000"),
        ({"seed": -1}, "world.seed: found -1, allowed: at least 0"),
        ({"seed": 2**63}, "world.seed: found 9223372036854775808, allowed: less than 9223372036854775808"),
        ({"days": 10**7}, "world.days: found 10000000, allowed: at most 36525"),
        ({"requests_per_day": 1, "weekend_requests": 0.3}, "a request or more on every day, found 1 a day and 0.3"),
        ({"users": 0, "days": 0}, "(?s)world.days: .*world.users: "),
        ({"slots": 60}, "slots <= candidates <= items, found 60, 50, 200"),
        ({"candidates": 300}, "found 10, 300, 200"),
        ({"dimensions": 12}, "at least 24 dimensions, found 12"),
        ({"variance": {"shared": 0.9}}, "sum to 1, found 1.5"),
        ({"scenarios": {}}, "at least one scenario"),
        ({"scenarios": {"home_feed": SCENARIOS["home_feed"]}}, "expected world.scenarios"),
        ({"scenarios": SCENARIOS | {"deals": SCENARIOS["deals"] | {"ctcvr": 0.2}}}, "ctcvr below ctr"),
        ({"scenarios": SCENARIOS | {"deals": SCENARIOS["deals"] | {"loading": [1, 1, 0]}}}, "length 1, found 1.4"),
        ({"scenarios": SCENARIOS | {"deals": SCENARIOS["deals"] | {"share": 0.5}}}, "shares that sum to 1"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        read_config(small_contract(**settings))


def test_a_rate_that_no_world_reaches_is_refused():
    high = SCENARIOS | {"nearby": SCENARIOS["nearby"] | {"ctr": 0.9}}
    with pytest.raises(ValueError, match=r"world.scenarios.nearby.ctr: expected a target rate below 0\.\d+"):
        load(small_contract(scenarios=high))
    low = SCENARIOS | {"deals": SCENARIOS["deals"] | {"ctr": 1e-11, "ctcvr": 1e-13}}
    with pytest.raises(ValueError, match=r"world.scenarios.deals.ctr: found 1e-11, .* only \d\.\de-0\d"):
        load(small_contract(scenarios=low))


def test_a_contract_without_a_world_is_refused():
    with pytest.raises(ValueError, match=r"kuairand: expected a \[world\] section"):
        load(load_contract("kuairand"))
