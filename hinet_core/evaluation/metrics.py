"""One function per metric. A new metric is one decorated function: nothing else changes.

A metric of scores maps a `Ranked` (all rows of a cell) to value_D; a metric of groups maps a `Grouped` (the rows of
users or requests) to a value and a weight of each group, whose weighted mean is the metric.
G groups of rows with equal logit, or of users or requests; D columns of row weights (one per bootstrap draw, or one).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hinet_core.evaluation.grouped import Grouped
from hinet_core.evaluation.ranked import Floats, Ranked

Better = Literal["higher", "lower", "one"]
Slot = Literal["first", "logged", "uncalibrated"]
Needs = Literal["rows", "positives", "both classes"]
OfScores = Callable[[Ranked], Floats]
OfGroups = Callable[[Grouped], tuple[Floats, Floats]]
# Bins of equally many rows over which calibration is judged.
ECE_BINS = 20
# Fewer groups with both classes than this are not averaged.
MIN_GROUPS = 100


@dataclass(frozen=True, kw_only=True)
class Metric:
    """`slot`: logits as if shown in slot 1 (ranking), at the logged slot (probabilities), or there before calibration.

    `better` names the good direction ("one": the closer to 1 the better).
    """

    name: str
    title: str
    better: Better
    slot: Slot


@dataclass(frozen=True, kw_only=True)
class ScoreMetric(Metric):
    """`needs`: what a cell must hold. `noisy`: noise alone pushes the metric up, so that it is larger on draws than on
    the rows; the draws are then moved to have the value as their mean. NaN where a column lacks what it needs."""

    needs: Needs
    compute: OfScores
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


@dataclass(frozen=True, kw_only=True)
class GroupMetric(Metric):
    """`by`: whose rows are a group, always of one scenario. Groups without both classes are left out."""

    by: Literal["user", "request"]
    compute: OfGroups

    def undefined(self, n: int, groups: int) -> str | None:
        """Why the metric has no value on n labels with so many groups of both classes, or None."""
        if n == 0:
            return "no example with a mature label"
        if groups < MIN_GROUPS:
            return f"{groups} {self.by}s with both classes, expected {MIN_GROUPS} or more"
        return None


METRICS: dict[str, Metric] = {}


def metric(
    *, title: str, better: Better, slot: Slot, needs: Needs, noisy: bool = False
) -> Callable[[OfScores], OfScores]:
    """Register a metric of scores under the function's own name."""

    def register(compute: OfScores) -> OfScores:
        name = getattr(compute, "__name__", "")
        METRICS[name] = ScoreMetric(
            name=name, title=title, better=better, slot=slot, needs=needs, compute=compute, noisy=noisy
        )
        return compute

    return register


def group_metric(*, title: str, better: Better, by: Literal["user", "request"]) -> Callable[[OfGroups], OfGroups]:
    """Register a metric of groups under the function's own name; logits are those of slot 1."""

    def register(compute: OfGroups) -> OfGroups:
        name = getattr(compute, "__name__", "")
        METRICS[name] = GroupMetric(name=name, title=title, better=better, slot="first", by=by, compute=compute)
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


@group_metric(title="GAUC", better="higher", by="user")
def gauc(rows: Grouped) -> tuple[Floats, Floats]:
    """AUC among each user's rows of a scenario, weighted by their number: users who click more no longer help."""
    below_R = rows.per_run(rows.per_group(rows.negative_R)) - rows.before(rows.negative_R)
    ordered_G = rows.per_group(rows.positive_R * (below_R - 0.5 * rows.negative_R))
    positives_G, negatives_G = rows.per_group(rows.positive_R), rows.per_group(rows.negative_R)
    return ordered_G / (positives_G * negatives_G), positives_G + negatives_G


@group_metric(title="NDCG@10", better="higher", by="request")
def ndcg_10(rows: Grouped) -> tuple[Floats, Floats]:
    """Normalized discounted cumulative gain of the first 10 of a request; every request counts once.

    Rows of equal score share the discounts of their places (McSherry and Najork 2008).
    """
    rows_R = rows.positive_R + rows.negative_R
    first_R = rows.before(rows_R)
    gain_R = rows.positive_R / rows_R * (discounts(first_R + rows_R) - discounts(first_R))
    return rows.per_group(gain_R) / discounts(rows.per_group(rows.positive_R)), np.ones(len(rows.start_G))


def discounts(n_G: Floats, k: int = 10) -> Floats:
    """The sum of 1 / log2(place + 1) over the first n places, but no more than k."""
    total_K = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    return total_K[np.minimum(n_G, k).astype(np.int64)]


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
    bin_GD = (before_GD * (ECE_BINS / np.maximum(total_D, 1e-300))).astype(np.int64).clip(max=ECE_BINS - 1)
    gap_GD = probability(rows.logit_G)[:, None] * weight_GD - rows.positive_GD
    n_draws = len(total_D)
    place_GD = bin_GD * n_draws + np.arange(n_draws)
    gap_BD = np.bincount(place_GD.ravel(), gap_GD.ravel(), minlength=ECE_BINS * n_draws).reshape(ECE_BINS, n_draws)
    return _ratio(np.abs(gap_BD).sum(axis=0), total_D)


@metric(title="Predicted / observed", better="one", slot="logged", needs="positives")
def predicted_over_observed(rows: Ranked) -> Floats:
    """Sum of predicted probabilities over the number of positives; 1 is calibrated on average."""
    return _ratio(probability(rows.logit_G) @ rows.weights, rows.positives)


@metric(title="Log loss before calibration", better="lower", slot="uncalibrated", needs="rows")
def logloss_before_calibration(rows: Ranked) -> Floats:
    """`logloss` of the logits before the model's last step; the sampling of negatives is undone in them too."""
    return logloss(rows)


@metric(title="ECE before calibration", better="lower", slot="uncalibrated", needs="rows", noisy=True)
def ece_before_calibration(rows: Ranked) -> Floats:
    """`ece` of the logits before calibration."""
    return ece(rows)


@metric(title="Predicted / observed before calibration", better="one", slot="uncalibrated", needs="positives")
def predicted_over_observed_before_calibration(rows: Ranked) -> Floats:
    """`predicted_over_observed` of the logits before calibration."""
    return predicted_over_observed(rows)


def probability(logit_G: Floats) -> Floats:
    """The logistic function, the one place where a logit becomes a probability in evaluation."""
    return 0.5 * (1.0 + np.tanh(0.5 * logit_G))


def _ratio(numerator_D: Floats, denominator_D: Floats) -> Floats:
    undefined_D = np.full(len(denominator_D), np.nan)
    return np.divide(numerator_D, denominator_D, out=undefined_D, where=denominator_D > 0)
