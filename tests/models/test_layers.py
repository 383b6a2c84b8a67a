"""The shared layers, each against what it says."""

import pytest
import torch
from model_rows import make_rows, make_spec

from hinet_core.dataset import FeatureSpec, FieldSpec
from hinet_core.models.layers import MLP, Experts, FieldEmbedding, PositionTerm, dropout, dropout_scale


def test_embedding_reads_only_what_may_enter_x():
    spec = make_spec()
    layer, rows = FieldEmbedding(spec, 3), make_rows(spec, 10)
    assert layer.width == 3 * 3 + 2
    before = layer(rows.batch(slice(None)))
    rows.fields_NF[:, 1] = 4
    rows.numbers_NK[:, 1] = 99.0
    rows.lists["dropped"][:] = 1
    assert torch.equal(layer(rows.batch(slice(None))), before)


def test_embedding_fields_do_not_share_rows():
    spec = make_spec()
    layer, rows = FieldEmbedding(spec, 3), make_rows(spec, 1)
    rows.fields_NF[0] = torch.tensor([2, 0, 2])
    x_D = layer(rows.batch(slice(None)))[0]
    assert torch.equal(x_D[:3], layer.table[2])
    assert torch.equal(x_D[3:6], layer.table[9 + 2])


def test_list_is_the_mean_without_padding_and_zero_when_empty():
    spec = make_spec()
    layer, rows = FieldEmbedding(spec, 3), make_rows(spec, 2)
    rows.lists["history"] = torch.tensor([[2, 0, 3, 0], [0, 0, 0, 0]])
    pooled = layer(rows.batch(slice(None)))[:, 6:9]
    start = 9 + 7
    torch.testing.assert_close(pooled[0], (layer.table[start + 2] + layer.table[start + 3]) / 2)
    assert torch.equal(pooled[1], torch.zeros(3))


def test_spec_without_input_is_refused():
    with pytest.raises(ValueError, match="no feature enters x"):
        FieldEmbedding(FeatureSpec((FieldSpec("a", "id", 3, in_x=False),), (), (), ("s",), ("t",)), 4)


def test_experts_are_independent_networks():
    torch.manual_seed(0)
    experts, x_BI = Experts(3, 5, (4, 2)), torch.randn(6, 5)
    together_EBH = experts(x_BI)
    for e in range(3):
        one = x_BI
        for weight, bias in zip(experts.weights, experts.biases, strict=True):
            one = torch.relu(one @ weight[e] + bias[e])
        torch.testing.assert_close(together_EBH[e], one)


def test_mlp_ends_linear_only_when_asked():
    assert (MLP(4, (3,))(torch.randn(50, 4)) >= 0).all()
    assert (MLP(4, (3,), 1)(torch.randn(50, 4)) < 0).any()
    assert MLP(4, (), 2)(torch.randn(5, 4)).shape == (5, 2)


def test_position_starts_at_zero_and_slot_zero_stays_there():
    term = PositionTerm(2, 3, 2)
    scenario_B, position_B = torch.tensor([0, 1, 1]), torch.tensor([0, 3, 0])
    assert not term(scenario_B, position_B).any()
    with torch.no_grad():
        term.slots_SPT += torch.arange(12.0).view(2, 3, 2) + 1
    assert term(scenario_B, position_B).tolist() == [[0, 0], [11, 12], [0, 0]]


def test_position_without_slots_adds_nothing():
    term = PositionTerm(2, 0, 2)
    assert list(term.parameters()) == []
    assert term(torch.tensor([0]), torch.tensor([0])) == 0.0


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_dropout_keeps_the_mean_and_the_share(rate):
    torch.manual_seed(0)
    dropped = dropout(torch.ones(999, 1001), rate, training=True)
    assert abs((dropped == 0).float().mean().item() - rate) < 0.004
    assert abs(dropped.mean().item() - 1) < 0.005
    assert len(dropped.unique()) == 2


def test_a_rate_next_to_one_keeps_one_entry_in_256():
    """Rounded to a byte it would be 1, and nothing would be left to scale up."""
    torch.manual_seed(0)
    dropped = dropout(torch.ones(999, 1001), 0.999, training=True)
    assert dropped.unique().tolist() == [0, 256]
    assert abs(dropped.mean().item() - 1) < 0.05
    assert dropout_scale(0.999) == 256


def test_dropout_is_off_outside_training_and_repeats_with_the_seed():
    x = torch.randn(7, 3)
    assert dropout(x, 0.5, training=False) is x
    torch.manual_seed(3)
    first = dropout(x, 0.5, training=True)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.5, training=True), first)


def test_dropout_draws_are_independent_between_entries():
    torch.manual_seed(0)
    kept = (dropout(torch.ones(200_000, 8), 0.5, training=True) > 0).float()
    assert (torch.corrcoef(kept.t()) - torch.eye(8)).abs().max() < 0.01
