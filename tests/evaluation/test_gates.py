"""Gate shares against brute force, dead experts that are planted, and SAN against a truth that is known."""

from itertools import permutations, product

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from hinet_core.contract import load_contract
from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec
from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.explain import against_truth, sample_of_users
from hinet_core.evaluation.gates import Means, gate_findings, read_gates, without_a_say
from hinet_core.evaluation.true_scenarios import rank_correlation, true_similarity
from hinet_core.models.hinet import Config, HiNet

SPEC = FeatureSpec(
    (FieldSpec("item", "id", 9),),
    (FieldSpec("price", "number"),),
    (),
    ("a", "b", "c"),
    ("click", "order"),
    after=(-1, 0),
)
SIZES = dict(embedding=3, sub_experts=2, sub_expert_widths=(6, 12), expert_widths=(6, 16), tower_widths=(3,))


def make_rows(n=200, seed=0, n_users=40) -> Dataset:
    g = torch.Generator().manual_seed(seed)
    zeros_N = torch.zeros(n, dtype=torch.int64)
    return Dataset(
        fields_NF=torch.randint(0, 9, (n, 1), generator=g),
        numbers_NK=torch.randn(n, 1, generator=g),
        scenario_N=torch.randint(0, 3, (n,), generator=g),
        position_N=zeros_N,
        labels_NT=torch.randint(0, 2, (n, 2), generator=g).float(),
        label_mask_NT=torch.ones(n, 2),
        user_N=torch.randint(0, n_users, (n,), generator=g),
        day_N=zeros_N,
    )


def small(**changes) -> HiNet:
    torch.manual_seed(0)
    model = HiNet(SPEC, Config(**(SIZES | changes)))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def values_of(findings, part, metric):
    return {
        (one.scenario_id, one.task, one.name): one.value for one in findings if (one.part, one.metric) == (part, metric)
    }


@pytest.mark.parametrize("heads", ["per_task", "per_scenario_task"])
def test_shares_are_the_means_of_the_gates_over_a_scenarios_rows(heads):
    model, data = small(heads=heads), make_rows()
    found = gate_findings(model, data, SPEC, seed=0, draws=20)
    seen = model.explain(data.batch(slice(None)))
    sei, cgc = (values_of(found, part, "share") for part in ("sei", "cgc"))
    assert (len(sei), len(cgc)) == (3 * 4 * 2, 3 * 2 * 4)
    of_b = data.scenario_N == 1
    for g, k in product(range(4), range(2)):
        mean = seen.sei_BGK[of_b, g, k].mean().item()
        assert sei["b", "", f"{('shared', 'a', 'b', 'c')[g]}/{k + 1}"] == pytest.approx(mean, rel=1e-5)
    for t, (r, name) in product(range(2), enumerate(("own/1", "own/2", "shared/1", "shared/2"))):
        assert cgc["b", SPEC.tasks[t], name] == pytest.approx(seen.cgc_BTR[of_b, t, r].mean().item(), rel=1e-5)
    weights = values_of(found, "san", "weight")
    assert weights["a", "", "c"] == pytest.approx(seen.san_SS[0, 2].item(), rel=1e-6)
    assert ("a", "", "a") not in weights


def test_an_interval_is_that_of_the_users_counted_as_each_draw_says():
    scenario_N, user_N = np.array([0, 1, 0, 0, 1, 0] * 20), np.repeat(np.arange(60), 2)
    value_N = np.random.default_rng(1).random(120)
    found = list(Means(scenario_N, user_N, 3, seed=5, draws=200).of(value_N))
    counts_UD = UserDraws(60, (5,), 200).counts(0).astype(float)
    for code, mean, interval, n in found[:2]:
        inside = scenario_N == code
        weight_ND = counts_UD[user_N[inside]]
        drawn_D = (weight_ND * value_N[inside, None]).sum(axis=0) / weight_ND.sum(axis=0)
        assert (mean, n) == (pytest.approx(value_N[inside].mean()), inside.sum())
        assert [interval.low, interval.high] == pytest.approx(np.quantile(drawn_D, [0.025, 0.975]))
    assert found[2][1:] == (None, found[2][2], 0)
    assert found[2][2].reason == "no rows"


def test_a_planted_dead_expert_and_a_starved_one_are_named_and_no_other():
    model, data = small(), make_rows()
    with torch.no_grad():
        # Row 3 is sub-expert 2 of scenario a; no ReLU of its last layer opens.
        model.scenario_layer.sei.experts.biases[-1][3] = -1e3
        # Entry 2 of task 0's gate is the first shared expert.
        model.heads.cgc.gate.bias[2] = -50.0
    silent = without_a_say(gate_findings(model, data, SPEC, seed=0, draws=20))
    assert {(one.part, one.task, one.name, one.metric) for one in silent} == {
        ("sei", "", "a/2", "largest_output"),
        ("cgc", "click", "shared/1", "rows_below_1_percent"),
    }
    assert [one.scenario_id for one in silent] == ["a", "b", "c"] * 2


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("heads", ["per_task", "per_scenario_task"])
def test_the_largest_outputs_of_a_row_are_of_the_experts_that_its_gates_weigh(heads, levels):
    """Setting one task's own experts to nothing shows in that task's entries of its scenario alone."""
    model, batch = small(heads=heads, levels=levels), make_rows(60).batch(slice(None))
    _, before_BTR = model.largest_outputs(batch)
    head = 2 * 1 + 1 if heads == "per_scenario_task" else 1  # task 1, of scenario b if there is a choice
    experts = model.heads.cgc.experts
    first = experts.biases[-1][2 * head : 2 * head + 2] if levels == 1 else experts[head].biases[-1]
    with torch.no_grad():
        first.fill_(-1e3)
    _, after_BTR = model.largest_outputs(batch)
    hit_B = batch.scenario_B == 1 if heads == "per_scenario_task" else torch.ones(60, dtype=torch.bool)
    assert not after_BTR[hit_B, 1, :2].any()
    before_BTR[hit_B, 1, :2] = 0
    torch.testing.assert_close(after_BTR, before_BTR)


@pytest.mark.parametrize(
    ("without", "parts"), [("hierarchy", ["cgc"]), ("san", ["sei", "cgc"]), ("sei", ["sei", "cgc"])]
)
def test_an_ablation_is_explained_by_what_it_has(without, parts):
    model, data = small(without=without), make_rows(60)
    san_SS, gates = read_gates(model, data, SPEC)
    assert [one.part for one in gates] == parts
    found = gate_findings(model, data, SPEC, seed=0, draws=20)
    assert bool(values_of(found, "san", "weight")) == (without == "sei")
    assert np.all(san_SS == 0) == (without != "sei")


def test_true_similarity_of_meishi_is_that_of_its_page():
    """lift: a and b share a factor and click alike at 0.70, a and d only what all share and the task, 0.50."""
    contract = load_contract("meishi")
    names = tuple(contract.world["scenarios"])
    truth_SS = true_similarity(contract, names)
    np.testing.assert_allclose(truth_SS, truth_SS.T)
    np.testing.assert_allclose(truth_SS.diagonal(), 1.0)
    assert truth_SS[0, 1] == pytest.approx(0.70, abs=0.005)
    assert truth_SS[0, 3] == pytest.approx(0.50, abs=0.005)
    swapped = true_similarity(contract, (names[3], names[0]))
    assert swapped[0, 1] == truth_SS[0, 3]


def test_rank_correlation_is_the_mean_of_spearmans_inside_the_rows():
    draw = np.random.default_rng(0)
    san_SS, truth_SS = draw.random((5, 5)), draw.random((5, 5)).round(1)
    others = [[j for j in range(5) if j != i] for i in range(5)]
    expected = np.mean([spearmanr(san_SS[i, js], truth_SS[i, js]).statistic for i, js in enumerate(others)])
    found = rank_correlation(san_SS, truth_SS)
    assert (found.value, found.n) == (pytest.approx(expected), 20)


def test_its_p_value_is_the_share_of_all_orders_that_reach_it():
    """Three scenarios of two others each: eight orders in all, of which one is the truth's."""
    truth_SS = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
    assert len(list(product(*[list(permutations(range(2)))] * 3))) == 8
    found = rank_correlation(truth_SS, truth_SS)
    assert found.value == pytest.approx(1.0)
    assert found.p == pytest.approx(1 / 8, abs=0.015)
    reversed_ = rank_correlation(-truth_SS, truth_SS)
    assert (reversed_.value, reversed_.p) == (pytest.approx(-1.0), 1.0)


def test_without_an_order_there_is_no_rank_correlation():
    assert rank_correlation(np.eye(2), np.eye(2)) is None
    assert rank_correlation(np.random.default_rng(0).random((4, 4)), np.full((4, 4), 0.5)) is None


def test_a_planted_attention_is_found_to_follow_the_truth():
    contract = load_contract("meishi")
    names = tuple(contract.world["scenarios"])
    spec = FeatureSpec((), (FieldSpec("price", "number"),), (), names, ("click", "order"))
    model = HiNet(spec, Config(scenario_embedding=6))
    with torch.no_grad():
        model.scenario_layer.san.embedding.weight.copy_(torch.eye(6))
        model.scenario_layer.san.gate.weight.copy_(torch.from_numpy(true_similarity(contract, names)))
    (found,) = against_truth(model, spec, contract)
    assert (found.value, found.n) == (pytest.approx(1.0), 30)
    assert found.reason.startswith("p = 0.0001 by 30 pairs")


def test_a_sample_keeps_all_rows_of_its_users():
    data = make_rows(n=400, n_users=40)
    kept = sample_of_users(data, 100, seed=3)
    users, counts = np.unique(data.user_N, return_counts=True)
    mine, my_counts = np.unique(kept.user_N, return_counts=True)
    assert dict(zip(mine, my_counts, strict=True)).items() <= dict(zip(users, counts, strict=True)).items()
    assert 80 <= len(kept) <= 100
    assert len(sample_of_users(data, 1, seed=3).user_N.unique()) == 1
    assert sample_of_users(data, 400, seed=3) is data
