"""PEPNet: gates in [0, 2], what opens them, and what sends no gradient through them."""

from dataclasses import replace

import pytest
import torch
from model_rows import make_rows, make_spec, randomized
from numpy_peers import assert_rows_are, pepnet_row

from hinet_core.dataset import FeatureSpec, FieldSpec
from hinet_core.models.pepnet import Config, PEPNet

SIZES = Config(embedding=3, gate_hidden=5, tower_widths=(6, 4))


def small(spec, **changes) -> PEPNet:
    return randomized(PEPNet(spec, replace(SIZES, **changes))).eval()


@pytest.mark.parametrize("prior", [(), ("item",)], ids=["all id fields", "one of them"])
def test_forward_is_that_of_the_slow_reference(prior):
    spec = make_spec(n_tasks=3)
    model, rows = small(spec, prior_fields=prior), make_rows(spec, 12)
    assert_rows_are(model, spec, rows, pepnet_row)


def test_gates_are_one_when_their_last_layer_is_zero_and_never_leave_0_to_2():
    """With gates of one, the scenario has no way into the logits: PEPNet knows it through its gate alone."""
    spec = make_spec(n_positions=0)
    model, rows = small(spec), make_rows(spec, 40)
    wide = 100 * torch.randn(40, model.epnet.hidden.in_features)
    delta = model.epnet(wide)
    assert (delta >= 0).all() and (delta <= 2).all() and delta.min() < 0.5 and delta.max() > 1.5
    other = replace(rows, scenario_N=(rows.scenario_N + 1) % 3)
    with torch.no_grad():
        assert not torch.equal(model(rows.batch(slice(None))), model(other.batch(slice(None))))
        for gate in (model.epnet, *model.ppnet):
            gate.out.weight.zero_()
            gate.out.bias.zero_()
        assert torch.equal(model.epnet(wide), torch.ones_like(delta))
        assert torch.equal(model(rows.batch(slice(None))), model(other.batch(slice(None))))


def test_what_a_gate_is_about_sends_no_gradient_through_it():
    """The gate of the embeddings reads them without gradient; those of the layers get one through the prior alone."""
    spec, seen = make_spec(), {}
    model = small(spec, prior_fields=("item",))
    for name, gate in (("epnet", model.epnet), ("ppnet", model.ppnet[0])):
        gate.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    model(make_rows(spec, 60).batch(slice(None)))
    sources = (model.fields.table, model.scenario.weight, model.epnet.out.weight)

    def reached(gate):
        found = torch.autograd.grad(seen[gate].sum(), sources, allow_unused=True, retain_graph=True)
        return [one is not None and bool(one.any()) for one in found]

    assert reached("epnet") == [False, True, False]
    assert reached("ppnet") == [True, False, False]
    (of_table,) = torch.autograd.grad(seen["ppnet"].sum(), sources[:1])
    user, item, history = of_table.split([9, 7, 6])
    assert item.any() and not user.any() and not history.any()


def test_scenario_embedding_is_trained_by_the_gate_of_the_embeddings():
    spec = make_spec(n_scenarios=3)
    model, rows = small(spec), make_rows(spec, 60)
    model(rows.batch(torch.nonzero(rows.scenario_N == 1).flatten())).sum().backward()
    assert model.scenario.weight.grad.any(dim=1).tolist() == [False, True, False]


def test_without_id_fields_the_gates_read_the_gated_input():
    spec = FeatureSpec((), (FieldSpec("price", "number"),), (), ("a", "b"), ("click",))
    assert small(spec)(make_rows(spec, 5).batch(slice(None))).shape == (5, 1)


def test_an_unknown_prior_is_answered_with_the_fields_in_x():
    with pytest.raises(ValueError, match=r"prior_fields holds \['secret'\].*\['user', 'item'\]"):
        small(make_spec(), prior_fields=("secret", "item"))


def test_parameter_count_is_the_formula():
    spec, d, t = make_spec(3), 9 + 2, 2

    def gate(n_in, n_out):
        return (n_in + 1) * 5 + 6 * n_out

    gates = gate(3 + d, d) + sum(gate(6 + d, t * n) for n in (d, 6, 4))
    towers = t * ((d + 1) * 6 + 7 * 4 + 5)
    assert sum(p.numel() for p in small(spec).parameters()) == 22 * 3 + 3 * 3 + gates + towers + 3 * 4 * t
