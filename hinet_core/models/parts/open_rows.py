"""The rows of an embedding table that a batch reads, as a small table of their own.

D width, N places of a batch that read a row, R rows of the table, U distinct rows of a batch.
"""

import numpy as np
import torch
from torch import Tensor


class OpenRows:
    """The distinct rows that a batch reads of a table: `rows_U`, and `values_UD`, a copy of them and a leaf."""

    def __init__(self, table: Tensor, rows_N: Tensor, places_R: Tensor) -> None:
        self.rows_U = distinct(rows_N, places_R)
        self.places_R = places_R
        self.values_UD = table.detach().index_select(0, self.rows_U).requires_grad_()

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows of the table that are among `rows_U`, any shape -> the same shape and the width."""
        # As int64, and not by `functional.embedding`: their backward passes take three times as long on a CPU.
        places = self.places_R.index_select(0, rows.flatten()).long()
        return self.values_UD.index_select(0, places).view(*rows.shape, -1)


def distinct(rows_N: Tensor, places_R: Tensor) -> Tensor:
    """-> rows_U, each row of `rows_N` once; `places_R` then holds each one's place in it. Work and order depend on
    `rows_N` alone: nothing of the table's size is read, and on a CPU nothing is sorted."""
    if rows_N.device.type != "cpu":
        rows_U = torch.unique(rows_N)
        places_R[rows_U] = torch.arange(len(rows_U), dtype=places_R.dtype, device=rows_U.device)
        return rows_U
    # Each place signs the row that it reads; of several the last one stays, and stands for the row. In numpy, since
    # torch's threads may sign in any order.
    rows, places = rows_N.numpy(), places_R.numpy()
    signs = np.arange(len(rows), dtype=places.dtype)
    places[rows] = signs
    rows = rows[places[rows] == signs]
    places[rows] = signs[: len(rows)]
    return torch.from_numpy(rows)
