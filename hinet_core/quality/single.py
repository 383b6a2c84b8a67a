"""How well one input alone tells a label: AUC of the label's rate among rows with the same value.

A number is read by its quantile groups, a list by the mean over its items, a missing value as a value of its own.
Rates come from the other folds, so that a value which occurs once tells nothing. N rows, M values (of lists more than
one a row), C different values, F folds.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hinet_core.quality.auc import Floats, auc_interval, grouped_auc

FOLDS = 5
GROUPS = 100  # of a number
# A value's rate starts from so many rows at the base rate.
PRIOR_ROWS = 20.0

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Input:
    """A column that may enter a model, read as `encode`: id, number or list."""

    name: str
    encode: str
    computed: bool = False


@dataclass(frozen=True)
class Auc:
    """`value` is None when a class is missing; `low` and `high` are its 95 % interval."""

    value: float | None
    low: float
    high: float
    n: int
    n_positives: int


def score(rows: pa.Table, one: Input, task: str) -> Auc:
    """The AUC of one input of `rows`, which have `fold` and the label `y <task>` (missing rows are left out)."""
    known = rows.filter(pc.is_valid(rows[f"y {task}"]))
    label_N = known[f"y {task}"].to_numpy().astype(np.float64)
    fold_N = known["fold"].to_numpy()
    n, n_positives = len(label_N), int(label_N.sum())
    row_M, code_M = values_of(known[one.name], one.encode)
    rate_M = out_of_fold(code_M, fold_N[row_M], label_N[row_M])
    score_N = np.bincount(row_M, weights=rate_M, minlength=n) / np.bincount(row_M, minlength=n)
    value = grouped_auc(score_N, label_N, 1 - label_N)
    if value is None:
        return Auc(None, 0.0, 1.0, n, n_positives)
    return Auc(value, *auc_interval(value, n_positives, n - n_positives), n, n_positives)


def values_of(column: pa.ChunkedArray, encode: str) -> tuple[Codes, Codes]:
    """(row, code) of every value; rows come in order, and an empty list or a missing value has a code of its own."""
    if encode == "list":
        flat = column.combine_chunks()
        lengths = np.asarray(pc.fill_null(pc.list_value_length(flat), 0)).astype(np.int64)
        row_M = np.repeat(np.arange(len(lengths)), np.maximum(lengths, 1))
        code_M = np.zeros(len(row_M), dtype=np.int64)
        code_M[np.repeat(lengths > 0, np.maximum(lengths, 1))] = ids(pc.list_flatten(flat)) + 1
        return row_M, code_M
    code_N = groups(column) if encode == "number" else ids(column)
    return np.arange(len(code_N)), code_N


def ids(column: pa.ChunkedArray | pa.Array) -> Codes:
    """Each value by its place among the different ones."""
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return np.asarray(chunked.dictionary_encode(null_encoding="encode").combine_chunks().indices).astype(np.int64)


def groups(column: pa.ChunkedArray) -> Codes:
    """Each number by its quantile group; ties share one, and missing numbers are the last."""
    value_N = np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    present_N = ~np.isnan(value_N)
    if not present_N.any():
        return np.zeros(len(value_N), dtype=np.int64)
    cuts = np.linspace(0, 1, GROUPS + 1)[1:-1]
    bounds = np.unique(np.quantile(value_N[present_N], cuts, method="lower"))
    return np.where(present_N, np.searchsorted(bounds, value_N), len(bounds) + 1)


def out_of_fold(code_M: Codes, fold_M: Codes, label_M: Floats) -> Floats:
    """The label's rate among equal values of the other folds, near the base rate where these are few."""
    n_cells = (int(code_M.max(initial=-1)) + 1) * FOLDS
    cell_M = code_M * FOLDS + fold_M
    count_CF = np.bincount(cell_M, minlength=n_cells).reshape(-1, FOLDS)
    positives_CF = np.bincount(cell_M, weights=label_M, minlength=n_cells).reshape(-1, FOLDS)
    others_CF = count_CF.sum(axis=1, keepdims=True) - count_CF
    hits_CF = positives_CF.sum(axis=1, keepdims=True) - positives_CF
    base = label_M.mean() if len(label_M) else 0.0
    rate_CF = (hits_CF + PRIOR_ROWS * base) / (others_CF + PRIOR_ROWS)
    return rate_CF.ravel()[cell_M]
