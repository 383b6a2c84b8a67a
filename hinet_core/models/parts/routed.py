"""A CGC with a head per pair of scenario and task, of which a row passes through its own scenario's alone.

B batch, C width of the input, H hidden, N rows of a scenario, R experts that a gate reads, S scenarios, T tasks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hinet_core.models.layers import Experts
from hinet_core.models.parts.cgc import CustomizedGateControl, mixture
from hinet_core.models.parts.mixture import mix


class RoutedGateControl(CustomizedGateControl):
    """The CGC of S T tasks, in the order (scenario 0, task 0), (0, 1), ..., (1, 0), ...

    `forward` runs all heads on all rows. `routed` runs the top level's own experts and gates on their scenario's rows
    only; what it leaves out enters no prediction. Below the top all experts are run: their shared group reads them all.
    """

    def routed(self, input_BC: Tensor, sizes_S: Sequence[int]) -> tuple[list[list[Tensor]], Tensor]:
        """Rows in the order of their scenarios, `sizes_S` of them in each.
        -> per scenario and task what the gate mixed (N, H), gates of the top level (B, T, R)

        A scenario without rows runs on none: its gradient is zero, not missing, as if all heads were run.
        """
        inputs, sizes = self.lowered(input_BC), list(sizes_S)
        n_heads, n_tasks = len(inputs) - 1, (len(inputs) - 1) // len(sizes)
        by_scenario = zip(*(rows_BC.split(sizes) for rows_BC in inputs), strict=True)
        heads_S = [range(first, first + n_tasks) for first in range(0, n_heads, n_tasks)]
        gates = [
            torch.stack(self.gates_of(heads, rows), dim=1) for heads, rows in zip(heads_S, by_scenario, strict=True)
        ]
        gate_BTR = torch.cat(gates)
        if isinstance(self.experts, Experts):
            reads_STR = [self.reads_of(heads) for heads in heads_S]
            mixed_TBH = mix(self.experts, inputs[0], gate_BTR, reads_STR, sizes)
            return [list(mixed_TNH) for mixed_TNH in mixed_TBH.split(sizes, dim=1)], gate_BTR
        (shared_RBH,) = self.experts_of(range(n_heads, n_heads + 1), inputs)
        by_scenario = zip(*(rows_BC.split(sizes) for rows_BC in inputs), strict=True)
        scenarios = []
        for heads, rows, gate_NTR, shared_RNH in zip(
            heads_S, by_scenario, gates, shared_RBH.split(sizes, dim=1), strict=True
        ):
            own = zip(gate_NTR.unbind(dim=1), self.experts_of(heads, rows), strict=True)
            scenarios.append([mixture(gate_NR, [own_RNH, shared_RNH]) for gate_NR, own_RNH in own])
        return scenarios, gate_BTR
