"""Adjusted p-values of a family of comparisons: so that what is called a difference is one.

F comparisons.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

Adjust = Literal["holm", "bh", "none"]
Floats = NDArray[np.float64]


def adjusted(p_F: Floats, how: Adjust) -> Floats:
    """`holm`: the chance of any false difference in the family; `bh`: the share of false ones among those found."""
    if how not in RULES:
        raise ValueError(f"expected an adjustment among {', '.join(RULES)}; found {how!r}")
    return RULES[how](np.asarray(p_F, dtype=np.float64))


def holm(p_F: Floats) -> Floats:
    """The k-th smallest of F times F - k + 1, never below an earlier one (Holm 1979)."""
    order_F = np.argsort(p_F, kind="stable")
    scaled_F = np.maximum.accumulate(p_F[order_F] * np.arange(len(p_F), 0, -1))
    out_F = np.empty_like(scaled_F)
    out_F[order_F] = np.minimum(scaled_F, 1.0)
    return out_F


def benjamini_hochberg(p_F: Floats) -> Floats:
    """The k-th smallest of F times F / k, never above a later one (Benjamini and Hochberg 1995)."""
    return np.asarray(false_discovery_control(p_F, method="bh"), dtype=np.float64) if len(p_F) else p_F


RULES = {"holm": holm, "bh": benjamini_hochberg, "none": lambda p_F: p_F}
