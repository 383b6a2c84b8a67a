"""AUC of counted groups, with its interval.

A group is all rows with one score: G groups with their positives and negatives say all that the rows would.
"""

import math

import numpy as np

from hinet_core.quality.inputs import Floats
from hinet_core.quality.shares import Z95, Interval


def grouped_auc(score_G: Floats, positives_G: Floats, negatives_G: Floats) -> float | None:
    """Chance that a positive's score is above a negative's, ties half; None when a class is missing."""
    total_positives, total_negatives = positives_G.sum(), negatives_G.sum()
    if not total_positives or not total_negatives:
        return None
    _, place = np.unique(score_G, return_inverse=True)
    positives = np.bincount(place, weights=positives_G)
    negatives = np.bincount(place, weights=negatives_G)
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / (total_positives * total_negatives))


def auc_interval(auc: float, n_positives: int, n_negatives: int) -> Interval:
    """95 %, by the variance of Hanley and McNeil (1982); rows count as independent."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (n_positives - 1) * (q1 - auc * auc) + (n_negatives - 1) * (q2 - auc * auc)
    half = Z95 * math.sqrt(max(variance, 0.0) / (n_positives * n_negatives))
    return max(auc - half, 0.0), min(auc + half, 1.0)
