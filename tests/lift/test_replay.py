"""L1 and L2 of any two rankings: identities, known orders, a slow implementation, and what cannot be estimated."""

import math
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import slow_world as slow
from scipy import stats

from hinet_core.contract import load_contract
from hinet_core.lift.ab_test.paired_rows import paired_row, paired_rows
from hinet_core.lift.ab_test.replay import replay
from hinet_core.lift.calibration.rankings import noisy
from hinet_core.lift.policies import judged
from hinet_core.world.load import load

DAYS = [date(2025, 3, 21), date(2025, 3, 22)]
SMALL = {"users": 2000, "items": 300, "calibration_requests": 1000}


def world_of(**settings: Any):
    contract = load_contract("meishi")
    return load(contract.model_copy(update={"world": {**contract.world, **SMALL, **settings}}))


def rows_of(world, scorers, names=("a", "b"), n=200, **seeds):
    return paired_rows(world, replay(world, scorers, names, DAYS, n, **seeds), names)


def test_a_ranking_against_itself_is_exactly_zero():
    """T4, and a copy of the same scores under another name too."""
    world, scorers = world_of(), noisy(a=0.8)
    for names in (("a", "a"), ("a", "b")):
        rows = rows_of(world, lambda truth: dict.fromkeys("ab", scorers(truth)["a"]), names)
        assert {row["estimator"] for row in rows} == {"L1", "L2"}
        assert {(row["lift"], row["low"], row["high"], row["p_raw"]) for row in rows} == {(0.0, 0.0, 0.0, 1.0)}


def test_swapping_the_rankings_inverts_every_lift():
    world, scorers = world_of(units_per_order=1.8), noisy(a=0.8, b=0.4)
    rows, swapped = (rows_of(world, scorers, names) for names in (("a", "b"), ("b", "a")))
    assert len(rows) == 2 * 2 * 7
    for row, other in zip(rows, swapped, strict=True):
        assert other["lift"] == pytest.approx(1 / (1 + row["lift"]) - 1, abs=1e-9)


def test_the_mean_of_replays_over_their_draws_is_the_expected_lift():
    """T5: 200 seeds of outcomes; totals over totals, which has no bias of a ratio."""
    world, scorers = world_of(), noisy(a=1.2, b=0.2)
    totals = []
    for seed in range(200):
        found = replay(world, scorers, ("a", "b"), DAYS[:1], 20, outcome_seed=seed)
        totals.append([found.drawn[arm]["orders"].sum() for arm in (0, 1)])
    a_D, b_D = np.array(totals).T
    assert len(set(a_D)) > 10
    expected = found.expected[1]["orders"].sum() / found.expected[0]["orders"].sum() - 1
    residual_D = (b_D - (1 + expected) * a_D) / a_D.mean()
    assert abs(residual_D.mean()) < 3 * residual_D.std(ddof=1) / np.sqrt(200)
    assert expected > 0.1


def test_the_more_noise_the_fewer_orders_and_none_is_the_oracle():
    """T9."""
    world, sigmas = world_of(), {"none": 0.0, "little": 0.4, "some": 0.8, "much": 1.6, "only": np.inf}
    expected, drawn = [], []
    for name in sigmas:
        row, paired = pooled(world, noisy(base=1.0, **sigmas), ("base", name))
        expected.append(row["lift"])
        drawn.append(paired["lift"])
        assert paired["true_lift"] == pytest.approx(row["lift"], abs=1e-12)
        assert row["random_lift"] < row["logger_lift"] < row["oracle_lift"]
        if name == "none":
            assert row["lift"] == pytest.approx(row["oracle_lift"], abs=1e-12)
    for lifts in (expected, drawn):
        assert all(a > b for a, b in pairwise(lifts))


def test_a_planted_harm_is_found_by_both():
    """T10."""
    rows = rows_of(world_of(), noisy(a=0.0, b=None), n=600)
    found = [row for row in rows if row["status"] == "estimated"]
    assert [row["estimator"] for row in found if row["scope"] == "pooled"] == ["L1", "L2"]
    assert sum(row["estimator"] == "L1" for row in found) == 7
    for row in found:
        assert row["lift"] < -0.5
        assert row["high"] < 0
        assert row["p_bh"] < 0.001


def test_other_requests_other_draws_and_another_world_move_every_lift():
    """T19."""
    scorers = noisy(a=1.0, b=0.5)
    first = rows_of(world_of(), scorers)
    assert first == rows_of(world_of(), scorers)
    for other in (rows_of(world_of(), scorers, seed=1), rows_of(world_of(seed=2), scorers)):
        assert all(a["lift"] != b["lift"] for a, b in zip(first, other, strict=True))
    redrawn = rows_of(world_of(), scorers, outcome_seed=1)
    for a, b in zip(first, redrawn, strict=True):
        assert (a["lift"] == b["lift"]) == (a["estimator"] == "L1")


def test_chunks_of_any_size_give_the_same_replay(monkeypatch):
    world, scorers = world_of(), noisy(a=1.0, b=0.5)
    whole = replay(world, scorers, ("a", "b"), DAYS, 60)
    monkeypatch.setattr("hinet_core.lift.ab_test.replay.CHUNK", 7)
    piecewise = replay(world, scorers, ("a", "b"), DAYS, 60)
    np.testing.assert_array_equal(whole.user_R, piecewise.user_R)
    np.testing.assert_array_equal(whole.shown_AGI, piecewise.shown_AGI)
    for arm in (0, 1):
        np.testing.assert_array_equal(whole.drawn[arm]["orders"], piecewise.drawn[arm]["orders"])
        np.testing.assert_allclose(whole.expected[arm]["orders"], piecewise.expected[arm]["orders"], rtol=1e-6)


def test_plain_loops_find_the_same_worth_and_the_same_orders():
    world = world_of(users=60, items=40, candidates=8, slots=3)
    scorers = noisy(a=1.0, b=0.3)
    found = replay(world, scorers, ("a", "b"), DAYS[:1], 30, outcome_seed=5)
    requests = world.requests(DAYS[0], 30)
    # Tastes turn by nothing in this world: the weights of the first day are those of every day.
    assert world.config.drift_per_day == 0
    scores = scorers(judged(world, requests))
    assert found.drawn[0]["orders"].sum() > 5
    for arm, name in enumerate("ab"):
        for r in range(len(requests)):
            slots = slow.ranked(requests.item_RC[r].tolist(), scores[name][r].tolist(), 3)
            key = slow.again(int(requests.key_R[r]), 5)
            assert found.expected[arm]["orders"][r] == pytest.approx(slow.worth(world, requests, r, slots), rel=1e-4)
            assert found.drawn[arm]["orders"][r] == slow.orders(world, requests, r, slots, key)
            assert found.drawn[arm]["units"][r] == found.drawn[arm]["orders"][r]


def test_plain_loops_draw_the_same_units_and_find_the_most_of_them():
    world = world_of(users=60, items=40, candidates=8, slots=3, units_per_order=2.5)
    found = replay(world, noisy(a=0.5, b=0.3), ("a", "b"), DAYS[:1], 30, outcome_seed=5)
    requests = world.requests(DAYS[0], 30)
    scores = noisy(a=0.5, b=0.3)(judged(world, requests))
    for r in range(len(requests)):
        key, items = slow.again(int(requests.key_R[r]), 5), requests.item_RC[r].tolist()
        per_order = {item: slow.mean_units(world, int(requests.user_R[r]), item) for item in items}
        worth = [math.prod(slow.chances(world, requests, r, item)) * per_order[item] for item in items]
        for name, score in (("a", scores["a"][r].tolist()), ("most", worth)):
            slots = slow.ranked(items, score, 3)
            expected = slow.worth(world, requests, r, slots, per_order)
            if name == "most":
                assert found.reference["units"][r] == pytest.approx(expected, rel=1e-4)
                continue
            assert found.expected[0]["units"][r] == pytest.approx(expected, rel=1e-4)
            ordered = slow.ordered(world, requests, r, slots, key)
            units = [1 + slow.poisson(slow.luck(key, slow.UNITS, item), per_order[item] - 1) for item in ordered]
            assert found.drawn[0]["units"][r] == sum(units)
    assert found.drawn[0]["units"].sum() > found.drawn[0]["orders"].sum() + 3


@pytest.mark.slow
def test_intervals_of_both_hold_the_lift_of_many_other_requests():
    """240 replays of 360 requests; narrower by a fifth they would not."""
    world, scorers, names = world_of(users=20_000), noisy(a=1.0, b=0.5), ("a", "b")
    many = replay(world, scorers, names, DAYS[:1], 4000, seed=999)
    truth = {row["estimator"]: row for row in paired_rows(world, many, names) if row["scope"] == "pooled"}["L1"]["lift"]
    held, narrower = {"L1": 0, "L2": 0}, {"L1": 0, "L2": 0}
    for seed in range(240):
        found = replay(world, scorers, names, DAYS[:1], 60, seed=seed, outcome_seed=seed)
        for estimator, values in (("L1", found.expected), ("L2", found.drawn)):
            orders = [one["orders"] for one in values]
            row = paired_row(world, found, names, estimator, "orders_per_request", "", orders)
            off = abs(truth - row["lift"]) / (row["high"] - row["lift"])
            held[estimator] += off <= 1
            narrower[estimator] += off <= 0.8
    assert all(0.92 <= count / 240 <= 0.98 for count in held.values()), held
    assert all(count / 240 < 0.92 for count in narrower.values()), narrower


def test_units_have_a_best_ranking_of_their_own():
    rows = rows_of(world_of(units_per_order=1.8), noisy(a=0.8, b=0.4))
    orders, units = ([row for row in rows if row["metric"] == name] for name in
                     ("orders_per_request", "units_per_request"))  # fmt: skip
    assert len(orders) == len(units) == 14
    for one, other in zip(orders, units, strict=True):
        assert one["lift"] != other["lift"]
        assert other["lift"] < other["oracle_lift"] or other["estimator"] == "L2"
        assert other["value_a"] > one["value_a"]


def test_no_fewer_requests_than_asked_for_are_replayed_on_every_day_alike():
    found = replay(world_of(), noisy(a=0.8, b=0.7), ("a", "b"), DAYS, 3)
    assert np.bincount(found.scenario_R).tolist() == [4] * 6


def test_scenarios_of_a_metric_are_a_family_and_totals_are_what_was_counted():
    world, scorers = world_of(units_per_order=1.8), noisy(a=0.8, b=0.7)
    found = replay(world, scorers, ("a", "b"), DAYS, 200)
    rows = paired_rows(world, found, ("a", "b"))
    families = [rows[start : start + 7] for start in range(0, 28, 7)]
    for pooled_row, *others in families:
        assert len({(row["estimator"], row["metric"]) for row in (pooled_row, *others)}) == 1
        assert pooled_row["p_bh"] == pooled_row["p_raw"]
        adjusted = stats.false_discovery_control([row["p_raw"] for row in others])
        assert [row["p_bh"] for row in others] == pytest.approx(adjusted.tolist())
        measure = pooled_row["metric"].removesuffix("_per_request")
        for row in (pooled_row, *others):
            mine = np.ones(len(found), bool)
            if row["scenario_id"]:
                mine = found.scenario_R == world.scenario_ids.index(row["scenario_id"])
            for arm, name in enumerate("ab"):
                total = row[f"orders_{name}"]
                assert row["n_requests"] == mine.sum()
                if row["estimator"] == "L2":
                    assert total == found.drawn[arm][measure][mine].sum()
                elif row["scenario_id"]:
                    assert total == pytest.approx(found.expected[arm][measure][mine].sum())
                else:
                    by_scenario = np.bincount(found.scenario_R, found.expected[arm][measure]) / 200
                    assert total == pytest.approx(world.shares_S @ by_scenario * 1200)


def test_what_carries_no_lift_says_why():
    few = rows_of(world_of(), noisy(a=1.0, b=0.5), n=2)
    refused = [row for row in few if row["status"] == "not_estimable"]
    assert {row["estimator"] for row in refused} == {"L2"}
    assert all("ask for more requests" in row["reason"] and row["lift"] is None for row in refused)
    units = rows_of(world_of(units_per_order=6.0), noisy(a=1.0, b=0.5), n=10)
    assert [row["status"] for row in units[14:21]] == [row["status"] for row in units[21:]]
    assert any(row["status"] == "not_estimable" and "got 3 orders" in row["reason"] for row in units[21:])
    with pytest.raises(ValueError, match="without NaN"):
        rows_of(world_of(), lambda truth: dict.fromkeys("ab", truth.worth_RC * np.nan), n=2)
    with pytest.raises(ValueError, match="one score per candidate"):
        rows_of(world_of(), lambda truth: dict.fromkeys("ab", truth.worth_RC[:, :6]), n=2)


def pooled(world, scorers, names):
    """The pooled rows of L1 and L2."""
    rows = [row for row in rows_of(world, scorers, names) if row["scope"] == "pooled"]
    assert [row["estimator"] for row in rows] == ["L1", "L2"]
    return rows


def test_orders_that_hardly_weigh_carry_no_pooled_lift():
    """28 orders of a scenario with a 2,000th of the traffic say nothing of the rest, where one order came."""
    scenarios = load_contract("meishi").world["scenarios"]
    shares = {"new_shops": 0.0005, "home_feed": 0.5395}
    changed = {name: one | ({"share": shares[name]} if name in shares else {}) for name, one in scenarios.items()}
    world, names = world_of(scenarios=changed), ("a", "b")
    found = replay(world, noisy(a=1.0, b=0.2), names, DAYS, 40)
    first, last = (np.flatnonzero(found.scenario_R == code) for code in (0, 5))
    a_R, b_R = np.zeros((2, len(found)))
    a_R[[first[0], *last[:28]]] = 1.0
    b_R[[first[0], *last[8:36]]] = 1.0
    found = replace(found, drawn=({"orders": a_R}, {"orders": b_R}))
    row = paired_row(world, found, names, "L2", "orders_per_request", "", [a_R, b_R])
    assert row["status"] == "not_estimable"
    assert "tell as much as 1.1 would" in row["reason"]
    alone = paired_row(world, found, names, "L2", "orders_per_request", "new_shops", [a_R, b_R])
    assert (alone["status"], alone["lift"]) == ("estimated", 0.0)
    assert alone["low"] < -0.1 < 0.1 < alone["high"]


def test_rankings_that_no_drawn_order_tells_apart_are_not_said_to_be_the_same():
    world, names = world_of(), ("a", "b")
    found = replay(world, noisy(a=1.0, b=0.9), names, DAYS, 40)
    same_R = np.where(np.arange(len(found)) % 5 == 0, 1.0, 0.0)
    found = replace(found, drawn=({"orders": same_R}, {"orders": same_R}))
    row = paired_row(world, found, names, "L2", "orders_per_request", "", [same_R, same_R])
    assert row["status"] == "not_estimable"
    assert "apart" in row["reason"]
