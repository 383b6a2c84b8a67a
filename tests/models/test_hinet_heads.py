"""HiNet against a module per expert, and the heads per scenario and task: routed rows, all heads, own gradients."""

from itertools import pairwise

import pytest
import torch
from model_rows import make_rows, make_spec
from plain_hinet import pairs, plain_of
from test_hinet import SIZES, everything, small

from hinet_core.models.hinet import Config, HiNet
from hinet_core.training.losses import masked_bce

ROUTED = {"heads": "per_scenario_task"}


def learn_from(model, batch):
    """One backward pass of the mean loss. -> logits"""
    logits_BT = model(batch)
    masked_bce(logits_BT, batch.labels_BT, batch.label_mask_BT).mean().backward()
    return logits_BT


@pytest.mark.parametrize("n_scenarios", [1, 2, 3])
@pytest.mark.parametrize(
    "changes",
    [{}, ROUTED, ROUTED | {"own_experts": 0}, {"shared_experts": 0, "san_norm": "zero_after", "scenario_in_x": True}],
    ids=["per task", "per scenario and task", "shared experts only", "own experts only, switched"],
)
def test_logits_and_gradients_are_those_of_a_module_per_expert(n_scenarios, changes):
    spec = make_spec(n_scenarios, n_tasks=3)
    model, batch = small(spec, **changes), everything(make_rows(spec, 60))
    plain = plain_of(model, spec)
    torch.testing.assert_close(learn_from(model, batch), learn_from(plain, batch), rtol=1e-5, atol=1e-6)
    for theirs, ours in pairs(plain, model, spec, of=lambda parameter: parameter.grad):
        torch.testing.assert_close(ours, theirs.grad, rtol=1e-5, atol=1e-6)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("levels", "reads"), [(1, "own"), (2, "own"), (3, "all")])
def test_routed_rows_are_those_of_all_heads_with_the_own_one_picked(levels, reads):
    """Both ways through our own layers, in double precision: what routing leaves out changes nothing."""
    spec = make_spec()
    changes = {"levels": levels, "lower_reads": reads}
    heads, rows = small(spec, **ROUTED, **changes).heads.double(), make_rows(spec, 50)
    scenario_BC = torch.randn(50, 3 * SIZES["sub_expert_widths"][-1], dtype=torch.float64, requires_grad=True)
    routed_BT, _ = heads(scenario_BC, rows.scenario_N)
    picked_BT, _ = heads.picked(scenario_BC, rows.scenario_N)
    torch.testing.assert_close(routed_BT, picked_BT, rtol=0, atol=1e-12)
    inputs = [scenario_BC, *heads.parameters()]
    routed_grads, picked_grads = (torch.autograd.grad(out_BT.sin().sum(), inputs) for out_BT in (routed_BT, picked_BT))
    for routed, picked in zip(routed_grads, picked_grads, strict=True):
        torch.testing.assert_close(routed, picked, rtol=0, atol=1e-11)


def test_a_row_trains_the_heads_of_its_own_scenario_alone():
    """The loss is masked by scenario without a mask: no other head enters it."""
    spec = make_spec()
    model, rows = small(spec, **ROUTED), make_rows(spec, 60)
    learn_from(model, rows.batch(torch.nonzero(rows.scenario_N == 1).flatten()))
    *sets, shared = model.heads.cgc.experts.weights[0].grad.split([4, 4, 4, 1])
    assert [bool(grad.any()) for grad in sets] == [False, True, False]
    assert shared.any()
    assert [bool(grad.any()) for grad in model.heads.cgc.gate.weight.grad.chunk(3)] == [False, True, False]
    trained = [any(bool(p.grad.any()) for p in tower.parameters()) for tower in model.heads.towers]
    assert trained == [False, False, True, True, False, False]


def test_heads_of_an_absent_scenario_have_a_gradient_of_zero_not_none():
    """An optimizer with momentum moves them as it would if all heads were run."""
    spec = make_spec()
    model, rows = small(spec, **ROUTED), make_rows(spec, 60)
    learn_from(model, rows.batch(torch.nonzero(rows.scenario_N == 0).flatten()))
    assert all(p.grad is not None for p in model.parameters())


def test_gates_come_back_in_the_order_of_the_rows():
    spec = make_spec()
    model, rows = small(spec, **ROUTED), make_rows(spec, 30)
    seen = model.explain(everything(rows)).cgc_BTR
    alone = [model.explain(rows.batch(slice(n, n + 1))).cgc_BTR for n in range(30)]
    torch.testing.assert_close(seen, torch.cat(alone))


def test_renumbering_the_scenarios_with_their_heads_changes_nothing():
    spec = make_spec(3)
    model, rows, old_of_new = small(spec, **ROUTED), make_rows(spec, 30), torch.tensor([2, 0, 1])
    renamed = small(spec, seed=1, **ROUTED)
    before, state = model(everything(rows)), {}
    for name, value in model.state_dict().items():
        if name.startswith("scenario_layer.sei."):
            shared, *own = value.split(SIZES["sub_experts"])
            state[name] = torch.cat([shared, *(own[i] for i in old_of_new)])
        elif name.startswith(("scenario_layer.san.", "position.")):
            state[name] = value[old_of_new]
        elif name.startswith("heads.cgc.experts."):
            *own, shared = value.split([4, 4, 4, 1])
            state[name] = torch.cat([*(own[i] for i in old_of_new), shared])
        elif name.startswith("heads.cgc.gate."):
            state[name] = torch.cat([value.chunk(3)[i] for i in old_of_new])
        elif name.startswith("heads.towers."):
            head, layer = name.removeprefix("heads.towers.").split(".", 1)
            new = old_of_new.tolist().index(int(head) // 2)
            state[f"heads.towers.{2 * new + int(head) % 2}.{layer}"] = value
        else:
            state[name] = value
    renamed.load_state_dict(state)
    rows.scenario_N = torch.argsort(old_of_new)[rows.scenario_N]
    torch.testing.assert_close(renamed(everything(rows)), before)


@pytest.mark.parametrize("changes", [{}, ROUTED], ids=["per task", "per scenario and task"])
def test_a_batch_is_its_rows_one_by_one_in_any_order(changes):
    spec = make_spec()
    model, rows = small(spec, **changes), make_rows(spec, 20)
    whole = model(everything(rows))
    alone = [model(rows.batch(slice(n, n + 1))) for n in range(20)]
    torch.testing.assert_close(torch.cat(alone), whole)
    order = torch.randperm(20)
    torch.testing.assert_close(model(rows.batch(order)), whole[order])


@pytest.mark.parametrize("n_scenarios", [1, 2, 6])
def test_parameter_count_of_heads_per_scenario_and_task_is_the_formula(n_scenarios):
    spec, c = make_spec(n_scenarios), Config(**SIZES)
    heads, h, read = n_scenarios * 2, c.sub_expert_widths[-1], c.own_experts + c.shared_experts

    def mlp(*widths):
        return sum((a + 1) * b for a, b in pairwise(widths))

    def count(n):
        experts = (n * c.own_experts + c.shared_experts) * mlp(3 * h, *c.expert_widths)
        return experts + n * (read * (3 * h + 1) + mlp(c.expert_widths[-1], *c.tower_widths, 1))

    per_task, routed = HiNet(spec, c), HiNet(spec, Config(**SIZES, **ROUTED))
    sizes = [sum(p.numel() for p in model.parameters()) for model in (per_task, routed)]
    assert sizes[1] - sizes[0] == count(heads) - count(2)
