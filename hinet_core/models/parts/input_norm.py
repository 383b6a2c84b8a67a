"""What x passes before the first layer.

B batch, D width of x.
"""

from typing import Literal

import torch
from torch import Tensor, nn

InputNorm = Literal["none", "scale", "layer"]


class ScaleAndShift(nn.Module):
    """x -> a x + b, one learned a and b per entry: what a BatchNorm is whose statistics never move."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_D, self.shift_D = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x_BD: Tensor) -> Tensor:
        """-> (B, D)"""
        return x_BD * self.scale_D + self.shift_D


def input_norm(kind: InputNorm, width: int) -> nn.Module:
    """No BatchNorm: a row's prediction would depend on which others are in its batch, and a batch may hold one row."""
    return {"none": nn.Identity, "scale": ScaleAndShift, "layer": nn.LayerNorm}[kind](width)
