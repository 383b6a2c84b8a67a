"""Rows in the order of their scores, rows of equal score together: all that a metric of scores needs to know.

N rows, G groups of equal logit, D columns of row weights (one column per bootstrap draw, or one column of ones).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """Rising logits, and the weight of positives and of negatives that share each, (G, D)."""

    logit_G: Floats
    positive_GD: Floats
    negative_GD: Floats

    @property
    def weights(self) -> Floats:
        """Of both classes, (G, D)."""
        return self.positive_GD + self.negative_GD

    @property
    def positives(self) -> Floats:
        """In all groups together, (D,)."""
        total_D: Floats = self.positive_GD.sum(axis=0)
        return total_D

    @property
    def negatives(self) -> Floats:
        """In all groups together, (D,)."""
        total_D: Floats = self.negative_GD.sum(axis=0)
        return total_D


def ranked(logit_N: Floats, label_N: Floats, weight_ND: Floats | None = None) -> Ranked:
    """Rows in any order; without weights each counts once, in one column."""
    order_N = np.argsort(logit_N, kind="stable")
    weighted_ND = np.ones((len(label_N), 1)) if weight_ND is None else weight_ND[order_N]
    return of_sorted(logit_N[order_N], label_N[order_N], weighted_ND)


def of_sorted(logit_N: Floats, label_N: Floats, weight_ND: Floats) -> Ranked:
    """Rows whose logits rise already."""
    start_G = run_starts(logit_N)
    if not len(start_G):
        return Ranked(logit_N, weight_ND, weight_ND)
    positive_ND = np.where(label_N[:, None] > 0, weight_ND, 0.0)
    negative_ND = weight_ND - positive_ND
    if len(start_G) == len(logit_N):
        return Ranked(logit_N, positive_ND, negative_ND)
    sums = (np.add.reduceat(one, start_G, axis=0) for one in (positive_ND, negative_ND))
    return Ranked(logit_N[start_G], *sums)


def run_starts(value_N: NDArray[np.generic]) -> NDArray[np.int64]:
    """Where each run of equal neighbours begins: 5 5 7 7 7 9 gives 0 2 5."""
    return np.flatnonzero(np.r_[True, value_N[1:] != value_N[:-1]]) if len(value_N) else np.zeros(0, np.int64)
