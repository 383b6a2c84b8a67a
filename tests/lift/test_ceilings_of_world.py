"""Ceilings: AUC without labels against brute force and drawn labels, dose and response, what cannot be a constant."""

from datetime import date

import numpy as np
import pytest
from small_world import small_contract

from hinet_core.lift.ceilings import attainable_share, ceilings_of, expected_auc
from hinet_core.lift.expected import ratio_lift
from hinet_core.lift.policies import by_score, judged, logger, oracle, random
from hinet_core.quality.auc import grouped_auc
from hinet_core.world.load import load
from hinet_core.world.posterior import known_chances

MONDAY = date(2025, 3, 3)


def brute_force(score_N, chance_N) -> float:
    """Every pair, those of a row with itself as one half."""
    right = (score_N[:, None] > score_N[None]) + 0.5 * (score_N[:, None] == score_N[None])
    weight = chance_N[:, None] * (1 - chance_N[None])
    return float((weight * right).sum() / (chance_N.sum() * (1 - chance_N).sum()))


@pytest.mark.parametrize("digits", [1, 12])
def test_the_expected_auc_is_the_sum_over_all_pairs_with_and_without_ties(digits):
    rng = np.random.default_rng(digits)
    score, chance = np.round(rng.normal(size=400), digits), rng.beta(1, 8, 400)
    assert expected_auc(score, chance) == pytest.approx(brute_force(score, chance), abs=1e-12)
    assert expected_auc(np.zeros(400), chance) == pytest.approx(0.5)
    # By hand: p = (.8, .2), ranked rightly: (.8 * .8 + (.8 * .2 + .2 * .8) / 2) / (1 * 1)
    assert expected_auc(np.array([2.0, 1.0]), np.array([0.8, 0.2])) == pytest.approx(0.8)


def test_the_expected_auc_is_the_mean_auc_of_drawn_labels_and_nothing_is_above_the_truth():
    rng = np.random.default_rng(0)
    chance = rng.beta(1, 8, 3000)
    draws = []
    for _ in range(300):
        label = (rng.random(3000) < chance).astype(float)
        draws.append(grouped_auc(chance, label, 1 - label))
    ceiling = expected_auc(chance, chance)
    # A drawn label never makes a pair with itself, which counts one half here: less than 1 / n of all pairs.
    assert np.mean(draws) == pytest.approx(ceiling, abs=3 * np.std(draws) / np.sqrt(300) + 1 / 3000)
    noisy = [expected_auc(np.log(chance) + noise * rng.normal(size=3000), chance) for noise in (0.2, 0.5, 1, 2)]
    assert [ceiling, *noisy] == sorted([ceiling, *noisy], reverse=True)


@pytest.mark.parametrize(
    ("score", "chance", "message"),
    [
        ([np.nan, 1.0], [0.1, 0.2], "without NaN, found 1"),
        ([1.0, 2.0], [0.1, 1.2], "chances from 0 to 1"),
        ([1.0, 2.0], [np.nan, 0.2], "chances from 0 to 1"),
        ([1.0, 2.0], [0.0, 0.0], "one kind only"),
        ([1.0], [0.1, 0.2], "a score per chance"),
    ],
)
def test_what_has_no_auc_is_refused(score, chance, message):
    with pytest.raises(ValueError, match=message):
        expected_auc(np.array(score), np.array(chance))


def test_the_share_of_the_attainable_gap():
    assert attainable_share(0.7, 0.75) == pytest.approx(0.8)
    assert attainable_share(0.5, 0.75) == 0
    with pytest.raises(ValueError, match="ceiling above 0.5"):
        attainable_share(0.7, 0.5)


def test_what_is_known_is_between_chance_and_the_truth_and_lifts_are_in_order():
    contract = small_contract(users=4000)
    found = ceilings_of(load(contract), MONDAY, 100)
    assert [one.scenario for one in found] == [*contract.world["scenarios"], "pooled"]
    for one in found:
        for latent, feature in zip(one.latent_auc_T, one.feature_auc_T, strict=True):
            assert 0.5 < feature < latent < 1
        assert one.lifts["random"] < 0 == one.lifts["logger"] < one.lifts["oracle"]


def test_ceilings_are_those_of_all_pairs_of_shown_rows_and_pooled_lifts_are_by_traffic():
    contract = small_contract(users=500)
    world = load(contract)
    found = {one.scenario: one for one in ceilings_of(world, MONDAY, 12, seed=3)}
    requests = world.requests(MONDAY, 12, seed=3)
    click, order = world.probabilities(requests)
    logged = np.argsort(-world.logger_score(requests), axis=1)[:, :10]
    row_N, item_N = np.repeat(np.arange(72), 10), np.take_along_axis(requests.item_RC, logged, axis=1).ravel()
    decays = [one["position_decay"] for one in contract.world["scenarios"].values()]
    looked = np.arange(1, 11) ** -np.array(decays)[:, None]
    look_N = looked[requests.scenario_R].ravel()
    known_N2 = look_N[:, None] * known_chances(world, requests, row_N, item_N)
    click_N = look_N * np.take_along_axis(click, logged, axis=1).ravel()
    true_N2 = np.stack([click_N, click_N * np.take_along_axis(order, logged, axis=1).ravel()], axis=1)
    value = {
        "logger": true_N2[:, 1].reshape(72, 10).sum(axis=1),
        "oracle": (-np.sort(-click * order, axis=1)[:, :10] * looked[requests.scenario_R]).sum(axis=1),
    }
    for code, name in enumerate([*world.scenario_ids, "pooled"]):
        mine_R = (requests.scenario_R == code) | (name == "pooled")
        mine_N = mine_R[row_N]
        for task in (0, 1):
            chance = true_N2[mine_N, task]
            assert found[name].latent_auc_T[task] == pytest.approx(brute_force(chance, chance), abs=1e-9)
            feature = brute_force(known_N2[mine_N, task], chance)
            assert found[name].feature_auc_T[task] == pytest.approx(feature, abs=1e-9)
        weight = world.shares_S[requests.scenario_R[mine_R]]
        worth = {one: weight @ values[mine_R] for one, values in value.items()}
        assert found[name].lifts["oracle"] == pytest.approx(worth["oracle"] / worth["logger"] - 1)


def test_the_lift_falls_with_every_dose_of_noise_and_without_noise_it_is_the_oracles():
    world = load(small_contract())
    truth, rng = judged(world, world.requests(MONDAY, 400)), np.random.default_rng(1)
    noise_RC = rng.normal(size=truth.worth_RC.shape)
    value = [by_score(truth, np.log(truth.worth_RC) + dose * noise_RC) for dose in (0, 0.4, 0.8, 1.6)]
    value.append(by_score(truth, noise_RC))
    baseline = logger(truth).sum()
    lifts = [one.sum() / baseline - 1 for one in value]
    assert (np.diff(lifts) < 0).all()
    assert np.array_equal(value[0], oracle(truth))
    assert value[-1].sum() == pytest.approx(random(truth).sum(), rel=0.03)


def test_another_world_has_other_ceilings_and_swapping_the_policies_inverts_the_lift():
    worlds = [load(small_contract(seed=seed)) for seed in (1, 2)]
    one, two = (ceilings_of(world, MONDAY, 40) for world in worlds)
    for first, second in zip(one, two, strict=True):
        assert first.lifts["oracle"] != second.lifts["oracle"]
        assert first.lifts["random"] != second.lifts["random"]
        assert first.feature_auc_T != second.feature_auc_T
    requests = worlds[0].requests(MONDAY, 50)
    truth = judged(worlds[0], requests)
    forward = ratio_lift(logger(truth), oracle(truth), requests.user_R).lift
    back = ratio_lift(oracle(truth), logger(truth), requests.user_R).lift
    assert back == pytest.approx(1 / (1 + forward) - 1, abs=1e-9)
    assert ratio_lift(logger(truth), logger(truth), requests.user_R).lift == 0.0
