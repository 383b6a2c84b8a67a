"""What is minimised: binary cross-entropy per task, over the labels that are known.

B batch, T tasks.
"""

import torch
from torch import Tensor
from torch.nn import functional


def masked_bce(logits_BT: Tensor, labels_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """-> cross-entropy per row and task (B, T), exactly 0 where the mask is 0 (whatever the label holds there)."""
    known_BT = mask_BT > 0
    labels_BT = torch.where(known_BT, labels_BT, 0.0)
    loss_BT = functional.binary_cross_entropy_with_logits(logits_BT, labels_BT, reduction="none")
    return torch.where(known_BT, loss_BT * mask_BT, 0.0)


def total_loss(loss_BT: Tensor, weight_T: Tensor) -> Tensor:
    """L = sum_t lambda_t (1/B) sum_n BCE: scenarios weigh by their share of the rows.

    The divisor is the batch, not the number of known labels: a task known for half of the rows weighs half.
    """
    return loss_BT.sum(dim=0) @ weight_T / len(loss_BT)
