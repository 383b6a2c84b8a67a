"""Mixtures of experts: the backward pass written by hand against ordinary backpropagation, and both against a loop."""

import pytest
import torch

from hinet_core.models.layers import Experts
from hinet_core.models.parts import mixture
from hinet_core.models.parts.mixture import mix

# Two segments: the first reads experts 0 and 1, the second 1 and 3, mixture 1 of both in another order; nobody reads 2.
READS = [[[0, 1], [1, 0]], [[3, 1], [1, 3]]]
SIZES = [5, 9]


def inputs(dtype=torch.float64, **settings):
    torch.manual_seed(0)
    experts = Experts(4, 6, (5, 3), **settings).to(dtype)
    for bias_EO in experts.biases:
        torch.nn.init.normal_(bias_EO)
    x_BI = torch.randn(14, 6, dtype=dtype, requires_grad=True)
    gate_BMR = torch.rand(14, 2, 2, dtype=dtype, requires_grad=True)
    return experts, x_BI, gate_BMR


def gradients(experts, x_BI, gate_BMR, reads=READS, sizes=SIZES):
    """Output, and the gradient of a sum with unequal weights for all that has one."""
    torch.manual_seed(1)
    out_MBH = mix(experts, x_BI, gate_BMR, reads, sizes)
    wanted = [x_BI, gate_BMR, *experts.parameters()]
    weights_MBH = torch.arange(float(out_MBH.numel())).view(out_MBH.shape).cos()
    return [out_MBH, *torch.autograd.grad((out_MBH.float() * weights_MBH).sum(), wanted)]


def by_autograd(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)


def test_a_row_is_the_weighted_sum_of_its_segments_experts():
    experts, x_BI, gate_BMR = inputs()
    out_MBH = mix(experts, x_BI, gate_BMR, READS, SIZES)
    for b in range(14):
        for m, reads_R in enumerate(READS[0 if b < 5 else 1]):
            expected_H = 0
            for r, e in enumerate(reads_R):
                layer_O = x_BI[b]
                for weight_EIO, bias_EO in zip(experts.weights, experts.biases, strict=True):
                    layer_O = torch.relu(layer_O @ weight_EIO[e] + bias_EO[e])
                expected_H = expected_H + gate_BMR[b, m, r] * layer_O
            torch.testing.assert_close(out_MBH[m, b], expected_H)


@pytest.mark.parametrize("settings", [{}, {"last_relu": False}], ids=["relu", "linear end"])
@pytest.mark.parametrize("block_bytes", [mixture.BLOCK_BYTES, 3 * 5 * 8], ids=["one block", "blocks of three rows"])
def test_gradients_are_those_of_backpropagation(monkeypatch, settings, block_bytes):
    monkeypatch.setattr(mixture, "BLOCK_BYTES", block_bytes)
    mine = gradients(*inputs(**settings))
    by_autograd(monkeypatch)
    torch.testing.assert_close(mine, gradients(*inputs(**settings)))
    unread = [grad[2] for grad in mine[3:]]
    assert not any(bool(grad.any()) for grad in unread)


def test_an_empty_segment_has_gradients_of_zero(monkeypatch):
    mine = gradients(*inputs(), sizes=[0, 14])
    by_autograd(monkeypatch)
    torch.testing.assert_close(mine, gradients(*inputs(), sizes=[0, 14]))


@pytest.mark.parametrize("last_relu", [True, False])
def test_dropout_keeps_its_mask_for_the_gradient(last_relu):
    """Each unit is dropped or scaled as a whole; the difference quotient with the same draw says what the slope is."""
    experts, x_BI, gate_BMR = inputs(dropout=0.25, last_relu=last_relu)
    experts.train()

    def out(x_BI, gate_BMR, *parameters):
        torch.manual_seed(1)
        settings = (READS, SIZES, 0.25, last_relu)
        return mixture._Mixture.apply(x_BI, gate_BMR, settings, *parameters)

    dropped = out(x_BI, gate_BMR, *experts.weights, *experts.biases)
    assert not torch.allclose(dropped, mix(experts.eval(), x_BI, gate_BMR, READS, SIZES))
    assert torch.autograd.gradcheck(out, (x_BI, gate_BMR, *experts.weights, *experts.biases), fast_mode=True)


def test_autocast_computes_in_bfloat16_and_gives_gradients_in_float32(monkeypatch):
    exact = gradients(*inputs(torch.float32))
    with torch.autocast("cpu", torch.bfloat16):
        low = gradients(*inputs(torch.float32))
    assert low[0].dtype == torch.bfloat16
    assert all(grad.dtype == torch.float32 for grad in low[1:])
    for mine, true in zip(low, exact, strict=True):
        assert 0 < (mine - true).norm() < 0.03 * true.norm()
