"""Rows group by group in falling order of score: what a metric of users or of requests needs to know.

N rows, G groups that hold both classes, R runs of equal score inside a group.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_core.evaluation.ranked import Floats, run_starts

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Grouped:
    """Runs of all groups after each other, scores falling inside a group: how many positives and negatives each run
    has, and where each group's runs begin."""

    positive_R: Floats
    negative_R: Floats
    start_G: Ints

    def per_group(self, value_R: Floats) -> Floats:
        """Sums over the runs of each group, (G,)."""
        return np.add.reduceat(value_R, self.start_G) if len(self.start_G) else np.zeros(0)

    def before(self, value_R: Floats) -> Floats:
        """Sums over the runs of the same group with higher scores, (R,)."""
        before_R = np.cumsum(value_R) - value_R
        return before_R - self.per_run(before_R[self.start_G])

    def per_run(self, value_G: Floats) -> Floats:
        """Each group's value at each of its runs, (R,)."""
        return np.repeat(value_G, np.diff(self.start_G, append=len(self.positive_R)))


def grouped(order_N: Ints, logit_N: Floats, label_N: Floats, group_N: Ints) -> tuple[Grouped, Ints]:
    """The groups with both classes, in the order of their codes, and those codes; `order_N` sorts the logits.

    Group, place in the order of scores and label of a row make one whole number, which is all that has to be sorted.
    """
    n_codes = int(group_N.max(initial=-1)) + 1
    rows_C, positives_C = (np.bincount(group_N, weights, minlength=n_codes) for weights in (None, label_N))
    both_C = (positives_C > 0) & (positives_C < rows_C)
    order_N = order_N[both_C[group_N[order_N]]][::-1]
    run_N = np.zeros(len(order_N), np.int64)
    run_N[run_starts(logit_N[order_N])[1:]] = 1
    run_N = np.cumsum(run_N)
    bits = len(order_N).bit_length()
    number_C = np.cumsum(both_C) - 1
    key_N = np.sort((number_C[group_N[order_N]] << (bits + 1)) | (run_N << 1) | (label_N[order_N] > 0))

    start_R = run_starts(key_N >> 1)
    rows_R = np.diff(start_R, append=len(key_N)).astype(np.float64)
    positive_R = np.add.reduceat(key_N & 1, start_R).astype(np.float64) if len(start_R) else rows_R
    start_G = run_starts(key_N[start_R] >> (bits + 1))
    return Grouped(positive_R, rows_R - positive_R, start_G), np.flatnonzero(both_C)
