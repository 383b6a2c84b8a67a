"""Probabilities that mean what they say: sampling undone, then a curve per scenario and task from the validation day.

Isotonic regression (Zadrozny and Elkan 2002), a line of Platt (1999) where labels are few.

K knots, N rows, S scenarios, T tasks.
"""

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from torch import as_tensor, nn

from hinet_core.dataset import Dataset
from hinet_core.models.layers import KNOTS, Calibration

log = logging.getLogger(__name__)
# Fewer positives or negatives than this say little about a level.
FEWEST = 50
# From here on a cell tells the shape of its curve, not only a line.
FEWEST_FOR_ISOTONIC = 1000
# A block of the isotonic regression with fewer positives or negatives is joined with its neighbour: the chance of a
# block without any would be 0 or 1, and its logit infinite. 20 would cost more log loss than 100 (docs/log.md).
FEWEST_IN_BLOCK = 100
# Chances nearer to each other are one: the sums of a block are not exact.
DISTINCT = 1e-9
# The least slope of a line; a smaller one, or a falling one, would change the order.
LEAST_SCALE = 0.05
# Keeps separable labels from running away; nothing beside the log loss of thousands of rows.
RIDGE = 1e-4

Floats = NDArray[np.float64]
Method = Literal["isotonic", "platt", "platt of all scenarios", "none"]


@dataclass(frozen=True)
class Curve:
    """z -> scale z + offset(z): `offset` is linear between the knots and constant outside."""

    knot_K: Floats
    offset_K: Floats
    scale: float = 1.0


@dataclass(frozen=True)
class CalibratedCell:
    """How the logits of a scenario and task were calibrated, and on how many validation rows."""

    scenario: int
    task: int
    method: Method
    n: int
    n_positives: int
    reason: str = ""


def undo_sampling(model: nn.Module, train: Dataset) -> None:
    """Tell the model's last step at what rates its training rows were kept, and forget what it was calibrated to.

    Raises ValueError for a sample where the model has no such step.
    """
    calibration = getattr(model, "calibration", None)
    if isinstance(calibration, Calibration):
        calibration.reset()
    if not train.negative_rate:
        return
    if not isinstance(calibration, Calibration):
        raise ValueError(
            "the training set keeps only a part of the negatives, and this model has no layers.Calibration named "
            "calibration to correct its logits: give it one as its last step, or remove split.negative_rate"
        )
    calibration.rate_S.copy_(as_tensor(train.negative_rate))


def calibrate(model: nn.Module, valid: Dataset, logits_NT: np.ndarray) -> list[CalibratedCell]:
    """Set the model's last step from `logits_NT`, its uncalibrated logits on `valid`; what was done for each cell.

    A cell is a scenario and a task. With 1,000 positives and negatives it gets an isotonic regression, with 50 a line
    of Platt, with fewer the line of all scenarios together, and if these have not 50 either, none.
    """
    calibration = getattr(model, "calibration", None)
    if not isinstance(calibration, Calibration):
        return []
    labels_NT, known_NT = valid.labels_NT.cpu().numpy(), valid.label_mask_NT.cpu().numpy() > 0
    scenario_N = valid.scenario_N.cpu().numpy()
    cells = []
    for task in range(labels_NT.shape[1]):
        known_N = known_NT[:, task]
        logit_N = logits_NT[known_N, task].astype(np.float64)
        label_N, place_N = labels_NT[known_N, task].astype(np.float64), scenario_N[known_N]
        of_all = platt(logit_N, label_N)
        for scenario in range(len(calibration.rate_S)):
            inside_N = place_N == scenario
            curve, method, reason = cell_curve(logit_N[inside_N], label_N[inside_N], of_all)
            if curve is not None:
                store(calibration, scenario, task, curve)
            n_positives = int(label_N[inside_N].sum())
            cells.append(CalibratedCell(scenario, task, method, int(inside_N.sum()), n_positives, reason))
    methods = Counter(cell.method for cell in cells)
    said = ", ".join(f"{methods[method]} {method}" for method in get_args(Method) if method in methods)
    log.info("calibration of %d scenarios and tasks: %s", len(cells), said)
    return cells


def cell_curve(logit_N: Floats, label_N: Floats, of_all: Curve | None) -> tuple[Curve | None, Method, str]:
    """The curve of one scenario and task, by which method, and why not by a better one."""
    positives = int(label_N.sum())
    fewer = min(positives, len(label_N) - positives)
    if fewer >= FEWEST_FOR_ISOTONIC:
        return isotonic(logit_N, label_N), "isotonic", ""
    reason = f"{positives} positives of {len(label_N)} rows"
    own = platt(logit_N, label_N)
    if own is not None:
        return own, "platt", reason
    if of_all is not None:
        return of_all, "platt of all scenarios", reason
    return None, "none", f"{reason}, and too few in all scenarios"


def store(calibration: Calibration, scenario: int, task: int, curve: Curve) -> None:
    """Write a curve into the buffers; knots that it does not need follow its last one, with the same offset."""
    rest = KNOTS - len(curve.knot_K)
    knot_K = np.concatenate([curve.knot_K, curve.knot_K[-1] + np.arange(1, rest + 1)])
    offset_K = np.concatenate([curve.offset_K, np.repeat(curve.offset_K[-1], rest)])
    calibration.scale_ST[scenario, task] = curve.scale
    calibration.knot_STK[scenario, task] = as_tensor(knot_K)
    calibration.offset_STK[scenario, task] = as_tensor(offset_K)


def isotonic(logit_N: Floats, label_N: Floats) -> Curve:
    """Centred isotonic regression (Oron and Flournoy 2017): straight between the centres of the blocks, in logits.

    Plain isotonic regression is flat inside a block and would tie its rows; the centred one rises everywhere. A block's
    centre is the mean of the model's probabilities in it, so that a model which is right already stays as it is. From
    an outer block's centre to its last row the slope is that of its own rows: where scores say little a block is wide,
    and its rows must not be taken at their word. One block alone is a line.
    """
    start_K, order_N = blocks(logit_N, label_N)
    if len(start_K) == 1:
        return line(logit_N, label_N)
    size_K = np.diff(start_K, append=len(label_N))
    ordered_N, label_N = logit_N[order_N], label_N[order_N]
    chance_K = np.add.reduceat(label_N, start_K) / size_K
    centre_K = logit(np.add.reduceat(expit(ordered_N), start_K) / size_K)
    # Beyond 37 a probability is rounded to 1, and its logit is infinite.
    centre_K = np.clip(centre_K, ordered_N[start_K], ordered_N[start_K + size_K - 1])
    offset_K = logit(chance_K) - centre_K
    low = end_knot(ordered_N[: start_K[1]], label_N[: start_K[1]], ordered_N[0], centre_K[0], offset_K[0])
    high = end_knot(ordered_N[start_K[-1] :], label_N[start_K[-1] :], ordered_N[-1], centre_K[-1], offset_K[-1])
    knot_K, offset_K = (np.concatenate(parts) for parts in zip(low, (centre_K, offset_K), high, strict=True))
    return Curve(knot_K, offset_K)


def end_knot(logit_N: Floats, label_N: Floats, end: float, centre: float, offset: float) -> tuple[Floats, Floats]:
    """The knot at the last row of an outer block, and its offset; none where all rows are at the centre."""
    if end == centre:
        return np.zeros(0), np.zeros(0)
    slope = line(logit_N, label_N).scale
    return np.array([end]), np.array([offset + (slope - 1) * (end - centre)])


def blocks(logit_N: Floats, label_N: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each block of the isotonic regression begins in the order by logit, and this order.

    Neighbours are joined until each has enough of both labels and there are not more than the layer has room for.
    """
    from sklearn.isotonic import IsotonicRegression  # costs a second to import

    order_N = np.argsort(logit_N, kind="stable")
    label_N = label_N[order_N]
    fitted_N = IsotonicRegression().fit_transform(logit_N[order_N], label_N)
    start_K = np.flatnonzero(np.diff(fitted_N, prepend=-1.0) > DISTINCT)
    size_K = np.diff(start_K, append=len(label_N))
    both_2K = np.add.reduceat(np.stack([label_N, 1 - label_N]), start_K, axis=1)
    enough = np.maximum(FEWEST_IN_BLOCK, both_2K.sum(axis=1).min() / (KNOTS - 3))
    kept, open_2 = [0], np.zeros(2)
    for k in range(len(size_K) - 1):
        open_2 += both_2K[:, k]
        if (open_2 >= enough).all():
            kept.append(k + 1)
            open_2[:] = 0
    if len(kept) > 1 and (both_2K[:, kept[-1] :].sum(axis=1) < enough).any():
        kept.pop()
    return start_K[kept], order_N


def platt(logit_N: Floats, label_N: Floats) -> Curve | None:
    """`line`, or None when the labels are too few."""
    positives = label_N.sum()
    return None if min(positives, len(label_N) - positives) < FEWEST else line(logit_N, label_N)


def line(logit_N: Floats, label_N: Floats) -> Curve:
    """The line a z + b that minimises the log loss of sigmoid(a z + b).

    a is at least `LEAST_SCALE`: scores that rank a cell no better than chance keep their order and get its level.
    """
    scale, shift = best_line(logit_N, label_N) if np.ptp(logit_N) > 0 else (1.0, None)
    if scale < LEAST_SCALE:
        scale, shift = LEAST_SCALE, None
    if shift is None:
        reach = 40 + np.abs(scale * logit_N).max()
        shift = float(brentq(lambda b: expit(scale * logit_N + b).sum() - label_N.sum(), -reach, reach))
    return Curve(np.zeros(1), np.full(1, shift), scale)


def best_line(logit_N: Floats, label_N: Floats) -> tuple[float, float | None]:
    """(a, b), whatever the sign of a."""
    design_N2 = np.stack([logit_N, np.ones_like(logit_N)], axis=1).astype(np.float64)

    def loss(line_2: np.ndarray) -> tuple[float, np.ndarray]:
        z_N = design_N2 @ line_2
        value = np.logaddexp(0, z_N).sum() - z_N @ label_N + RIDGE * ((line_2 - [1, 0]) ** 2).sum()
        return value, design_N2.T @ (expit(z_N) - label_N) + 2 * RIDGE * (line_2 - [1, 0])

    def curvature(line_2: np.ndarray) -> np.ndarray:
        p_N = expit(design_N2 @ line_2)
        return (design_N2 * (p_N * (1 - p_N))[:, None]).T @ design_N2 + 2 * RIDGE * np.eye(2)

    fitted = minimize(loss, np.array([1.0, 0.0]), jac=True, hess=curvature, method="trust-exact")
    return float(fitted.x[0]), float(fitted.x[1])
