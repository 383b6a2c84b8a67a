"""What models share that learn from all rows at once, without gradients. N rows."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from hinet_core.dataset import Batch, Dataset, FeatureSpec

NEWTON_STEPS = 30
LONGEST_STEP = 2.0


def check_inputs(spec: FeatureSpec) -> None:
    """Raises ValueError where no feature enters, as `layers.FieldEmbedding` does."""
    if not any(one.in_x for one in (*spec.fields, *spec.numbers, *spec.lists)):
        raise ValueError("no feature enters x: expected at least one field, number or list with in_x = true")


def rows_of(dataset: Dataset, max_rows: int, seed: int) -> Batch:
    """The rows in memory on the CPU; of more than `max_rows` that many, drawn by the seed, in their order."""
    rows: torch.Tensor | slice = slice(None)
    if len(dataset) > max_rows:
        drawn = np.random.default_rng(seed).choice(len(dataset), max_rows, replace=False)
        rows = torch.from_numpy(np.sort(drawn)).to(dataset.scenario_N.device)
    return dataset.batch(rows).to("cpu")


def known_labels(batch: Batch, task: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places of the rows whose label of the task is known, and these labels, 0 or 1."""
    place_N = np.flatnonzero(batch.label_mask_BT[:, task].numpy() > 0)
    return place_N, (batch.labels_BT[:, task].numpy()[place_N] > 0.5).astype(np.int64)


def has_both(label_N: NDArray[np.int64]) -> bool:
    return 0 < label_N.sum() < len(label_N)


def flat_logit(label_N: NDArray[np.int64]) -> float:
    """Where labels tell nothing apart: the logit of their rate, with half a row of each label added."""
    positives = float(label_N.sum())
    return float(np.log(positives + 0.5) - np.log(len(label_N) - positives + 0.5))


def slot_offsets(
    logit_N: NDArray[np.float64], label_N: NDArray[np.int64], cell_N: NDArray[np.int64], n_cells: int
) -> NDArray[np.float64]:
    """b of each cell that minimises the log loss of sigmoid(z + b) + b^2 / 2; 0 for a cell without rows. Newton."""
    offset_C = np.zeros(n_cells)
    for _ in range(NEWTON_STEPS):
        chance_N = expit(logit_N + offset_C[cell_N])
        slope_C = np.bincount(cell_N, chance_N - label_N, n_cells) + offset_C
        curvature_C = np.bincount(cell_N, chance_N * (1 - chance_N), n_cells) + 1
        offset_C -= np.clip(slope_C / curvature_C, -LONGEST_STEP, LONGEST_STEP)
    return offset_C
