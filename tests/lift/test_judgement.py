"""Rankers with a known answer, judged in a small world."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from hinet_core.contract import Contract, load_contract
from hinet_core.lift.judgement import Judgement, judge
from hinet_core.lift.policies import judged
from hinet_core.lift.run import lift_rows
from hinet_core.world.load import load

DAYS = [date(2025, 3, 21), date(2025, 3, 22)]
SMALL = {"users": 2000, "items": 300, "calibration_requests": 1000}


def small(**settings: Any) -> Contract:
    contract = load_contract("meishi")
    return contract.model_copy(update={"world": {**contract.world, **SMALL, **settings}})


def noisy_truth(contract: Contract, n: int, seed: int = 0, **sigmas: float) -> Judgement:
    """Judge rankers that know log(p) up to noise of the given size, each with noise of its own."""
    world = load(contract)

    def rankers(candidates, day):
        truth = judged(world, world.requests(day, -(-n // len(DAYS)), seed))
        log_worth = np.log(truth.worth_RC).ravel()
        scores = {}
        for code, (name, sigma) in enumerate(sigmas.items()):
            noise = np.random.default_rng([seed, day.toordinal(), code]).standard_normal(log_worth.size)
            scores[name] = noise if np.isinf(sigma) else log_worth + sigma * noise
        return scores

    return judge(world, contract, DAYS, n, seed, rankers)


def rows_of(contract: Contract, judgement: Judgement) -> list[dict[str, Any]]:
    return lift_rows(contract, DAYS[0], load(contract), judgement)


def test_noise_costs_orders_and_none_is_the_oracle():
    contract = small()
    sigmas = {"none": 0.0, "little": 0.4, "some": 0.8, "much": 1.6, "only": np.inf}
    value = noisy_truth(contract, 300, **sigmas).value_R
    means = [value[name].mean() for name in sigmas]
    assert means == sorted(means, reverse=True)
    assert (value["none"] == value["oracle"]).all()
    assert means[-1] == pytest.approx(value["random"].mean(), rel=0.1)
    for name in sigmas:
        assert (value[name] <= value["oracle"] + 1e-12).all()


def test_rows_have_unique_keys_references_and_a_pooled_row_by_traffic():
    contract = small()
    judgement = noisy_truth(contract, 200, shared_bottom=1.0, hinet=0.5)
    rows = rows_of(contract, judgement)
    assert [row["scope"] for row in rows] == ["pooled"] + ["scenario"] * 6
    assert len({(row["scope"], row["scenario_id"]) for row in rows}) == 7
    shares = [one["share"] for one in contract.world["scenarios"].values()]
    pooled, rest = rows[0], rows[1:]
    for name in ("value_a", "value_b"):
        assert pooled[name] == pytest.approx(np.dot(shares, [row[name] for row in rest]))
    assert pooled["lift"] == pytest.approx(pooled["value_b"] / pooled["value_a"] - 1)
    for row in rows:
        assert row["random_lift"] < row["logger_lift"] < row["oracle_lift"]
        assert 0 < row["lift"] < row["oracle_lift"]
        assert row["low"] < row["lift"] < row["high"]
        assert row["orders_b"] == pytest.approx(row["value_b"] * row["n_requests"])
        assert row["p_bh"] >= row["p_raw"]
    assert pooled["n_requests"] == 1200


def test_requests_of_a_judgement_are_those_of_its_seed_and_no_fewer_than_asked_for():
    contract, asked = small(), []
    world = load(contract)

    def rankers(candidates, day):
        asked.append(candidates["user_id"].to_numpy())
        return {"shared_bottom": np.zeros(len(candidates))}

    found = [judge(world, contract, DAYS, 3, seed, rankers) for seed in (0, 1)]
    assert all(np.bincount(one.scenario_R).tolist() == [4] * 6 for one in found)
    assert not np.array_equal(found[0].user_R, found[1].user_R)
    # What was ranked is what was judged: 50 candidates of each request.
    assert np.array_equal(np.concatenate(asked[:2])[::50] - 1, found[0].user_R)


def test_a_planted_harm_is_found():
    contract = small()
    world = load(contract)

    def rankers(candidates, day):
        worth = judged(world, world.requests(day, 50, 0)).worth_RC.ravel()
        return {"shared_bottom": worth, "hinet": -worth}

    for row in rows_of(contract, judge(world, contract, DAYS, 100, 0, rankers)):
        assert row["lift"] < -0.5
        assert row["high"] < 0
        assert row["p_bh"] < 0.001


def test_one_model_against_itself_is_exactly_zero():
    contract = small()
    judgement = noisy_truth(contract, 60, shared_bottom=1.0)
    same = Judgement(
        judgement.scenario_R,
        judgement.user_R,
        {**judgement.value_R, "hinet": judgement.value_R["shared_bottom"]},
    )
    for row in rows_of(contract, same):
        assert (row["lift"], row["low"], row["high"], row["p_raw"]) == (0.0, 0.0, 0.0, 1.0)


def test_swapping_the_models_inverts_every_row():
    contract = small()
    judgement = noisy_truth(contract, 60, shared_bottom=1.0, hinet=0.5)
    lift = contract.lift.model_copy(update={"baseline": "hinet", "challenger": "shared_bottom"})
    swapped = rows_of(contract.model_copy(update={"lift": lift}), judgement)
    for row, other in zip(rows_of(contract, judgement), swapped, strict=True):
        assert other["lift"] == pytest.approx(1 / (1 + row["lift"]) - 1, abs=1e-12)


def test_the_same_inputs_give_the_same_rows_and_another_seed_or_world_gives_others():
    def rows(seed: int = 0, **settings: Any) -> list[dict[str, Any]]:
        contract = small(**settings)
        return rows_of(contract, noisy_truth(contract, 60, seed, shared_bottom=1.0, hinet=0.5))

    first = rows()
    assert first == rows()
    for other in (rows(seed=1), rows(**{"seed": 2})):
        assert all(a["lift"] != b["lift"] for a, b in zip(first, other, strict=True))


def test_a_scenario_whose_requests_come_from_one_user_is_refused_alone():
    contract = small()
    judgement = noisy_truth(contract, 60, shared_bottom=1.0, hinet=0.5)
    user = np.where(judgement.scenario_R == 3, 7, judgement.user_R)
    rows = rows_of(contract, Judgement(judgement.scenario_R, user, judgement.value_R))
    refused = [row for row in rows if row["status"] == "not_estimable"]
    assert [row["scenario_id"] for row in refused] == ["deals"]
    assert "one user" in refused[0]["reason"]
    assert all(row["p_bh"] is not None for row in rows if row["status"] == "estimated")


@pytest.mark.slow
def test_intervals_cover_the_lift_of_many_requests():
    """240 judgements of 40 requests a scenario against one of 8,000, with users that seldom come twice."""
    contract = small(users=100_000)
    truth = {row["scenario_id"]: row["lift"] for row in rows_of(contract, fixed_rankers(contract, 8000, 10_000))}
    covered = dict.fromkeys(truth, 0)
    for seed in range(240):
        for row in rows_of(contract, fixed_rankers(contract, 40, seed)):
            covered[row["scenario_id"]] += row["low"] <= truth[row["scenario_id"]] <= row["high"]
    share = {name: count / 240 for name, count in covered.items()}
    assert 0.91 <= share[""] <= 0.99, share
    assert min(share.values()) >= 0.88, share


def fixed_rankers(contract: Contract, n: int, seed: int) -> Judgement:
    """Two rankers that are fixed functions of what the log shows: quality alone, and quality with distance."""
    world = load(contract)

    def rankers(candidates, day):
        quality, distance = candidates["quality"].to_numpy(), candidates["distance_km"].to_numpy()
        return {"shared_bottom": quality, "hinet": quality - 0.3 * distance}

    return judge(world, contract, DAYS, n, seed, rankers)
