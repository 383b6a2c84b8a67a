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
from hinet_core.evaluation.ranked import Floats, run_starts
from hinet_core.evaluation.rows import Rows, Scores


@dataclass(frozen=True)
class Components:
    """The AUC and each row's share: of negatives below a positive, of positives above a negative."""

    auc: float
    share_N: Floats
    positive_N: NDArray[np.bool_]


def components(logit_N: Floats, label_N: Floats) -> Components:
    """DeLong's structural components. Raises ValueError unless both classes have two rows."""
    n_positives = int((label_N > 0).sum())
    n_negatives = len(label_N) - n_positives
    if min(n_positives, n_negatives) < 2:
        raise ValueError(
            f"expected two positives and two negatives or more, found {n_positives} and {n_negatives}: "
            "the variance of AUC is not known"
        )
    return shares(logit_N, label_N)


def shares(logit_N: Floats, label_N: Floats) -> Components:
    """Each row's share of the other class, from one sort; both classes have a row."""
    order_N = np.argsort(logit_N)
    positive_N = label_N > 0
    rising_N = positive_N[order_N]
    start_G = run_starts(logit_N[order_N])
    size_G = np.diff(start_G, append=len(logit_N))
    positives_G = np.add.reduceat(rising_N.astype(np.float64), start_G)
    negatives_G = size_G - positives_G
    below_G = np.cumsum(negatives_G) - 0.5 * negatives_G
    above_G = positives_G.sum() - np.cumsum(positives_G) + 0.5 * positives_G
    share_G2 = np.stack([above_G / positives_G.sum(), below_G / negatives_G.sum()], axis=1)
    share_N = np.empty(len(logit_N))
    share_N[order_N] = share_G2[np.repeat(np.arange(len(start_G)), size_G), rising_N.astype(np.int64)]
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
    _, user_N = np.unique(user_N, return_inverse=True)
    n_users = int(user_N.max(initial=-1)) + 1
    pull_U = pulls(components(logit_N, label_N), user_N, n_users)
    if other_N is not None:
        pull_U = pull_U - pulls(components(other_N, label_N), user_N, n_users)
    if n_users < 2:
        raise ValueError(f"expected rows of two users or more, found {n_users}")
    return n_users / (n_users - 1) * float((pull_U**2).sum())


def pulls(one: Components, user_N: NDArray[np.int64], n_users: int) -> Floats:
    """X_u / P + Y_u / M of each user: what it adds to the AUC beyond the mean. Differences and means of AUCs on the
    same users have those of their pulls."""
    n_positives = int(one.positive_N.sum())
    size_N = np.where(one.positive_N, n_positives, len(one.positive_N) - n_positives)
    pull_U: Floats = np.bincount(user_N, (one.share_N - one.auc) / size_N, minlength=n_users).astype(np.float64)
    return pull_U


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
