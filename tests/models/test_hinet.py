"""HiNet against its formulas: a row-by-row NumPy forward, and the properties the architecture promises."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from model_rows import make_rows, make_spec
from numpy_hinet import logits as slow_logits

from hinet_core.dataset import Batch, FeatureSpec, FieldSpec
from hinet_core.models.hinet import Config, HiNet
from hinet_core.models.parts.scenario_layer import ScenarioAwareAttention

SIZES = dict(
    embedding=3,
    scenario_embedding=4,
    sub_experts=3,
    sub_expert_widths=(6, 5),
    own_experts=2,
    shared_experts=1,
    expert_widths=(7, 4),
    tower_widths=(3,),
)


def small(spec, seed=0, **changes) -> HiNet:
    """Random weights everywhere, also where training starts at zero."""
    torch.manual_seed(seed)
    model = HiNet(spec, Config(**(SIZES | changes)))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def everything(rows) -> Batch:
    return rows.batch(slice(None))


@pytest.mark.parametrize("n_scenarios", [1, 2, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"san_norm": "zero_after", "scenario_in_x": True, "heads": "per_scenario_task", "input_norm": "scale"},
        {"sub_expert_widths": (5,), "tower_widths": (), "sub_expert_output": "linear", "input_norm": "layer"},
        {"san_gate": "mlp", "levels": 2, "sub_experts": 1},
        {"levels": 3, "lower_reads": "all", "heads": "per_scenario_task", "funnel": "product"},
        {"without": "hierarchy", "levels": 2},
        {"without": "san", "sub_expert_output": "linear"},
        {"without": "sei", "funnel": "product"},
    ],
    ids=["default", "switched", "one layer", "deep gate", "stacked", "no hierarchy", "no san", "no sei"],
)
def test_forward_is_that_of_the_slow_reference(n_scenarios, changes):
    spec = make_spec(n_scenarios, n_tasks=3)
    model, rows = small(spec, **changes), make_rows(spec, 12)
    with torch.no_grad():
        found = model(everything(rows)).numpy()
    np.testing.assert_allclose(found, slow_logits(model, spec, rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_scenarios", [2, 3, 6])
def test_attention_excludes_the_own_scenario_and_sums_to_one(n_scenarios):
    san_SS = ScenarioAwareAttention(n_scenarios, 4, "exclude")().detach()
    assert (san_SS.diagonal() == 0).all()
    torch.testing.assert_close(san_SS.sum(dim=1), torch.ones(n_scenarios))
    zeroed_SS = ScenarioAwareAttention(n_scenarios, 4, "zero_after")().detach()
    assert (zeroed_SS.diagonal() == 0).all()
    assert (zeroed_SS.sum(dim=1) < 1).all()


def test_attention_of_a_lone_scenario_is_zero_not_nan():
    assert ScenarioAwareAttention(1, 4, "exclude")().tolist() == [[0.0]]


def test_attention_differs_between_scenarios_after_training():
    """From weights that are the same for all: what any two scenarios make of the other two is learned apart."""
    spec = make_spec(4)
    model, batch = small(spec), everything(make_rows(spec, 200))
    san = model.scenario_layer.san
    for parameter in san.gate.parameters():
        torch.nn.init.zeros_(parameter)
    assert (san().detach()[~san.own_SS] == 1 / 3).all()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(batch), batch.labels_BT).backward()
        optimizer.step()
    san_SS = san().detach()
    for i, j in combinations(range(4), 2):
        k, other = {0, 1, 2, 3} - {i, j}
        of_i, of_j = (san_SS[row, k] / san_SS[row, other] for row in (i, j))
        assert (of_i / of_j).log().abs() > 0.01


def test_scenario_embedding_changes_the_attended_part_of_its_scenario_alone():
    spec = make_spec(3)
    model, rows = small(spec), make_rows(spec, 20)
    layer, x_BD = model.scenario_layer, model.fields(everything(rows))
    before, _, _ = layer(x_BD, rows.scenario_N)
    with torch.no_grad():
        layer.san.embedding.weight[1] += 1
    after, _, _ = layer(x_BD, rows.scenario_N)
    h, of_1 = SIZES["sub_expert_widths"][-1], rows.scenario_N == 1
    assert torch.equal(before[:, : 2 * h], after[:, : 2 * h])
    assert torch.equal(before[~of_1], after[~of_1])
    assert not torch.equal(before[of_1, 2 * h :], after[of_1, 2 * h :])


def test_attended_part_sends_no_gradient_to_the_own_experts():
    spec = make_spec(3)
    model, rows = small(spec), make_rows(spec, 40)
    batch = rows.batch(torch.nonzero(rows.scenario_N == 1).flatten())
    scenario_BC, _, _ = model.scenario_layer(model.fields(batch), batch.scenario_B)
    scenario_BC[:, 2 * SIZES["sub_expert_widths"][-1] :].sum().backward()
    k = SIZES["sub_experts"]
    per_group = [g.abs().sum().item() for g in model.scenario_layer.sei.experts.weights[0].grad.split(k)]
    shared, *specific = per_group
    assert shared == 0 and specific[1] == 0
    assert specific[0] > 0 and specific[2] > 0


def test_a_task_sends_no_gradient_to_the_experts_towers_and_gates_of_another():
    spec = make_spec(3)
    model, batch = small(spec), everything(make_rows(spec, 40))
    model(batch)[:, 0].sum().backward()
    own_0, own_1, shared = model.heads.cgc.experts.weights[0].grad.split([2, 2, 1])
    assert own_1.abs().sum() == 0
    assert own_0.abs().sum() > 0 and shared.abs().sum() > 0
    gate_0, gate_1 = model.heads.cgc.gate.weight.grad.chunk(2)
    assert gate_1.abs().sum() == 0 and gate_0.abs().sum() > 0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in model.heads.towers[1].parameters())


def test_gates_sum_to_one_over_what_they_read():
    spec = make_spec(3)
    model, batch = small(spec), everything(make_rows(spec, 16))
    seen = model.explain(batch)
    assert seen.sei_BGK.shape == (16, 4, 3)
    assert seen.cgc_BTR.shape == (16, 2, 3)
    torch.testing.assert_close(seen.sei_BGK.sum(dim=2), torch.ones(16, 4))
    torch.testing.assert_close(seen.cgc_BTR.sum(dim=2), torch.ones(16, 2))


@pytest.mark.parametrize("norm", ["exclude", "zero_after"])
def test_renumbering_the_scenarios_with_their_modules_changes_nothing(norm):
    spec = make_spec(3)
    model, rows = small(spec, san_norm=norm), make_rows(spec, 30)
    old_of_new = torch.tensor([2, 0, 1])
    renamed, k = small(spec, seed=1, san_norm=norm), SIZES["sub_experts"]
    groups = torch.cat([torch.tensor([0]), 1 + old_of_new])
    units = (groups[:, None] * k + torch.arange(k)).flatten()
    state = dict(model.state_dict())
    for name in state:
        if name.startswith("scenario_layer.sei."):
            state[name] = state[name][units]
        elif name.startswith(("scenario_layer.san.", "position.")):
            state[name] = state[name][old_of_new]
    renamed.load_state_dict(state)
    before = model(everything(rows))
    rows.scenario_N = torch.argsort(old_of_new)[rows.scenario_N]
    torch.testing.assert_close(renamed(everything(rows)), before)


@pytest.mark.parametrize("n_scenarios", [1, 2, 6])
def test_parameter_count_is_the_formula(n_scenarios):
    spec, c = make_spec(n_scenarios), Config(**SIZES)
    m, t, h = n_scenarios, 2, c.sub_expert_widths[-1]

    def mlp(*widths):
        return sum((a + 1) * b for a, b in pairwise(widths))

    table = (9 + 7 + 6) * c.embedding
    d = 3 * c.embedding + 2
    sei = (m + 1) * c.sub_experts * (mlp(d, *c.sub_expert_widths) + d + 1)
    san = m * c.scenario_embedding + mlp(c.scenario_embedding, m) if m > 1 else 0
    read = c.own_experts + c.shared_experts
    cgc = (t * c.own_experts + c.shared_experts) * mlp(3 * h, *c.expert_widths) + t * read * (3 * h + 1)
    towers = t * mlp(c.expert_widths[-1], *c.tower_widths, 1)
    expected = table + sei + san + cgc + towers + m * 4 * t
    assert sum(p.numel() for p in HiNet(spec, c).parameters()) == expected


def test_scenario_id_enters_x_only_when_asked():
    assert HiNet(make_spec()).fields.width + 8 == HiNet(make_spec(), Config(scenario_in_x=True)).fields.width


def test_ten_line_use_without_a_pipeline():
    spec = FeatureSpec(
        fields=(FieldSpec("user", "id", width=100), FieldSpec("item", "id", width=50)),
        numbers=(FieldSpec("price", "number"),),
        lists=(),
        scenarios=("home", "search"),
        tasks=("click", "order"),
    )
    model = HiNet(spec)
    ids_BF, numbers_BN = torch.randint(0, 50, (8, 2)), torch.randn(8, 1)
    unknown_B, labels_BT = torch.zeros(8, dtype=torch.int64), torch.zeros(8, 2)
    batch = Batch(ids_BF, numbers_BN, {}, torch.arange(8) % 2, unknown_B, labels_BT, torch.ones(8, 2))
    assert model(batch).sigmoid().shape == (8, 2)
