"""What a trained model reaches on its validation day, per scenario and task, before and after calibration.

N rows, T tasks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import nn

from hinet_core.dataset import Dataset, FeatureSpec
from hinet_core.models.layers import Calibration
from hinet_core.training.loop import predict
from hinet_core.training.stopping import auc

BATCH = 4096


def validation_metrics(model: nn.Module, valid: Dataset, spec: FeatureSpec) -> list[dict[str, Any]]:
    """A row per scenario and task: AUC at slot 1, logloss and predicted / observed at the logged slot.

    None stands for what is undefined. The calibration was fitted on these very rows; judged days say what it is worth.
    """
    first_NT = predict(model, valid.at_first_slot(), BATCH)
    after_NT = predict(model, valid, BATCH)
    before_NT = uncalibrated(model, valid)
    labels_NT, known_NT = valid.labels_NT.cpu().numpy(), valid.label_mask_NT.cpu().numpy() > 0
    scenario_N = valid.scenario_N.cpu().numpy()
    found = []
    for code, scenario in enumerate(spec.scenarios):
        for t, task in enumerate(spec.tasks):
            rows = np.flatnonzero((scenario_N == code) & known_NT[:, t])
            label_N = labels_NT[rows, t].astype(np.float64)
            found.append(
                {"scenario": scenario, "task": task, "n": len(rows), "n_positives": int(label_N.sum())}
                | {"auc": _number(auc(label_N, first_NT[rows, t]))}
                | _levels(label_N, after_NT[rows, t], "")
                | _levels(label_N, before_NT[rows, t], "_before_calibration")
            )
    return found


def uncalibrated(model: nn.Module, dataset: Dataset, batch_size: int = BATCH) -> NDArray[np.float32]:
    """Logits (N, T) as `predict`, but before the calibration; those of a model without one are the same."""
    calibration = getattr(model, "calibration", None)
    if not isinstance(calibration, Calibration):
        return predict(model, dataset, batch_size)
    with calibration.bypassed():
        return predict(model, dataset, batch_size)


def _levels(label_N: NDArray[np.float64], logit_N: NDArray[np.float32], suffix: str) -> dict[str, float | None]:
    z_N = logit_N.astype(np.float64)
    logloss = np.mean(np.logaddexp(0, z_N) - z_N * label_N) if len(z_N) else np.nan
    ratio = expit(z_N).sum() / label_N.sum() if label_N.any() else np.nan
    return {f"logloss{suffix}": _number(logloss), f"predicted_over_observed{suffix}": _number(ratio)}


def _number(value: float | np.floating) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
