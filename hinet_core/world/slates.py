"""Rankings and what they are worth when users look at slot n with probability theta_sn.

R requests, C candidates, N slots. Ties in the score go to the smaller item, so a ranking never depends on
the order in which candidates arrive.
"""

import numpy as np
from numpy.typing import NDArray


def top_slots(score_RC: NDArray[np.floating], item_RC: NDArray[np.integer], n_slots: int) -> NDArray[np.int64]:
    """(R, N) candidate indices, best first. ValueError for NaN scores or fewer candidates than slots."""
    if score_RC.shape != item_RC.shape:
        raise ValueError(f"expected one score per candidate {item_RC.shape}, found {score_RC.shape}")
    if score_RC.shape[1] < n_slots:
        raise ValueError(f"expected at least {n_slots} candidates a request, found {score_RC.shape[1]}")
    if np.isnan(score_RC).any():
        raise ValueError(f"expected scores without NaN, found {int(np.isnan(score_RC).sum())}; check the model")
    by_item = np.argsort(item_RC, axis=1, kind="stable")
    score = np.take_along_axis(score_RC, by_item, axis=1)
    best = np.argsort(-score, axis=1, kind="stable")[:, :n_slots]
    return np.take_along_axis(by_item, best, axis=1)


def slate_value(
    theta_RN: NDArray[np.floating],
    worth_RC: NDArray[np.floating],
    top_RN: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(R,) V(r, pi) = sum_n theta_sn * worth of the item in slot n; worth = p_click p_order|click in slot 1."""
    return (theta_RN.astype(np.float64) * np.take_along_axis(worth_RC, top_RN, axis=1)).sum(axis=1)
