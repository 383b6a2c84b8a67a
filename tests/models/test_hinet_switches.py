"""HiNet's switches, its ablations and the fewest inputs it can have. Their arithmetic is tested in test_hinet.py."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from model_rows import make_rows, make_spec
from test_hinet import SIZES, everything, small

from hinet_core import models
from hinet_core.dataset import FeatureSpec, FieldSpec
from hinet_core.models.hinet import PRESETS, Config, HiNet
from hinet_core.models.parts.scenario_layer import ScenarioAwareAttention, n_parameters, single_widths
from hinet_core.training.losses import masked_bce


def n_trained(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def authors_model(d: int = 10) -> HiNet:
    """The log of the authors' code: d raw numbers, six scenarios, clicks and orders, no slot."""
    numbers = tuple(FieldSpec(f"n{i}", "number") for i in range(d))
    return models.build("hinet", FeatureSpec((), numbers, (), tuple("abcdef"), ("click", "order")), "authors")


def test_the_authors_preset_has_the_modules_of_their_code():
    """Their sizes: 645 d + 41,925 per SEI, 16,653 in SAN's gate, 26 CGC experts, 12 gates and 12 towers."""
    d, model = 10, authors_model(10)
    assert n_trained(model.scenario_layer.sei) == 7 * (645 * d + 41_925)
    assert n_trained(model.scenario_layer.san.gate) == 16_653
    assert n_trained(model.heads.cgc.experts) == 26 * 32_960
    assert n_trained(model.heads.cgc.gate) == 12 * 772
    assert n_trained(model.heads.towers) == 12 * 16_641
    assert n_trained(model.input) == 2 * d
    assert n_trained(model) == 1_421_598


def test_the_deep_attention_gate_passes_everything_through_one_unit():
    san = ScenarioAwareAttention(4, 8, "zero_after", "mlp")
    torch.manual_seed(0)
    for parameter in san.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    *before, last, relu = san.gate
    unit_S1 = torch.nn.Sequential(*before)(san.embedding.weight)
    assert unit_S1.shape == (4, 1) and (unit_S1 >= 0).all()
    torch.testing.assert_close(san(), relu(last(unit_S1)).softmax(dim=1) * (1 - torch.eye(4)))


def test_where_the_one_unit_is_dead_all_scenarios_share_one_attention_and_learn_none():
    san = ScenarioAwareAttention(3, 8, "zero_after", "mlp")
    torch.nn.init.constant_(san.gate[4].bias, -1e3)
    san_SS = san()
    assert san_SS[0, 2] == san_SS[1, 2] and san_SS[0, 1] == san_SS[2, 1] and san_SS[1, 0] == san_SS[2, 0]
    san_SS.square().sum().backward()
    assert not san.embedding.weight.grad.any()


def test_an_even_start_gives_every_other_scenario_nearly_the_same_weight_and_all_can_learn():
    torch.manual_seed(1)
    random = ScenarioAwareAttention(6, 64, "exclude")
    assert (random().detach()[~random.own_SS] - 0.2).abs().max() > 0.1
    even = ScenarioAwareAttention(6, 64, "exclude", start="even")
    san_SS = even()
    assert (san_SS[~even.own_SS] - 0.2).abs().max() < 0.04
    (san_SS * torch.rand(6, 6)).sum().backward()
    assert all(parameter.grad.any() for parameter in even.parameters())


def test_two_scenarios_attend_to_each_other_fully_and_the_gate_learns_nothing():
    spec = make_spec(2)
    model, batch = small(spec), everything(make_rows(spec, 40))
    masked_bce(model(batch), batch.labels_BT, batch.label_mask_BT).mean().backward()
    san = model.scenario_layer.san
    assert san().tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert not any(parameter.grad.any() for parameter in san.parameters())


def test_with_zero_after_the_gate_of_two_scenarios_learns():
    spec = make_spec(2)
    model, batch = small(spec, san_norm="zero_after"), everything(make_rows(spec, 40))
    masked_bce(model(batch), batch.labels_BT, batch.label_mask_BT).mean().backward()
    assert all(parameter.grad.any() for parameter in model.scenario_layer.san.parameters())


def test_one_scenario_attends_to_nobody_and_has_no_attention_parameters():
    spec = make_spec(1)
    model, batch = small(spec), everything(make_rows(spec, 20))
    assert n_trained(model.scenario_layer.san) == 0
    h = SIZES["sub_expert_widths"][-1]
    scenario_BC, _, _ = model.scenario_layer(model.fields(batch), batch.scenario_B)
    assert scenario_BC.shape == (20, 3 * h) and not scenario_BC[:, 2 * h :].any()


@pytest.mark.parametrize("kept", ["fields", "numbers", "lists"])
@pytest.mark.parametrize("without", ["nothing", "hierarchy", "san", "sei"])
def test_ids_or_numbers_or_lists_alone_are_enough(kept, without):
    spec = replace(make_spec(), **{kind: () for kind in ("fields", "numbers", "lists") if kind != kept})
    model, rows = small(spec, without=without, tower_widths=(16,)), make_rows(spec, 100)
    batch = everything(rows)
    masked_bce(model(batch), batch.labels_BT, batch.label_mask_BT).mean().backward()
    used = [name for name, p in model.named_parameters() if p.numel()]
    assert [name for name in used if not model.get_parameter(name).grad.any()] == []
    fewer = rows.batch(slice(3, 4))
    torch.testing.assert_close(model(fewer), model(batch)[3:4], rtol=1e-4, atol=1e-5)


def flat(model, rows):
    """What the gates of all heads make of x."""
    return model.heads.cgc(model.fields(everything(rows)))[0]


def test_without_hierarchy_is_a_flat_cgc_on_x_with_a_head_per_scenario_and_task():
    spec = make_spec(3)
    model, rows = small(spec, without="hierarchy"), make_rows(spec, 30)
    assert not any(name.startswith("scenario_layer") for name, _ in model.named_parameters())
    assert len(model.heads.towers) == 6
    assert model.heads.cgc.experts.weights[0].shape[:2] == (6 * 2 + 1, model.fields.width)
    logits_BH = torch.cat([tower(h) for tower, h in zip(model.heads.towers, flat(model, rows), strict=True)], dim=1)
    picked_BT = logits_BH.unflatten(1, (3, 2))[torch.arange(30), rows.scenario_N]
    expected = picked_BT + model.position(rows.scenario_N, rows.position_N)
    torch.testing.assert_close(model(everything(rows)), expected)


def test_without_san_no_scenario_reaches_the_experts_of_another():
    spec = make_spec(3)
    model, rows = small(spec, without="san"), make_rows(spec, 60)
    model(rows.batch(torch.nonzero(rows.scenario_N == 1).flatten())).sum().backward()
    gradients = model.scenario_layer.sei.experts.weights[0].grad.split(SIZES["sub_experts"])
    assert [bool(grad.any()) for grad in gradients] == [True, False, True, False]
    assert model.scenario_layer.width == 2 * SIZES["sub_expert_widths"][-1]


@pytest.mark.parametrize("d", [10, 100, 320])
@pytest.mark.parametrize(("k", "widths"), [(2, (64, 32)), (5, (128, 64)), (3, (64,)), (4, (64, 48, 32)), (1, (64, 32))])
def test_without_sei_each_group_is_one_network_of_as_many_parameters(d, k, widths):
    def network(*sizes):
        return sum(a * b + b for a, b in pairwise(sizes))

    gate = k * (d + 1) if k > 1 else 0
    wanted, found = k * network(d, *widths) + gate, network(d, *single_widths(d, k, widths))
    assert single_widths(d, k, widths)[-1] == widths[-1]
    assert abs(found / wanted - 1) < 0.02
    assert n_parameters(d, widths) == network(d, *widths)


def test_without_sei_the_whole_model_has_as_many_parameters():
    spec = make_spec(6)
    with_sei, without = (n_trained(models.build("hinet", spec, "paper", without=part)) for part in ("nothing", "sei"))
    assert abs(without / with_sei - 1) < 0.02


@pytest.mark.parametrize("part", ["hierarchy", "san", "sei"])
def test_an_ablation_is_a_preset_and_a_setting_of_any_preset(part):
    spec = make_spec()
    named = models.build("hinet", spec, f"without_{part}", seed=1)
    asked = models.build("hinet", spec, without=part, seed=1)
    assert named.config == asked.config == replace(PRESETS["quick"], without=part)
    batch = everything(make_rows(spec, 9))
    assert torch.equal(named.eval()(batch), asked.eval()(batch))
    seen = named.explain(batch)
    assert seen.san_SS.shape == (3, 3) and seen.cgc_BTR.shape == (9, 2, 4)


def test_the_product_puts_no_order_above_its_click():
    spec = make_spec(n_tasks=3)
    model, rows = small(spec, funnel="product"), make_rows(spec, 200)
    chance = model(everything(rows)).sigmoid().detach().numpy()
    assert (chance[:, 1:] <= chance[:, :1]).all()
    direct = small(spec)(everything(rows)).sigmoid().detach().numpy()
    np.testing.assert_allclose(chance[:, 1], direct[:, 0] * direct[:, 1], rtol=1e-4)


def test_the_product_needs_a_known_funnel():
    with pytest.raises(ValueError, match="does not say which task follows which"):
        HiNet(replace(make_spec(), after=()), Config(funnel="product"))


@pytest.mark.parametrize(
    ("setting", "moved"),
    [("input_dropout", [True, True, True]), ("dropout", [False, True, True]), ("task_dropout", [False, False, True])],
)
def test_each_dropout_acts_where_it_says(setting, moved):
    """SEI's gates read x, the CGC's what the sub-experts gave, and the towers what its experts gave."""
    spec = make_spec()
    model, batch = small(spec, **{setting: 0.5}).train(), everything(make_rows(spec, 40))
    seen = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        seen.append(model.explain(batch))
    first, second = ([one.sei_BGK, one.cgc_BTR, one.logits_BT] for one in seen)
    assert [not torch.equal(a, b) for a, b in zip(first, second, strict=True)] == moved


@pytest.mark.parametrize(
    ("switch", "allowed"),
    [
        ("heads", "expected one of per_task, per_scenario_task"),
        ("san_norm", "expected one of exclude, zero_after"),
        ("san_gate", "expected one of linear, mlp"),
        ("san_start", "expected one of random, even"),
        ("input_norm", "expected one of none, scale, layer"),
        ("sub_expert_output", "expected one of relu, linear"),
        ("funnel", "expected one of direct, product"),
        ("without", "expected one of nothing, hierarchy, san, sei"),
        ("lower_reads", "expected one of own, all"),
    ],
)
def test_a_switch_is_checked(switch, allowed):
    with pytest.raises(ValueError, match=f"{switch} is 'typo', {allowed}"):
        Config(**{switch: "typo"})
