"""Mixtures of experts, out_m = sum_r gate_mr expert_reads(m, r)(x): a block of rows and an expert at a time.

B batch, E experts, H hidden, I input, M mixtures, N rows of a block, O output, R experts that a mixture reads,
S segments of the batch.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hinet_core.models.layers import Experts, dropout_factor, dropout_scale

# Of one expert's widest layer, so that what it makes is still in the processor's second cache when it is read again.
BLOCK_BYTES = 2**20
# Which experts each mixture reads: one row of R experts per mixture, for each segment of the batch.
Reads = Sequence[Sequence[Sequence[int]]]


def mix(experts: Experts, x_BI: Tensor, gate_BMR: Tensor, reads_SMR: Reads, sizes_S: Sequence[int]) -> Tensor:
    """-> (M, B, H), rows of segment s mixed from the experts that `reads_SMR[s]` names; `sizes_S` are rows per segment.

    No row runs through an expert that its segment does not read. Training on a CPU has a backward pass of its own: the
    same sums, no layer is copied or written for all experts at once, and ReLU and its gradient work in place.
    """
    if torch.is_grad_enabled() and x_BI.device.type == "cpu" and not torch.compiler.is_compiling():
        settings = (reads_SMR, list(sizes_S), experts.dropout if experts.training else 0.0, experts.last_relu)
        out_MBH: Tensor = _Mixture.apply(x_BI, gate_BMR, settings, *experts.weights, *experts.biases)
        return out_MBH
    parts = zip(x_BI.split(list(sizes_S)), gate_BMR.split(list(sizes_S)), reads_SMR, strict=True)
    return torch.cat([_mixed(experts, x_NI, gate_NMR, reads_MR) for x_NI, gate_NMR, reads_MR in parts], dim=1)


def _mixed(experts: Experts, x_NI: Tensor, gate_NMR: Tensor, reads_MR: Sequence[Sequence[int]]) -> Tensor:
    """Layer by layer, all experts at once -> (M, N, H)"""
    used = sorted({e for reads_R in reads_MR for e in reads_R})
    # Neighbours are read as a slice: most often these are all experts, and nothing is copied.
    starts = [e for e in used if e - 1 not in used]
    stops = [e + 1 for e in used if e + 1 not in used]
    runs = [experts(x_NI, slice(start, stop)) for start, stop in zip(starts, stops, strict=True)]
    outputs = dict(zip(used, torch.cat(runs).unbind(), strict=True))
    mixed = []
    for reads_R, gate_NR in zip(reads_MR, gate_NMR.unbind(dim=1), strict=True):
        products = [gate_N1 * outputs[e] for e, gate_N1 in zip(reads_R, gate_NR.split(1, dim=1), strict=True)]
        mixed.append(sum(products[1:], start=products[0]))
    return torch.stack(mixed)


class _Mixture(torch.autograd.Function):
    """`mix`, expert by expert. Under autocast the products are in its type and the gradients in the weights' own."""

    @staticmethod
    def forward(ctx: Any, x_BI: Tensor, gate_BMR: Tensor, settings: Any, *parameters: Tensor) -> Tensor:
        reads_SMR, sizes_S, rate, last_relu = settings
        is_cast = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if is_cast else x_BI.dtype
        with torch.autocast("cpu", enabled=False):
            x_BI, gate_BMR, *cast = (one.to(dtype) for one in (x_BI, gate_BMR, *parameters))
            weights, biases = cast[: len(cast) // 2], cast[len(cast) // 2 :]
            out_MBH = x_BI.new_zeros(gate_BMR.shape[1], len(x_BI), weights[-1].shape[2])
            hidden: list[Tensor] = []
            for rows, e, places in _blocks(reads_SMR, sizes_S, weights):
                layer_NO = x_BI[rows]
                for layer, (weight_EIO, bias_EO) in enumerate(zip(weights, biases, strict=True)):
                    layer_NO = torch.addmm(bias_EO[e], layer_NO, weight_EIO[e])
                    if last_relu or layer < len(weights) - 1:
                        layer_NO.relu_()
                    if rate:
                        layer_NO.mul_(dropout_factor(layer_NO, rate))
                    hidden.append(layer_NO)
                for m, r in places:
                    out_MBH[m, rows].addcmul_(layer_NO, gate_BMR[rows, m, r, None])
        ctx.save_for_backward(x_BI, gate_BMR, *weights, *hidden)
        ctx.settings, ctx.parameter_type, ctx.n_layers = settings, parameters[0].dtype, len(weights)
        return out_MBH

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_MBH: Tensor) -> tuple[Tensor | None, ...]:
        x_BI, gate_BMR, *saved = ctx.saved_tensors
        weights, hidden = saved[: ctx.n_layers], iter(saved[ctx.n_layers :])
        reads_SMR, sizes_S, rate, last_relu = ctx.settings
        scale = dropout_scale(rate)
        grad_x_BI, grad_gate_BMR = torch.empty_like(x_BI), torch.zeros_like(gate_BMR)
        grad_weights = [torch.zeros_like(weight_EIO, dtype=ctx.parameter_type) for weight_EIO in weights]
        grad_biases = [grad_EIO.new_zeros(len(grad_EIO), grad_EIO.shape[2]) for grad_EIO in grad_weights]
        begun = 0  # the rows before it have a gradient of x: the first expert of a block writes, the others add
        for rows, e, places in _blocks(reads_SMR, sizes_S, weights):
            layers = [x_BI[rows], *(next(hidden) for _ in weights)]
            for m, r in places:
                grad_gate_BMR[rows, m, r] = torch.linalg.vecdot(grad_MBH[m, rows], layers[-1])
            (m, r), *others = places
            grad_NO = grad_MBH[m, rows] * gate_BMR[rows, m, r, None]
            for m, r in others:
                grad_NO.addcmul_(grad_MBH[m, rows], gate_BMR[rows, m, r, None])
            for layer in reversed(range(len(weights))):
                if last_relu or layer < len(weights) - 1:
                    # Where dropout put a zero the ReLU's gradient is zero too.
                    torch.ops.aten.threshold_backward.grad_input(grad_NO, layers[layer + 1], 0, grad_input=grad_NO)
                elif rate:
                    grad_NO.mul_(layers[layer + 1] != 0)
                if rate:
                    grad_NO.mul_(scale)
                _add_product(grad_weights[layer][e], layers[layer].t(), grad_NO)
                grad_biases[layer][e] += grad_NO.sum(dim=0)
                if layer:
                    grad_NO = grad_NO @ weights[layer][e].t()
            grad_x_BI[rows].addmm_(grad_NO, weights[0][e].t(), beta=int(rows.start < begun))
            begun = rows.stop
        return (grad_x_BI, grad_gate_BMR, None, *grad_weights, *grad_biases)


def _add_product(sum_IO: Tensor, a_IN: Tensor, b_NO: Tensor) -> None:
    """sum += a b, where a and b may be of a smaller type than the sum."""
    if sum_IO.dtype == a_IN.dtype:
        sum_IO.addmm_(a_IN, b_NO)
    else:
        sum_IO += a_IN @ b_NO


def _blocks(
    reads_SMR: Reads, sizes_S: Sequence[int], weights: Sequence[Tensor]
) -> Iterator[tuple[slice, int, list[tuple[int, int]]]]:
    """-> rows, an expert that they run through, and its places (m, r) among what the mixtures read"""
    widest = max(weight_EIO.shape[2] for weight_EIO in weights)
    n_rows = max(1, BLOCK_BYTES // (widest * weights[0].element_size()))
    start = 0
    for reads_MR, size in zip(reads_SMR, sizes_S, strict=True):
        places: dict[int, list[tuple[int, int]]] = {}
        for m, reads_R in enumerate(reads_MR):
            for r, e in enumerate(reads_R):
                places.setdefault(e, []).append((m, r))
        for at in range(start, start + size, n_rows):
            rows = slice(at, min(at + n_rows, start + size))
            yield from ((rows, e, where) for e, where in places.items())
        start += size
