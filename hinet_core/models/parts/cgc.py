"""Customized gate control and its stack: the task layer of PLE and of HiNet.

Tang et al., "Progressive Layered Extraction", RecSys 2020. B batch, C width of the input, E experts, H hidden,
R experts that a gate reads, T tasks. Groups are task 0's own experts, task 1's, ..., and last the shared ones.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hinet_core.models.layers import Experts, linear
from hinet_core.models.parts.axes import Axes, Axis, Label, of_experts, of_linear, pairs
from hinet_core.models.parts.mixture import mix


class Extraction(nn.Module):
    """One level: groups of experts, and gates that each mix the experts of some groups.

    At the first level all groups and gates have one input, so that the experts' first layers are one product. Above it
    group k and gate k read what gate k of the level below made.
    """

    def __init__(
        self,
        sizes_E: Sequence[int],
        reads: Sequence[Sequence[int]],
        n_in: int,
        widths: Sequence[int],
        dropout: float,
        first: bool,
    ) -> None:
        super().__init__()
        self.sizes_E, self.reads = list(sizes_E), reads
        self.sizes_R = [sum(sizes_E[group] for group in groups) for groups in reads]
        self.experts: nn.Module
        self.gate: nn.Module
        if first:
            self.experts = Experts(sum(sizes_E), n_in, widths, dropout)
            self.gate = linear(n_in, sum(self.sizes_R))
        else:
            self.experts = nn.ModuleList(Experts(n, n_in, widths, dropout) for n in sizes_E)
            self.gate = nn.ModuleList(linear(n_in, n) for n in self.sizes_R)

    def extract(self, inputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """One (B, C) per group -> what each gate mixed (B, H), its weights (B, R) in the order of what it reads."""
        gates = self.gates_of(range(len(self.reads)), inputs)
        if isinstance(self.experts, Experts) and len(set(self.sizes_R)) == 1:
            reads_MR, x_BC = self.reads_of(range(len(self.reads))), inputs[0]
            return list(mix(self.experts, x_BC, torch.stack(gates, dim=1), [reads_MR], [x_BC.shape[0]])), gates
        groups = self.experts_of(range(len(self.sizes_E)), inputs)
        mixed = [
            mixture(gate_BR, [groups[group] for group in reads])
            for gate_BR, reads in zip(gates, self.reads, strict=True)
        ]
        return mixed, gates

    def reads_of(self, which: range) -> list[list[int]]:
        """The experts that each of these gates reads, by their place among all experts."""
        starts = [0, *accumulate(self.sizes_E)]
        return [[e for group in self.reads[gate] for e in range(starts[group], starts[group + 1])] for gate in which]

    def experts_of(self, which: range, inputs: Sequence[Tensor]) -> list[Tensor]:
        """-> outputs of these groups' experts, one (experts of the group, B, H) per group"""
        if isinstance(self.experts, nn.ModuleList):
            return [self.experts[group](inputs[group]) for group in which]
        sizes = [self.sizes_E[group] for group in which]
        first = sum(self.sizes_E[: which.start])
        return list(self.experts(inputs[0], slice(first, first + sum(sizes))).split(sizes))

    def gates_of(self, which: range, inputs: Sequence[Tensor]) -> list[Tensor]:
        """-> weights of these gates, one (B, R) per gate"""
        if isinstance(self.gate, nn.ModuleList):
            return [self.gate[gate](inputs[gate]).softmax(dim=1) for gate in which]
        sizes = [self.sizes_R[gate] for gate in which]
        rows = slice(first := sum(self.sizes_R[: which.start]), first + sum(sizes))
        gate = cast(nn.Linear, self.gate)
        logits = functional.linear(inputs[0], gate.weight[rows], gate.bias[rows]).split(sizes, dim=1)
        return [logits_BR.softmax(dim=1) for logits_BR in logits]

    def axes(self, name: str, groups: Sequence[Label], inputs: Axis = None) -> Axes:
        """For a warm start, as the module of this name; gate k is that of group k."""
        experts = [pairs([group], range(n)) for group, n in zip(groups, self.sizes_E, strict=True)]
        read = [[one for group in reads for one in experts[group]] for reads in self.reads]
        if isinstance(self.experts, nn.ModuleList):
            axes = Axes(members={f"{name}.experts": groups, f"{name}.gate": groups})
            for place, rows in enumerate(read):
                axes |= of_linear(f"{name}.gate.{place}", rows, inputs)
            return axes
        rows = [(gate, one) for gate, ones in zip(groups, read, strict=False) for one in ones]
        every = [one for group in experts for one in group]
        return of_experts(f"{name}.experts", every, inputs) | of_linear(f"{name}.gate", rows, inputs)


def mixture(gate_BR: Tensor, groups: Sequence[Tensor]) -> Tensor:
    """g(x) = sum_r softmax(W x)_r E_r(x), equations 1 to 3: groups of (experts, B, H) -> (B, H)"""
    parts = gate_BR.t()[..., None].split([len(group) for group in groups])
    products = [(part_RB1 * group_RBH).sum(dim=0) for part_RB1, group_RBH in zip(parts, groups, strict=True)]
    return sum(products[1:], start=products[0])


class CustomizedGateControl(Extraction):
    """T_t = sum_r softmax(W_t x)_r [E_t ; E_s]_r(x), after `levels - 1` levels of the same kind below.

    There the shared group has a gate too, over all experts. The gate of a task reads its own and the shared experts
    (`lower_reads` "own"), or all of them ("all", as in the code of HiNet's authors).
    """

    def __init__(
        self,
        n_tasks: int,
        n_own: int,
        n_shared: int,
        n_in: int,
        widths: Sequence[int],
        dropout: float,
        levels: int = 1,
        lower_reads: Literal["own", "all"] = "own",
    ) -> None:
        _check(n_own, n_shared, levels)
        sizes_E, everything = [n_own] * n_tasks + [n_shared], list(range(n_tasks + 1))
        own_and_shared = [[task, n_tasks] for task in range(n_tasks)]
        in_top = n_in if levels == 1 else widths[-1]
        super().__init__(sizes_E, own_and_shared, in_top, widths, dropout, first=levels == 1)
        below = own_and_shared if lower_reads == "own" else [everything] * n_tasks
        self.lower = nn.ModuleList(
            Extraction(
                sizes_E, [*below, everything], n_in if level == 0 else widths[-1], widths, dropout, first=level == 0
            )
            for level in range(levels - 1)
        )
        self.shape_TR = (n_tasks, n_own + n_shared)

    def forward(self, input_BC: Tensor) -> tuple[list[Tensor], Tensor]:
        """-> one (B, H) per task, gates of the top level (B, T, R)"""
        mixed, gates = self.extract(self.lowered(input_BC))
        return mixed, torch.stack(gates, dim=1)

    def axes(self, name: str, groups: Sequence[Label], inputs: Axis = None) -> Axes:
        """For a warm start; `groups` label the tasks' experts and, last, the shared ones."""
        top = super().axes(name, groups, None if len(self.lower) else inputs)
        for level, lower in enumerate(self.lower):
            top |= cast(Extraction, lower).axes(f"{name}.lower.{level}", groups, inputs if level == 0 else None)
        return top

    def lowered(self, input_BC: Tensor) -> list[Tensor]:
        """-> what the top level reads: one (B, C) per group"""
        inputs = [input_BC] * len(self.sizes_E)
        for level in self.lower:
            # g^{k,j}(x) = w^{k,j}(g^{k,j-1}(x)) S^{k,j}(x), equation 5
            inputs, _ = cast(Extraction, level).extract(inputs)
        return inputs


def _check(n_own: int, n_shared: int, levels: int) -> None:
    if n_own + n_shared == 0:
        raise ValueError("own_experts + shared_experts is 0, expected at least one expert per task")
    if levels > 1 and min(n_own, n_shared) == 0:
        raise ValueError(f"own_experts is {n_own}, shared_experts {n_shared}: {levels} levels need one of each")
