"""One function per metric of scores. A new metric is one decorated function: nothing else changes.

G groups of rows with equal logit, D columns of row weights (one column per bootstrap draw, or one column of ones).
Every metric maps a `Ranked` to value_D and gives NaN where a column lacks what it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hinet_core.evaluation.ranked import Floats, Ranked

Compute = Callable[[Ranked], Floats]
Better = Literal["higher", "lower", "one"]
Slot = Literal["first", "logged"]
# Bins of equally many rows over which calibration is judged.
ECE_BINS = 20


@dataclass(frozen=True, kw_only=True)
class Metric:
    """`slot`: logits as if shown in slot 1 (ranking) or at the logged slot (probabilities).

    `better` names the good direction ("one": the closer to 1 the better); `needs` what a cell must hold. `noisy`: noise
    alone pushes the metric up, so that it is larger on draws than on the rows; the draws are then moved to have
    the value as their mean.
    """

    name: str
    title: str
    better: Better
    slot: Slot
    needs: Literal["rows", "positives", "both classes"]
    compute: Compute
    noisy: bool = False

    def undefined(self, n: int, positives: int) -> str | None:
        """Why the metric has no value on n labels of which so many are positive, or None."""
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
    better: Better,
    slot: Slot,
    needs: Literal["rows", "positives", "both classes"],
    noisy: bool = False,
) -> Callable[[Compute], Compute]:
    """Register the function under its own name."""

    def register(compute: Compute) -> Compute:
        name = getattr(compute, "__name__", "")
        METRICS[name] = Metric(
            name=name, title=title, better=better, slot=slot, needs=needs, compute=compute, noisy=noisy
        )
        return compute

    return register


@metric(title="AUC", better="higher", slot="first", needs="both classes")
def auc(rows: Ranked) -> Floats:
    """Weighted share of (positive, negative) pairs ordered rightly; a tie counts one half."""
    below_GD = np.cumsum(rows.negative_GD, axis=0) - 0.5 * rows.negative_GD
    ordered_D = np.einsum("gd,gd->d", rows.positive_GD, below_GD)
    return _ratio(ordered_D, rows.positives * rows.negatives)


@metric(title="AUC at the logged slot", better="higher", slot="logged", needs="both classes")
def auc_logged(rows: Ranked) -> Floats:
    """AUC of the scores that include the slot's own effect: higher than `auc` where slots alone tell labels apart."""
    return auc(rows)


@metric(title="PR-AUC", better="higher", slot="first", needs="positives")
def pr_auc(rows: Ranked) -> Floats:
    """Average precision: the mean over positives of the precision among all rows scored as high or higher."""
    found_GD = np.cumsum(rows.positive_GD[::-1], axis=0)
    shown_GD = found_GD + np.cumsum(rows.negative_GD[::-1], axis=0)
    precision_GD = np.divide(found_GD, shown_GD, out=np.zeros_like(found_GD), where=shown_GD > 0)
    return _ratio(np.einsum("gd,gd->d", rows.positive_GD[::-1], precision_GD), rows.positives)


@metric(title="Log loss", better="lower", slot="logged", needs="rows")
def logloss(rows: Ranked) -> Floats:
    """Mean of -log p(label), in nats, from logits: log(1 + e^z) - y z stays exact for large |z|."""
    of_negative_G = np.logaddexp(0.0, rows.logit_G)
    loss_D = (of_negative_G - rows.logit_G) @ rows.positive_GD + of_negative_G @ rows.negative_GD
    return _ratio(loss_D, rows.positives + rows.negatives)


@metric(title="Normalized entropy", better="lower", slot="logged", needs="both classes")
def normalized_entropy(rows: Ranked) -> Floats:
    """Log loss over that of the constant equal to the positive rate (He et al. 2014): 1 is knowing the rate only."""
    rate_D = _ratio(rows.positives, rows.positives + rows.negatives)
    known = (rate_D > 0) & (rate_D < 1)
    safe_D = np.where(known, rate_D, 0.5)
    entropy_D = -safe_D * np.log(safe_D) - (1 - safe_D) * np.log1p(-safe_D)
    return _ratio(logloss(rows), np.where(known, entropy_D, 0.0))


@metric(title="Calibration error (ECE)", better="lower", slot="logged", needs="rows", noisy=True)
def ece(rows: Ranked) -> Floats:
    """Expected calibration error: the mean over rows of |mean probability - positive rate| of the row's bin.

    Rows in the order of scores are cut into `ECE_BINS` bins of equal weight; rows of equal score stay together.
    """
    weight_GD = rows.weights
    total_D = weight_GD.sum(axis=0)
    before_GD = np.cumsum(weight_GD, axis=0) - weight_GD
    bin_GD = (before_GD * ECE_BINS // np.maximum(total_D, 1e-300)).clip(max=ECE_BINS - 1).astype(np.int64)
    gap_GD = probability(rows.logit_G)[:, None] * weight_GD - rows.positive_GD
    n_draws = len(total_D)
    place_GD = bin_GD * n_draws + np.arange(n_draws)
    gap_BD = np.bincount(place_GD.ravel(), gap_GD.ravel(), minlength=ECE_BINS * n_draws).reshape(ECE_BINS, n_draws)
    return _ratio(np.abs(gap_BD).sum(axis=0), total_D)


@metric(title="Predicted / observed", better="one", slot="logged", needs="positives")
def predicted_over_observed(rows: Ranked) -> Floats:
    """Sum of predicted probabilities over the number of positives; 1 is calibrated on average."""
    return _ratio(probability(rows.logit_G) @ rows.weights, rows.positives)


def probability(logit_G: Floats) -> Floats:
    """The logistic function, the one place where a logit becomes a probability in evaluation."""
    return 0.5 * (1.0 + np.tanh(0.5 * logit_G))


def _ratio(numerator_D: Floats, denominator_D: Floats) -> Floats:
    undefined_D = np.full(len(denominator_D), np.nan)
    return np.divide(numerator_D, denominator_D, out=undefined_D, where=denominator_D > 0)
