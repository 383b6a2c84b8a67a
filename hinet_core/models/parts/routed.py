"""A CGC with a head per pair of scenario and task, of which a row passes through its own scenario's alone.

B batch, C width of the input, H hidden, N rows of a scenario, R experts that a gate reads, S scenarios, T tasks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from hinet_core.models.parts.cgc import CustomizedGateControl, mixture


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
        inputs = self.lowered(input_BC)
        shared = len(inputs) - 1
        (shared_RBH,) = self.experts_of(range(shared, shared + 1), inputs)
        by_scenario = zip(*(rows_BC.split(list(sizes_S)) for rows_BC in inputs), strict=True)
        scenarios, gates = [], []
        for s, (rows, shared_RNH) in enumerate(zip(by_scenario, shared_RBH.split(list(sizes_S), dim=1), strict=True)):
            heads = range(s * shared // len(sizes_S), (s + 1) * shared // len(sizes_S))
            gate_TNR = self.gates_of(heads, rows)
            own = zip(gate_TNR, self.experts_of(heads, rows), strict=True)
            scenarios.append([mixture(gate_NR, [own_RNH, shared_RNH]) for gate_NR, own_RNH in own])
            gates.append(torch.stack(gate_TNR, dim=1))
        return scenarios, torch.cat(gates)
