"""Guardrails of two rankings: by hand, planted harm, identical rankings, and a jackknife that knows its spread."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from scipy.special import logit

from hinet_core.contract import load_contract
from hinet_core.lift.ab_test.guardrail_rows import calibration, coverage, guardrail_rows, ratio
from hinet_core.lift.ab_test.paired_rows import scope
from hinet_core.lift.ab_test.replay import head_shops, replay
from hinet_core.lift.calibration.rankings import noisy
from hinet_core.world.load import load
from hinet_core.world.slates import top_slots

DAYS = [date(2025, 3, 21)]
SMALL = {"users": 2000, "items": 300, "calibration_requests": 1000}


def world_of(**settings: Any):
    contract = load_contract("meishi")
    return load(contract.model_copy(update={"world": {**contract.world, **SMALL, **settings}}))


def pooled(world, scorers, probable=(), n=200) -> dict[str, dict[str, Any]]:
    rows = guardrail_rows(world, replay(world, scorers, ("a", "b"), DAYS, n), ("a", "b"), probable)
    return {row["metric"]: row for row in rows if row["scope"] == "pooled"}


def test_identical_rankings_hold_every_margin_exactly():
    same = lambda truth: dict.fromkeys("ab", logit(truth.worth_RC))  # noqa: E731
    for row in pooled(world_of(), same, ("a", "b")).values():
        assert (row["lift"], row["worst"], row["verdict"], row["p_raw"]) == (0.0, 0.0, "holds", 0.0)


def test_values_by_hand():
    world = world_of()
    found = pooled(world, noisy(a=0.0, b=1.0), n=50)
    requests = world.requests(DAYS[0], 50)
    click, order = world.probabilities(requests)
    top = top_slots(click * order, requests.item_RC, 10)
    item = np.take_along_axis(requests.item_RC, top, axis=1)
    weight = world.shares_S[requests.scenario_R] / 50
    theta = world.theta_SN[requests.scenario_R]
    seen = (theta * np.take_along_axis(click, top, axis=1)).mean(axis=1)
    expected = {
        "ctr": seen @ weight,
        "price": np.exp(world.items.price_I)[item].mean(axis=1) @ weight,
        "head_share": (item < 30).mean(axis=1) @ weight,
        "shop_coverage": len(np.unique(item)) / 300,
    }
    for metric, value in expected.items():
        assert found[metric]["value_a"] == pytest.approx(value, rel=1e-5)
    assert head_shops(world).sum() == 30
    assert found["calibration"]["reason"] == "the scores of b are no probabilities"


def test_planted_harm_breaks_its_guardrail_and_no_harm_holds():
    """B prefers dear shops and popular ones, promises half as much again; the other way round it holds."""
    world = world_of()
    price, head = world.items.price_I, head_shops(world)

    def scorers(truth):
        item = truth.requests.item_RC
        harm = 3.0 * price[item] + 5.0 * head[item]
        return {"good": logit(truth.worth_RC), "harm": logit(truth.worth_RC) + harm}

    def between(a, b):
        return pooled(world, lambda truth: dict(zip("ab", (scorers(truth)[one] for one in (a, b)), strict=True)), "ab")

    worse, better = between("good", "harm"), between("harm", "good")
    for metric in ("ctr", "price", "head_share", "shop_coverage", "calibration"):
        assert (worse[metric]["verdict"], better[metric]["verdict"]) == ("broken", "holds"), metric
        assert worse[metric]["p_raw"] > 0.99
        assert better[metric]["p_raw"] < 0.01


def test_calibration_is_promised_over_expected_and_a_baseline_without_probabilities_is_calibrated():
    world = world_of()

    def scorers(truth):
        return {"a": logit(truth.worth_RC), "b": logit(truth.worth_RC * 0.5)}

    both = pooled(world, scorers, "ab")["calibration"]
    assert (both["value_a"], both["value_b"]) == pytest.approx((1.0, 0.5), rel=1e-6)
    assert both["lift"] == pytest.approx(1.0, rel=1e-6)
    assert both["verdict"] == "broken"
    alone = pooled(world, scorers, "b")["calibration"]
    assert (alone["value_a"], alone["value_b"]) == pytest.approx((1.0, 0.5), rel=1e-6)


def test_a_ranking_without_head_shops_says_whose_share_is_zero():
    world = world_of()
    head = head_shops(world)

    def scorers(truth):
        return {"a": truth.worth_RC - head[truth.requests.item_RC], "b": truth.worth_RC + head[truth.requests.item_RC]}

    assert pooled(world, scorers, n=2)["head_share"]["reason"] == "the baseline's head_share is 0"
    swapped = lambda truth: dict(zip("ba", scorers(truth).values(), strict=True))  # noqa: E731
    assert pooled(world, swapped, n=2)["head_share"]["reason"] == "the challenger's head_share is 0"


def without_each_user(found, value) -> float:
    """Standard error of a logarithm: every user left out once."""
    users = np.unique(found.user_R)
    logs = np.array([value(found.user_R != user) for user in users])
    return np.sqrt((len(users) - 1) / len(users) * np.square(logs - logs.mean()).sum())


@pytest.mark.parametrize("factor", [0.5, 1.8])
def test_spreads_of_ratios_and_of_calibration_are_those_of_the_jackknife_over_users(factor):
    world, n_users = world_of(users=150), 150

    def scorers(truth):
        # Promises off by a factor of their own, B's also for popular shops.
        drawn = noisy(a=0.5, b=1.5)(truth)
        off = {name: one - np.log(truth.worth_RC) for name, one in drawn.items()}
        liked = np.exp(2.0 * head_shops(world)[truth.requests.item_RC])
        odds = {"a": 0.5 * np.exp(0.4 * off["a"]), "b": factor * liked * np.exp(0.4 * off["b"])}
        odds = {name: np.minimum(truth.worth_RC * one, 0.9) for name, one in odds.items()}
        return {name: logit(one) for name, one in odds.items()}

    found = replay(world, scorers, ("a", "b"), DAYS, 60)
    mine, weight = scope(world, found, "")
    assert len(np.unique(found.user_R)) > 0.5 * n_users
    sums = lambda values, keep: (weight * values)[keep].sum()  # noqa: E731

    def log_ratio(keep):
        return np.log(sums(found.seen[1]["head"], keep) / sums(found.seen[0]["head"], keep))

    def log_far(keep, arms=(0, 1)):
        a, b = (
            abs(np.log(sums(found.seen[arm]["promised"], keep) / sums(found.expected[arm]["orders"], keep)))
            for arm in (0, 1)
        )
        return b - a if arms == (0, 1) else b

    effect = ratio(world, found, "head_share", mine, weight)[1]
    assert effect.lift > 0.3
    assert effect.log_se == pytest.approx(without_each_user(found, log_ratio), rel=0.05)
    for both, arms in ((True, (0, 1)), (False, (1,))):
        effect = calibration(found, mine, weight, both)[1]
        expected = without_each_user(found, lambda keep, arms=arms: log_far(keep, arms))
        assert effect.log_se == pytest.approx(expected, rel=0.05)
        assert np.log1p(effect.lift) == pytest.approx(log_far(mine, arms))


def test_all_that_a_user_was_shown_is_in_one_group():
    found = replay(world_of(users=60), noisy(a=0.5, b=2.0), ("a", "b"), DAYS, 40)
    slates = np.bincount(found.user_R % 20, minlength=20)
    assert found.shown_AGI.sum(axis=2).tolist() == [(10 * slates).tolist()] * 2


def test_the_jackknife_of_coverage_is_about_the_spread_over_other_requests():
    world, found = world_of(items=1500, users=20_000), []
    for seed in range(24):
        shown = replay(world, noisy(a=0.5, b=2.0), ("a", "b"), DAYS, 25, seed=seed).shown_AGI
        found.append(coverage(shown)[1])
    spread = np.std([np.log1p(one.lift) for one in found], ddof=1)
    assert 0.65 < np.mean([one.log_se for one in found]) / spread < 1.6
