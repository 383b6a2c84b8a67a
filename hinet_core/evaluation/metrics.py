"""One function per metric. A new metric is one decorated function: nothing else changes.

N rows of one cell, D columns of row weights (one column per bootstrap draw, or one column of ones).
Every metric maps (logit_N, label_N, weight_ND) to value_D and gives NaN where a column lacks what it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Compute = Callable[[Floats, Floats, Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """`slot`: logits as if shown in slot 1 (ranking) or at the logged slot (probabilities).

    `better` names the good direction ("one": the closer to 1 the better); `needs` what a cell must hold.
    """

    name: str
    title: str
    better: Literal["higher", "lower", "one"]
    slot: Literal["first", "logged"]
    needs: Literal["rows", "positives", "both classes"]
    compute: Compute

    def undefined(self, label_N: Floats) -> str | None:
        """Why the metric has no value on these labels, or None."""
        n, positives = len(label_N), int(label_N.sum())
        if n == 0:
            return "no example with a mature label"
        if self.needs != "rows" and positives == 0:
            return f"one class only: no positive among {n:,} labels"
        if self.needs == "both classes" and positives == n:
            return f"one class only: all {n:,} labels are positive"
        return None


METRICS: dict[str, Metric] = {}


def metric(
    *,
    title: str,
    better: Literal["higher", "lower", "one"],
    slot: Literal["first", "logged"],
    needs: Literal["rows", "positives", "both classes"],
) -> Callable[[Compute], Compute]:
    """Register the function under its own name."""

    def register(compute: Compute) -> Compute:
        name = getattr(compute, "__name__", "")
        METRICS[name] = Metric(name=name, title=title, better=better, slot=slot, needs=needs, compute=compute)
        return compute

    return register


@metric(title="AUC", better="higher", slot="first", needs="both classes")
def auc(logit_N: Floats, label_N: Floats, weight_ND: Floats) -> Floats:
    """Weighted share of (positive, negative) pairs ordered rightly; a tie counts one half.

    One sort serves all columns: for each positive the weight of the negatives below it is a look-up
    in their running sum.
    """
    positive, negative = np.flatnonzero(label_N > 0), np.flatnonzero(label_N <= 0)
    negative = negative[np.argsort(logit_N[negative])]
    below_ND = np.zeros((len(negative) + 1, weight_ND.shape[1]))
    np.cumsum(weight_ND[negative], axis=0, out=below_ND[1:])

    low = np.searchsorted(logit_N[negative], logit_N[positive], side="left")
    high = np.searchsorted(logit_N[negative], logit_N[positive], side="right")
    weight_pos_ND, tied = weight_ND[positive], np.flatnonzero(high > low)
    ordered_D = np.einsum("nd,nd->d", weight_pos_ND, below_ND[low])
    ordered_D += 0.5 * np.einsum("nd,nd->d", weight_pos_ND[tied], below_ND[high[tied]] - below_ND[low[tied]])
    return _ratio(ordered_D, weight_pos_ND.sum(axis=0) * below_ND[-1])


@metric(title="Log loss", better="lower", slot="logged", needs="rows")
def logloss(logit_N: Floats, label_N: Floats, weight_ND: Floats) -> Floats:
    """Mean of -log p(label), in nats, from logits: log(1 + e^z) - y z stays exact for large |z|."""
    loss_N = np.logaddexp(0.0, logit_N) - label_N * logit_N
    return _ratio(loss_N @ weight_ND, weight_ND.sum(axis=0))


@metric(title="Predicted / observed", better="one", slot="logged", needs="positives")
def predicted_over_observed(logit_N: Floats, label_N: Floats, weight_ND: Floats) -> Floats:
    """Sum of predicted probabilities over the number of positives; 1 is calibrated on average."""
    return _ratio(probability(logit_N) @ weight_ND, label_N @ weight_ND)


def probability(logit_N: Floats) -> Floats:
    """The logistic function, the one place where a logit becomes a probability in evaluation."""
    return 0.5 * (1.0 + np.tanh(0.5 * logit_N))


def _ratio(numerator_D: Floats, denominator_D: Floats) -> Floats:
    undefined_D = np.full(len(denominator_D), np.nan)
    return np.divide(numerator_D, denominator_D, out=undefined_D, where=denominator_D > 0)
