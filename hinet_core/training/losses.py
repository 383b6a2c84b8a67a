"""What is minimised: binary cross-entropy per task, over the labels that are known, weighted as the settings say.

B batch, S scenarios, T tasks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hinet_core.dataset import Batch
from hinet_core.training.config import TrainConfig


def masked_bce(logits_BT: Tensor, labels_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """-> cross-entropy per row and task (B, T), exactly 0 where the mask is 0 (whatever the label holds there)."""
    known_BT = mask_BT > 0
    labels_BT = torch.where(known_BT, labels_BT, 0.0)
    loss_BT = functional.binary_cross_entropy_with_logits(logits_BT, labels_BT, reduction="none")
    return torch.where(known_BT, loss_BT * mask_BT, 0.0)


class BatchLoss(nn.Module):
    """L = sum_n sum_t weight_nt NLL_nt over a batch's rows n of scenario i and its tasks t.

    weight_nt = lambda_i lambda_t lambda_it / B, for a positive times the task's positive weight: scenarios weigh by
    their share of the rows, and a task whose label is known for half of the rows weighs half. With `loss_mean`
    "scenario" B becomes S N_i, N_i being the scenario's rows in the batch: all scenarios weigh the same, however few
    their rows. NLL_nt is the cross-entropy, or with `task_balance` "uncertainty" exp(-v_t) BCE + v_t / 2 with a learned
    v_t, the log of a variance (Kendall et al., CVPR 2018, equation 10). At its best exp(-v_t) = 1 / (2 mean BCE_t).
    """

    weight_ST: Tensor
    positive_T: Tensor

    def __init__(self, config: TrainConfig, n_tasks: int, n_scenarios: int = 1) -> None:
        super().__init__()
        self.by_scenario = config.loss_mean == "scenario"
        weight_ST = as_matrix(config.cell_weights, n_scenarios, n_tasks)
        weight_ST = weight_ST * as_row("task_weights", config.task_weights, n_tasks, "task")
        weight_ST = weight_ST * as_row("scenario_weights", config.scenario_weights, n_scenarios, "scenario")[:, None]
        if not bool((weight_ST > 0).any()):
            raise ValueError("all weights of the loss are 0: nothing would be learned")
        positive_T = as_row("positive_weights", config.positive_weights, n_tasks, "task")
        self.register_buffer("weight_ST", weight_ST, persistent=False)
        self.register_buffer("positive_T", positive_T, persistent=False)
        learned = config.task_balance == "uncertainty"
        self.log_variance_T = nn.Parameter(torch.zeros(n_tasks)) if learned else None

    def weights(self, batch: Batch) -> Tensor:
        """-> (B, T), of the whole batch; parts of it may then go through `forward` with theirs, one by one."""
        one_row = len(self.weight_ST) == 1  # one scenario, or a model that does not tell them apart
        weight_BT = self.weight_ST.expand(len(batch), -1) if one_row else self.weight_ST[batch.scenario_B]
        # A label that is not known may hold anything, NaN too: its cost is 0, whatever it weighs.
        positive_BT = batch.labels_BT > 0.5
        weight_BT = torch.where(positive_BT, weight_BT * self.positive_T, weight_BT)
        if not self.by_scenario:
            return weight_BT / len(batch)
        rows_S = weight_BT.new_zeros(len(self.weight_ST)).index_add_(
            0, batch.scenario_B, weight_BT.new_ones(len(batch))
        )
        return weight_BT / (len(rows_S) * rows_S[batch.scenario_B])[:, None]

    def forward(self, logits_BT: Tensor, batch: Batch, weight_BT: Tensor) -> tuple[Tensor, Tensor]:
        """-> L of these rows, their unweighted cross-entropy (B, T) without gradient"""
        loss_BT = masked_bce(logits_BT, batch.labels_BT, batch.label_mask_BT)
        if self.log_variance_T is None:
            return (weight_BT * loss_BT).sum(), loss_BT.detach()
        penalty_BT = batch.label_mask_BT * self.log_variance_T / 2
        return (weight_BT * (torch.exp(-self.log_variance_T) * loss_BT + penalty_BT)).sum(), loss_BT.detach()


def as_row(name: str, values: Sequence[float], n: int, per: str) -> Tensor:
    """-> (n,), ones for no values"""
    if values and len(values) != n:
        raise ValueError(f"{name} has {len(values)} values, expected {n}, one per {per}")
    return torch.tensor(list(values) or [1.0] * n)


def as_matrix(rows: Sequence[Sequence[float]], n_scenarios: int, n_tasks: int) -> Tensor:
    """-> (S, T), ones for no rows"""
    if rows and len(rows) != n_scenarios:
        raise ValueError(f"cell_weights has {len(rows)} rows, expected {n_scenarios}, one per scenario")
    return torch.stack([as_row("a row of cell_weights", row, n_tasks, "task") for row in rows or [()] * n_scenarios])
