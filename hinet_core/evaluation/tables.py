"""The tidy tables of evaluation: one row is one number with its interval and counts."""

from datetime import date
from typing import Any

import pyarrow as pa

from hinet_core.evaluation.cells import Cell
from hinet_core.evaluation.comparison import Delta
from hinet_core.evaluation.intervals import LEVEL, Interval, over_users

Row = dict[str, Any]
TEXT, DAY, NUMBER, COUNT = pa.string(), pa.date32(), pa.float64(), pa.int64()

EVAL_METRICS = pa.schema({
    "run_id": TEXT, "model": TEXT, "as_of": DAY,
    "scope": TEXT, "scenario_id": TEXT, "task": TEXT, "split": TEXT, "metric": TEXT,
    "value": NUMBER, "low": NUMBER, "high": NUMBER, "level": NUMBER, "method": TEXT,
    "n": COUNT, "n_positives": COUNT, "n_users": COUNT, "null_reason": TEXT,
})  # fmt: skip
EVAL_DELTAS = pa.schema({
    "run_id": TEXT, "baseline_run_id": TEXT, "model": TEXT, "baseline": TEXT, "as_of": DAY,
    "scope": TEXT, "scenario_id": TEXT, "task": TEXT, "split": TEXT, "metric": TEXT,
    "delta": NUMBER, "low": NUMBER, "high": NUMBER, "level": NUMBER, "method": TEXT,
    "n": COUNT, "null_reason": TEXT,
})  # fmt: skip
LABEL_RATES = pa.schema({
    "day": DAY, "scenario_id": TEXT, "task": TEXT, "rate": NUMBER, "low": NUMBER, "high": NUMBER,
    "n": COUNT, "n_positives": COUNT,
})  # fmt: skip


def metric_row(run: Row, as_of: date, split: str, cell: Cell) -> Row:
    """A row of eval_metrics. `null_reason` stands where there is no value; a value may lack an interval,
    and `method` then says why."""
    interval = Interval(None, None) if cell.value is None else over_users(cell.value_D, cell.basis)
    return {
        "run_id": run["run_id"],
        "model": run["model"],
        "as_of": as_of,
        **_where(cell, split),
        "value": cell.value,
        "low": interval.low,
        "high": interval.high,
        "level": LEVEL,
        "method": _method("Poisson bootstrap over users", cell, interval),
        "n": cell.n,
        "n_positives": cell.n_positives,
        "n_users": cell.n_users,
        "null_reason": cell.null_reason,
    }


def delta_row(run: Row, baseline: Row, as_of: date, split: str, delta: Delta) -> Row:
    """A row of eval_deltas: model minus baseline on the same rows and the same draws."""
    return {
        "run_id": run["run_id"],
        "baseline_run_id": baseline["run_id"],
        "model": run["model"],
        "baseline": baseline["model"],
        "as_of": as_of,
        **_where(delta.cell, split),
        "delta": delta.value,
        "low": delta.interval.low,
        "high": delta.interval.high,
        "level": LEVEL,
        "method": _method("paired Poisson bootstrap over users", delta.cell, delta.interval),
        "n": delta.cell.n,
        "null_reason": delta.null_reason,
    }


def _where(cell: Cell, split: str) -> Row:
    return {
        "scope": cell.scope,
        "scenario_id": cell.scenario_id,
        "task": cell.task,
        "split": split,
        "metric": cell.metric,
    }


def _method(words: str, cell: Cell, interval: Interval) -> str:
    return "; ".join(part for part in (f"{words}, {len(cell.value_D)} draws", cell.note, interval.reason) if part)
