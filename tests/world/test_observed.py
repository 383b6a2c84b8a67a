"""Candidates carry the columns of `impressions`, with the values that the log would carry for the same pair."""

from datetime import date

import numpy as np
import pytest
from small_world import small_contract

from hinet_core.contract import load_contract
from hinet_core.world.day import day_table
from hinet_core.world.load import load
from hinet_core.world.observed import FIRST_CANDIDATE_REQUEST, candidate_table, shop_columns, user_columns

MONDAY = date(2025, 3, 3)
SYSTEM = ["day", "day_number", "hour", "exposed_us", "scenario_id"]
SYSTEM += ["label_click", "known_us_click", "known_day_click", "label_order", "known_us_order", "known_day_order"]
SYSTEM += ["source_file", "record_number"]


def test_columns_are_those_of_impressions_in_order():
    contract = small_contract()
    world = load(contract)
    table = candidate_table(world, contract, world.requests(MONDAY, 3))
    assert table.column_names == [column.name for column in contract.columns] + SYSTEM
    assert table.num_rows == 3 * 6 * 50
    assert table["record_number"].to_pylist() == list(range(900))
    assert set(table["position"].to_pylist()) == {1}
    for name in ("is_click", "is_order", "order_at", "label_click", "label_order", "known_us_order"):
        assert table[name].null_count == table.num_rows
    assert (table["request_id"].to_numpy() % 1_000_000_000).min() >= FIRST_CANDIDATE_REQUEST


def test_a_candidate_looks_as_it_would_in_the_log():
    contract = small_contract()
    world = load(contract)
    requests = world.log_requests(MONDAY)
    candidates = candidate_table(world, contract, requests).to_pandas()
    logged = day_table(world, MONDAY).to_pandas()
    candidates["request_id"] -= FIRST_CANDIDATE_REQUEST
    both = logged.merge(candidates, on=["request_id", "shop_id"], suffixes=("", "_candidate"))
    assert len(both) == len(logged)
    for column in contract.columns:
        name = column.name + "_candidate"
        if name in both and column.name not in ("position", "is_click", "is_order"):
            assert (both[column.name] == both[name]).all()
    assert (both["shown_at_ms"] * 1000 == both["exposed_us"]).all()
    assert (both["shown_at"].astype("datetime64[us]").astype("int64") == both["exposed_us"]).all()
    users, shops = user_columns(world), shop_columns(world)
    assert np.allclose(both["price_ideal"], users["price_ideal"][both["user_id"] - 1])
    assert np.allclose(both["price"], shops["price"][both["shop_id"] - 1])


def test_a_column_that_the_world_does_not_know_is_named():
    contract = small_contract()
    world = load(contract)
    (tags,) = [one for one in load_contract("kuairand").columns if one.name == "tags"]
    odd = contract.model_copy(update={"columns": (*contract.columns, tags.model_copy(update={"source": "shops"}))})
    with pytest.raises(ValueError, match="column tags: the simulated world knows shop_id, category"):
        candidate_table(world, odd, world.requests(MONDAY, 1))
