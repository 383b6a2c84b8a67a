"""Model minus baseline on the same rows: each draw of users judges both, so what they share cancels."""

from collections.abc import Sequence
from dataclasses import dataclass

from hinet_core.evaluation.cells import Cell
from hinet_core.evaluation.intervals import Interval, over_users


@dataclass(frozen=True)
class Delta:
    """The difference of one cell (the model's); `value` is None where the cell is undefined."""

    cell: Cell
    value: float | None
    interval: Interval
    null_reason: str | None = None


def paired_deltas(model: Sequence[Cell], baseline: Sequence[Cell]) -> list[Delta]:
    """The differences of two cell lists over the same rows and draws; other lists raise ValueError."""
    mine, theirs = [cell.key for cell in model], [cell.key for cell in baseline]
    counts = [(cell.n, cell.n_positives) for cell in model] == [(cell.n, cell.n_positives) for cell in baseline]
    if mine != theirs or not counts:
        raise ValueError(
            "expected two models judged on the same rows, found different cells or counts: "
            "judge both in one call, then compare"
        )
    return [_delta(a, b) for a, b in zip(model, baseline, strict=True)]


def _delta(model: Cell, baseline: Cell) -> Delta:
    if model.value is None or baseline.value is None:
        return Delta(model, None, Interval(None, None), model.null_reason or baseline.null_reason)
    interval = over_users(model.value_D - baseline.value_D, model.n_users, constant=True)
    return Delta(model, model.value - baseline.value, interval)
