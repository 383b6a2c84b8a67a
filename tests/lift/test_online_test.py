"""L3, an online test of two rankings: a slow implementation, coverage of the truth, its days, its split, its memory."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import slow_world as slow

from hinet_core.contract import load_contract
from hinet_core.lift.ab_test.online import arriving, enter, in_b, online_test
from hinet_core.lift.ab_test.online_rows import days_of, online_rows, per_user
from hinet_core.lift.ab_test.shown import slate
from hinet_core.lift.calibration.rankings import noisy
from hinet_core.lift.own_test.analyse import from_users
from hinet_core.lift.own_test.read import PerUser
from hinet_core.lift.policies import judged
from hinet_core.lift.statistics.relative import relative_lift
from hinet_core.lift.statistics.samples import NotEstimableError, Sample
from hinet_core.world.load import load
from hinet_core.world.traffic import HOUR_US

DAYS = [date(2025, 3, 21) + timedelta(days=number) for number in range(4)]
SMALL = {"users": 1500, "items": 300, "calibration_requests": 1000}


def world_of(**settings: Any):
    contract = load_contract("meishi")
    return load(contract.model_copy(update={"world": {**contract.world, **SMALL, **settings}}))


@pytest.fixture(scope="module")
def usual():
    world = world_of(units_per_order=1.8)
    return world, online_test(world, noisy(a=1.0, b=0.2), ("a", "b"), DAYS, 6000)


def test_plain_loops_count_the_same_orders_and_find_the_same_truth():
    world = world_of(users=40, items=40, candidates=8, slots=4)
    scorers = noisy(a=1.0, b=0.2)
    test = online_test(world, scorers, ("a", "b"), DAYS[:2], 120, seed=3, salt=9)
    came, orders, before = (np.zeros((40, 6)) for _ in range(3))
    expected, first = np.zeros((2, 6)), {}
    n_requests = []
    for index, day in enumerate(DAYS[:2]):
        requests = world.online_requests(day, index, np.arange(int(test.came_DU[index].sum())), 3)
        n_requests.append(len(requests))
        scores = scorers(judged(world, requests))
        for r in range(len(requests)):
            user, s = int(requests.user_R[r]), int(requests.scenario_R[r])
            came[user, s] += 1
            first[user] = min(first.get(user, (9, 0, 0)), (index, int(requests.exposed_us_R[r]), s))
            # fold(salt, user), then one uniform: B below a half.
            key = slow.mixed(slow.mixed(slow.mixed(9)) ^ slow.mixed(user))
            arm = int(slow.luck(key, slow.ARM) < 0.5)
            for code, name in enumerate("ab"):
                slots = slow.ranked(requests.item_RC[r].tolist(), scores[name][r].tolist(), 4)
                expected[code, s] += slow.worth(world, requests, r, slots)
                if code == arm:
                    orders[user, s] += slow.orders(world, requests, r, slots, int(requests.key_R[r]))
        # Wednesday and Thursday have the same traffic.
        earlier = world.online_requests(day - timedelta(days=2), index - 2, np.arange(60), 3)
        logger = judged(world, earlier).logger_RC
        for r in range(len(earlier)):
            slots = slow.ranked(earlier.item_RC[r].tolist(), logger[r].tolist(), 4)
            found = slow.orders(world, earlier, r, slots, int(earlier.key_R[r]))
            before[int(earlier.user_R[r]), int(earlier.scenario_R[r])] += found
    assert sum(n_requests) == 120
    # Friday has 1 and Saturday 1.25 of the traffic.
    assert n_requests == [53, 67]
    assert orders.sum() > 5
    np.testing.assert_array_equal(test.came_US, came)
    np.testing.assert_array_equal(test.orders_US, orders)
    np.testing.assert_array_equal(test.units_US, orders)
    np.testing.assert_array_equal(test.orders_DU.sum(axis=0), orders.sum(axis=1))
    np.testing.assert_allclose(test.expected_TS[:2], expected, rtol=1e-4)
    assert dict(enumerate(test.entry_U.tolist())) == {user: first.get(user, (0, 0, -1))[2] for user in range(40)}
    np.testing.assert_array_equal(test.before_orders_US, before)


def test_rows_have_truth_oracle_and_every_metric(usual):
    world, test = usual
    found = online_rows(world, test, ("a", "b"))
    metrics = ["orders_per_request", "orders_per_user", "units_per_request"]
    assert [(row["metric"], row["scope"]) for row in found.rows] == [
        (metric, scope) for metric in metrics for scope in ["pooled", *["scenario"] * 6]
    ]
    assert {(row["kind"], row["estimator"], row["model_a"], row["model_b"]) for row in found.rows} == {
        ("artifact", "L3", "a", "b")
    }
    for row in found.rows:
        assert 0 < row["true_lift"] < row["oracle_lift"]
        assert row["low"] < row["lift"] < row["high"]
    pooled = found.rows[0]
    assert pooled["low"] < pooled["true_lift"] < pooled["high"]
    assert pooled["n_requests"] == 6000
    assert "CUPED" in pooled["method"]
    assert [check.scenario for check in found.checks] == ["", *world.scenario_ids]
    assert found.checks[0].found.light == "green"


def test_days_end_where_the_test_ends_and_may_be_looked_at(usual):
    world, test = usual
    days = days_of(test, ("a", "b"))
    assert [one["day"] for one in days] == [1, 2, 3, 4]
    last, pooled = days[-1], online_rows(world, test, ("a", "b")).rows[0]
    assert (last["lift"], last["low"], last["high"]) == pytest.approx((pooled["lift"], pooled["low"], pooled["high"]))
    assert last["sequential_low"] < last["low"] < last["high"] < last["sequential_high"]
    assert last["true_lift"] == pytest.approx(pooled["true_lift"])
    for column in ("orders_a", "orders_b", "n_users", "n_requests", "mde80", "oracle_lift"):
        assert last[column] == pytest.approx(pooled[column])
    assert len({one["tau"] for one in days}) == 1
    assert all(later["p_sequential"] <= earlier["p_sequential"] for earlier, later in pairwise(days))


def test_a_user_enters_where_he_came_first_though_a_day_may_have_25_hours():
    """23:40 in Berlin on the day that summer time ends, 24 h 40 after midnight, then 10 minutes past midnight."""
    contract, days = load_contract("meishi"), [date(2025, 10, 26), date(2025, 10, 27)]
    settings = {**contract.world, **SMALL, "users": 60}
    world = load(contract.model_copy(update={"world": settings, "time_zone": "Europe/Berlin", "first_day": days[0]}))
    test = online_test(world, noisy(a=1.0, b=0.2), ("a", "b"), days, 2)
    test.entry_us_U[:], test.entry_U[:] = np.inf, -1
    hours = world.traffic.hour_start_us(days[0])
    assert hours[23] - hours[0] == 24 * HOUR_US
    for index, scenario, when in ((1, 4, world.traffic.hour_start_us(days[1])[0] + HOUR_US // 6),
                                  (0, 2, hours[23] + HOUR_US * 2 // 3)):  # fmt: skip
        one = world.online_requests(days[index], index, np.arange(1), 0)
        known = {"user_R": np.array([7]), "scenario_R": np.array([scenario]), "exposed_us_R": np.array([when])}
        enter(world, test, replace(one, **known), index)
    assert test.entry_U[7] == 2


def test_a_broken_split_hides_the_rows_and_the_days(usual):
    world, test = usual
    broken = replace(test, is_b_U=in_b(1, len(test.is_b_U)) & in_b(2, len(test.is_b_U)))
    found, days = online_rows(world, broken, ("a", "b")), days_of(broken, ("a", "b"))
    assert found.checks[0].found.light == "red"
    for row in (*found.rows, *days):
        assert (row["lift"], row["low"], row["status"]) == (None, None, "not_estimable")
        assert row["reason"].startswith("the users are not split as intended (p ")
    assert {(row["sequential_low"], row["p_sequential"]) for row in days} == {(None, 1.0)}


def test_units_of_too_few_orders_carry_no_lift():
    world = world_of(units_per_order=6.0)
    test = online_test(world, noisy(a=1.0, b=0.2), ("a", "b"), DAYS, 800)
    rows = {(row["metric"], row["scenario_id"]): row for row in online_rows(world, test, ("a", "b")).rows}
    refused = {one for one in world.scenario_ids if rows["orders_per_request", one]["lift"] is None}
    assert 0 < len(refused) < 6
    for one in refused:
        units = rows["units_per_request", one]
        assert (units["lift"], units["reason"]) == (None, rows["orders_per_request", one]["reason"])
    assert any(test.units_US[:, world.scenario_ids.index(one)].sum() > 30 for one in refused)


def test_tau_is_fixed_by_the_days_before_the_test_whatever_happens_in_it(usual):
    _, test = usual
    came = test.before_came_U > 0
    orders, requests = test.before_orders_US.sum(axis=1)[came], test.before_came_U[came]
    rate = orders.sum() / requests.sum()
    variance = ((orders - rate * requests) / requests.mean()).var(ddof=1) / rate**2
    half = int(came.sum()) // 2
    # -2 ln .05 = 5.991: tau^2 = SE^2 (5.991 + ln 6.991), SE of two arms of half the users each.
    tau = np.sqrt(2 * variance / half * (5.991465 + np.log(6.991465)))
    assert days_of(test, ("a", "b"))[0]["tau"] == pytest.approx(tau, rel=1e-6)
    other = replace(test, orders_DU=test.orders_DU * 3)
    assert {one["tau"] for one in days_of(other, ("a", "b"))} == {days_of(test, ("a", "b"))[0]["tau"]}
    wide, narrow = (days_of(test, ("a", "b"), level)[-1] for level in (0.99, 0.8))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    assert wide["sequential_low"] < narrow["sequential_low"] < narrow["sequential_high"] < wide["sequential_high"]


def test_units_are_those_of_the_orders_and_have_a_truth_and_an_oracle_of_their_own(usual):
    world, test = usual
    for units_US, orders_US in ((test.units_US, test.orders_US), (test.before_units_US, test.before_orders_US)):
        assert ((units_US >= orders_US) & ((units_US > 0) == (orders_US > 0))).all()
        assert 1.6 < units_US.sum() / orders_US.sum() < 2.1
    expected, scorers = np.zeros((3, 6)), noisy(a=1.0, b=0.2)
    for index, day in enumerate(DAYS):
        requests = world.online_requests(day, index, np.arange(int(test.came_DU[index].sum())), 0)
        truth = judged(world, requests)
        units = truth.worth_RC * world.units.expected(requests.user_R[:, None], requests.item_RC)
        for code, score in enumerate([*scorers(truth).values(), units]):
            top = np.argsort(-score, axis=1, kind="stable")[:, :10]
            worth = (truth.theta_RN * np.take_along_axis(units, top, axis=1)).sum(axis=1)
            expected[code] += np.bincount(requests.scenario_R, worth, 6)
    np.testing.assert_allclose(test.units_TS, expected, rtol=1e-5)
    assert (test.expected_TS[2] >= test.expected_TS[:2]).all()
    units = [row for row in online_rows(world, test, ("a", "b")).rows if row["metric"] == "units_per_request"]
    arms = [
        Sample(test.units_US.sum(axis=1)[mine], test.came_US.sum(axis=1)[mine], test.before_units_US.sum(axis=1)[mine])
        for mine in (test.came_U & ~test.is_b_U, test.came_U & test.is_b_U)
    ]
    by_hand = relative_lift(*arms)
    assert (units[0]["lift"], units[0]["low"]) == pytest.approx((by_hand.lift, by_hand.low))
    for row, (a, b, best) in zip(units, [expected.sum(axis=1), *expected.T], strict=True):
        assert (row["true_lift"], row["oracle_lift"]) == pytest.approx((b / a - 1, best / a - 1), rel=1e-4)


def test_a_day_that_is_taken_again_has_other_requests():
    """Judged days are taken in turn: the same calendar day twice is two days of the test."""
    world = world_of(users=300)
    twice = [requests for _, requests in arriving(world, [DAYS[0], DAYS[0]], 400, 0)]
    assert [len(one) for one in twice] == [200, 200]
    assert not set(twice[0].key_R.tolist()) & set(twice[1].key_R.tolist())
    assert not np.array_equal(twice[0].user_R, twice[1].user_R)


def test_a_user_stays_in_an_arm_whatever_the_requests_and_the_salt_moves_him():
    assert (in_b(1, 5000)[:100] == in_b(1, 100)).all()
    assert in_b(1, 100_000).mean() == pytest.approx(0.5, abs=0.005)
    assert (in_b(1, 100_000) == in_b(2, 100_000)).mean() == pytest.approx(0.5, abs=0.005)


def test_chunks_of_any_size_leave_the_same_behind_and_another_seed_does_not(monkeypatch):
    world, scorers = world_of(users=300), noisy(a=1.0, b=0.2)
    whole = online_test(world, scorers, ("a", "b"), DAYS[:2], 300)
    other = online_test(world, scorers, ("a", "b"), DAYS[:2], 300, seed=1)
    monkeypatch.setattr("hinet_core.lift.ab_test.online.CHUNK", 7)
    piecewise = online_test(world, scorers, ("a", "b"), DAYS[:2], 300)
    for name, values in vars(whole).items():
        np.testing.assert_allclose(getattr(piecewise, name), values, rtol=1e-6)
        assert not np.array_equal(getattr(other, name), values)


def test_what_carries_no_lift_says_why():
    world = world_of(users=300)
    test = online_test(world, noisy(a=1.0, b=0.2), ("a", "b"), DAYS[:2], 40)
    rows = online_rows(world, test, ("a", "b")).rows
    assert all(row["reason"].startswith("insufficient") for row in rows if row["status"] == "not_estimable")
    assert any(row["status"] == "not_estimable" for row in rows)
    with pytest.raises(NotEstimableError, match="two or more users"):
        days_of(online_test(world, noisy(a=1.0, b=0.2), ("a", "b"), DAYS[:2], 2), ("a", "b"))


@pytest.mark.slow
def test_intervals_hold_the_truth_of_the_loops():
    """240 tests on expected orders ranked once: users first, with replacement, then arms, then what they order."""
    world, scorers = world_of(candidates=12, slots=4), noisy(a=1.2, b=0.3)
    rng = np.random.default_rng(1)
    came_U, before_U, worth_AU, slow_A = np.zeros(1500), np.zeros(1500), np.zeros((2, 1500)), np.zeros(2)
    for _, requests in arriving(world, DAYS[:1], 2500, 0):
        truth = judged(world, requests)
        np.add.at(came_U, requests.user_R, 1.0)
        np.add.at(before_U, requests.user_R, slate(world, truth, truth.logger_RC).expected()["orders"])
        for arm, score_RC in enumerate(scorers(truth).values()):
            np.add.at(worth_AU[arm], requests.user_R, slate(world, truth, score_RC).expected()["orders"])
            for r in range(len(requests)):
                slots = slow.ranked(requests.item_RC[r].tolist(), score_RC[r].tolist(), 4)
                slow_A[arm] += slow.worth(world, requests, r, slots)
    true_lift = slow_A[1] / slow_A[0] - 1
    covered, naive = 0, 0
    for _ in range(240):
        chosen = rng.choice(np.flatnonzero(came_U), int((came_U > 0).sum()))
        arm = (rng.random(len(chosen)) < 0.5).astype(int)
        orders = rng.poisson(worth_AU[arm, chosen]).astype(float)
        before = rng.poisson(before_U[chosen]).astype(float)
        result = PerUser(("A", "B"), ("",), arm, came_U[chosen, None], orders[:, None], before[:, None], None)
        row = from_users(result, "A", "B", "", "orders_per_request")
        covered += row["low"] <= true_lift <= row["high"]
        middle, half = (row["low"] + row["high"]) / 2, (row["high"] - row["low"]) / 2
        naive += abs(true_lift - middle) <= 0.8 * half
    assert 0.92 <= covered / 240 <= 0.985
    assert naive / 240 < 0.92


def test_per_user_is_who_came(usual):
    world, test = usual
    users = per_user(world, test)
    assert users.requests_US.sum() == 6000
    assert (users.requests_US.sum(axis=1) > 0).all()
    assert (users.entry_U >= 0).all()
