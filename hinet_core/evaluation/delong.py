"""DeLong's variance of AUC, for rows that are independent, and for clusters of rows such as those of a user.

A check of the bootstrap that has nothing in common with it but the scores. V of a positive is the share of negatives
below its score (ties half), of a negative the share of positives above; their means are the AUC (DeLong, DeLong and
Clarke-Pearson 1988). With clusters the sums of a cluster's shares are the units (Obuchowski 1997).

P positives, M negatives, N rows, U users.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hinet_core.evaluation.cells import Cell
from hinet_core.evaluation.intervals import MIN_USERS
from hinet_core.evaluation.ranked import Floats
from hinet_core.evaluation.rows import Rows, Scores


@dataclass(frozen=True)
class Components:
    """The AUC and each row's share: of negatives below a positive, of positives above a negative."""

    auc: float
    share_N: Floats
    positive_N: NDArray[np.bool_]


def components(logit_N: Floats, label_N: Floats) -> Components:
    """DeLong's structural components. Raises ValueError unless both classes have two rows."""
    positive_N = label_N > 0
    n_positives, n_negatives = int(positive_N.sum()), int((~positive_N).sum())
    if min(n_positives, n_negatives) < 2:
        raise ValueError(
            f"expected two positives and two negatives or more, found {n_positives} and {n_negatives}: "
            "the variance of AUC is not known"
        )
    positives, negatives = np.sort(logit_N[positive_N]), np.sort(logit_N[~positive_N])
    share_N = np.empty(len(logit_N))
    share_N[positive_N] = _below(negatives, logit_N[positive_N])
    share_N[~positive_N] = 1 - _below(positives, logit_N[~positive_N])
    return Components(float(share_N[positive_N].mean()), share_N, positive_N)


def variance(logit_N: Floats, label_N: Floats, other_N: Floats | None = None) -> float:
    """Of the AUC of independent rows, or with `other_N` of the difference of two models' AUCs on the same rows."""
    one = components(logit_N, label_N)
    share_N = one.share_N - (0 if other_N is None else components(other_N, label_N).share_N)
    of_class = (share_N[one.positive_N], share_N[~one.positive_N])
    return float(sum(share.var(ddof=1) / len(share) for share in of_class))


def clustered_variance(
    logit_N: Floats, label_N: Floats, user_N: NDArray[np.int64], other_N: Floats | None = None
) -> float:
    """As `variance`, for rows that come in clusters (users): Obuchowski's estimate.

    Over clusters u, with sums X_u of (share - AUC) over its positives and Y_u over its negatives:
    U / (U - 1) times the sum of (X_u / P + Y_u / M) squared.
    """
    one = components(logit_N, label_N)
    share_N, auc = one.share_N, one.auc
    if other_N is not None:
        other = components(other_N, label_N)
        share_N, auc = share_N - other.share_N, auc - other.auc
    _, user_N = np.unique(user_N, return_inverse=True)
    n_positives = one.positive_N.sum()
    size_N = np.where(one.positive_N, n_positives, len(label_N) - n_positives)
    pull_U = np.bincount(user_N, (share_N - auc) / size_N)
    if len(pull_U) < 2:
        raise ValueError(f"expected rows of two users or more, found {len(pull_U)}")
    return float(len(pull_U) / (len(pull_U) - 1) * (pull_U**2).sum())


def standard_error(logit_N: Floats, label_N: Floats, user_N: NDArray[np.int64] | None = None) -> float:
    """The square root of the variance, clustered where users are given."""
    found = variance(logit_N, label_N) if user_N is None else clustered_variance(logit_N, label_N, user_N)
    return math.sqrt(found)


def noted(cells: Iterable[Cell], rows: Rows, scores: Scores) -> list[Cell]:
    """The cells of a model with the standard error over users in the note of each pooled AUC, to hold the interval
    against."""
    return [replace(cell, note=_note(cell, rows, scores)) if _checked(cell) else cell for cell in cells]


def _checked(cell: Cell) -> bool:
    smaller_class = min(cell.n_positives, cell.n - cell.n_positives)
    return (cell.scope, cell.metric) == ("pooled", "auc") and smaller_class >= 2 and cell.n_users >= MIN_USERS


def _note(cell: Cell, rows: Rows, scores: Scores) -> str:
    task = rows.tasks.index(cell.task)
    counts_N = rows.counts_NT[:, task]
    error = standard_error(scores.first_NT[counts_N, task], rows.label_NT[counts_N, task], rows.user_N[counts_N])
    return f"standard error of DeLong over users {error:.2g}"


def _below(sorted_M: Floats, value_P: Floats) -> Floats:
    """The share of the sorted values below each value, ties half."""
    low, high = (np.searchsorted(sorted_M, value_P, side) for side in ("left", "right"))
    return 0.5 * (low + high) / len(sorted_M)
