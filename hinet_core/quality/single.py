"""How well one input alone tells a label: AUC of the label's rate among rows with the same value.

A number is read by its quantile groups, a list by the mean over its items, a missing value as a value of its own.
Rates come from the other folds, so that a value which occurs once tells nothing. N rows, M values (of lists more than
one a row), C different values, F folds, G = C times F cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hinet_core.quality.auc import auc_interval, grouped_auc
from hinet_core.quality.inputs import Codes, Floats, Input, numbers, values_of

FOLDS = 5
GROUPS = 100  # of a number
# A value's rate starts from so many rows at the base rate.
PRIOR_ROWS = 20.0

@dataclass(frozen=True)
class Auc:
    """`value` is None when a class is missing; `low` and `high` are its 95 % interval."""

    value: float | None
    low: float
    high: float
    n: int
    n_positives: int


def scores(rows: pa.Table, one: Input, tasks: Sequence[str]) -> dict[str, Auc]:
    """The AUC of one input of `rows` for each task; `rows` have `fold` and the labels `y <task>`, missing ones left
    out."""
    column, fold_N = rows[one.name], rows["fold"].to_numpy()
    if one.encode == "number":
        code_M = groups(column)
        row_M: Codes = np.arange(len(code_M))
    else:
        row_M, code_M, _ = values_of(column, one.encode)
    cell_M = code_M * FOLDS + fold_N[row_M]
    return {task: score(numbers(rows[f"y {task}"]), row_M, cell_M, one.encode == "list") for task in tasks}


def score(label_N: Floats, row_M: Codes, cell_M: Codes, is_list: bool) -> Auc:
    """A row is scored by its value's rate in the other folds, a list by the mean over its values."""
    known_M = ~np.isnan(label_N[row_M])
    row_M, cell_M = row_M[known_M], cell_M[known_M]
    n, n_positives = int((~np.isnan(label_N)).sum()), int(np.nansum(label_N))
    rate_G, positives_G, count_G = out_of_fold(cell_M, label_N[row_M])
    if is_list:
        values_N = np.bincount(row_M, minlength=len(label_N))
        kept_N = values_N > 0
        mean_N = np.bincount(row_M, rate_G[cell_M], len(label_N))[kept_N] / values_N[kept_N]
        rate_G, positives_G, count_G = mean_N, label_N[kept_N], np.ones(n)
    value = grouped_auc(rate_G, positives_G, count_G - positives_G)
    if value is None:
        return Auc(None, 0.0, 1.0, n, n_positives)
    return Auc(value, *auc_interval(value, n_positives, n - n_positives), n, n_positives)


def groups(column: pa.ChunkedArray) -> Codes:
    """Each number by its quantile group; ties share one, and missing numbers are the last."""
    value_N = numbers(column)
    present_N = ~np.isnan(value_N)
    if not present_N.any():
        return np.zeros(len(value_N), dtype=np.int64)
    cuts = np.linspace(0, 1, GROUPS + 1)[1:-1]
    bounds = np.unique(np.quantile(value_N[present_N], cuts, method="lower"))
    return np.where(present_N, np.searchsorted(bounds, value_N), len(bounds) + 1)


def out_of_fold(cell_M: Codes, label_M: Floats) -> tuple[Floats, Floats, Floats]:
    """(rate, positives, count) of every value and fold: the label's rate among equal values of the other folds, near
    the base rate where these are few."""
    n_cells = (int(cell_M.max(initial=-1)) // FOLDS + 1) * FOLDS
    count_CF = np.bincount(cell_M, minlength=n_cells).reshape(-1, FOLDS).astype(np.float64)
    positives_CF: Floats = np.bincount(cell_M, label_M, n_cells).reshape(-1, FOLDS).astype(np.float64)
    others_CF = count_CF.sum(axis=1, keepdims=True) - count_CF
    hits_CF = positives_CF.sum(axis=1, keepdims=True) - positives_CF
    base = label_M.mean() if len(label_M) else 0.0
    rate_CF = (hits_CF + PRIOR_ROWS * base) / (others_CF + PRIOR_ROWS)
    return rate_CF.ravel(), positives_CF.ravel(), count_CF.ravel()
