"""Probabilities that mean what they say: sampling undone, one line per task fitted on the validation day (Platt 1999).

N rows, T tasks.
"""

import logging

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from torch import as_tensor, nn

from hinet_core.dataset import Dataset
from hinet_core.models.layers import Calibration

log = logging.getLogger(__name__)
# Fewer positives or negatives than this say little about a level; the raw logits stay.
FEWEST = 50
# Keeps separable labels from running away; nothing beside the log loss of thousands of rows.
RIDGE = 1e-4


def undo_sampling(model: nn.Module, train: Dataset) -> None:
    """Tell the model's last step at what rates its training rows were kept. Raises ValueError where it has none."""
    if not train.negative_rate:
        return
    calibration = getattr(model, "calibration", None)
    if not isinstance(calibration, Calibration):
        raise ValueError(
            "the training set keeps only a part of the negatives, and this model has no layers.Calibration named "
            "calibration to correct its logits: give it one as its last step, or remove split.negative_rate"
        )
    calibration.rate_S.copy_(as_tensor(train.negative_rate))


def calibrate(model: nn.Module, valid: Dataset, logits_NT: np.ndarray) -> None:
    """Set the model's last step so that its log loss on `valid` is least; `logits_NT` are its uncalibrated logits."""
    calibration = getattr(model, "calibration", None)
    if not isinstance(calibration, Calibration):
        return
    labels_NT, known_NT = valid.labels_NT.cpu().numpy(), valid.label_mask_NT.cpu().numpy() > 0
    for task in range(labels_NT.shape[1]):
        known_N = known_NT[:, task]
        fitted = platt(logits_NT[known_N, task], labels_NT[known_N, task])
        if fitted is None:
            log.info("task %d: too few labels on the validation day to calibrate on; raw probabilities stay", task)
            continue
        calibration.scale_T[task], calibration.shift_T[task] = (as_tensor(value) for value in fitted)


def platt(logit_N: np.ndarray, label_N: np.ndarray) -> tuple[float, float] | None:
    """(a, b) with a > 0 that minimise the log loss of sigmoid(a z + b); None when undetermined."""
    positives = label_N.sum()
    if min(positives, len(label_N) - positives) < FEWEST or np.ptp(logit_N) == 0:
        return None
    design_N2 = np.stack([logit_N, np.ones_like(logit_N)], axis=1).astype(np.float64)

    def loss(line_2: np.ndarray) -> tuple[float, np.ndarray]:
        z_N = design_N2 @ line_2
        value = np.logaddexp(0, z_N).sum() - z_N @ label_N + RIDGE * ((line_2 - [1, 0]) ** 2).sum()
        return value, design_N2.T @ (expit(z_N) - label_N) + 2 * RIDGE * (line_2 - [1, 0])

    def curvature(line_2: np.ndarray) -> np.ndarray:
        p_N = expit(design_N2 @ line_2)
        return (design_N2 * (p_N * (1 - p_N))[:, None]).T @ design_N2 + 2 * RIDGE * np.eye(2)

    fitted = minimize(loss, np.array([1.0, 0.0]), jac=True, hess=curvature, method="trust-exact")
    scale, shift = (float(value) for value in fitted.x)
    return (scale, shift) if np.isfinite(fitted.x).all() and scale > 0 else None
