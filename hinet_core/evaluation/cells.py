"""Every (scope, scenario, task, metric) of a split, for several models over the same rows and the same draws.

N rows, T tasks, D draws of users. A cell that has no value says why and never holds a number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hinet_core.evaluation.intervals import user_draws
from hinet_core.evaluation.metrics import METRICS, Floats, Metric

Scope = Literal["scenario", "pooled", "macro"]
# Rows x draws held at once: 4 M float64 numbers are 32 MB.
CHUNK = 4_000_000


class NotFiniteError(ValueError):
    """A model gave NaN or infinity."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What was observed on the rows of a split: codes of scenario and user, labels, which labels count."""

    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    scenario_N: NDArray[np.int64]
    user_N: NDArray[np.int64]
    label_NT: Floats
    counts_NT: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scenario_N)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One model's logits on those rows: as if shown in slot 1, and at the slot the log names."""

    model: str
    first_NT: Floats
    logged_NT: Floats

    def __post_init__(self) -> None:
        bad = int((~np.isfinite(self.first_NT) | ~np.isfinite(self.logged_NT)).any(axis=1).sum())
        if bad:
            raise NotFiniteError(
                f"{self.model}: {bad:,} of {len(self.first_NT):,} rows have a logit that is NaN or infinite; "
                "expected finite numbers. Train it again with a lower learning rate; it was not judged."
            )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A metric's value with its bootstrap draws; `value` is None where `null_reason` says why."""

    scope: Scope
    scenario_id: str
    task: str
    metric: str
    value: float | None
    value_D: Floats
    n: int
    n_positives: int
    n_users: int
    null_reason: str | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.scope, self.scenario_id, self.task, self.metric


def judge(rows: Rows, scores: Sequence[Scores], seed: Sequence[int], draws: int) -> list[list[Cell]]:
    """The cells of each model, in the same order for all: scenario cells, then pooled, then macro."""
    _, user_N = np.unique(rows.user_N, return_inverse=True)
    count_UD = user_draws(int(user_N.max(initial=-1)) + 1, seed, draws)
    cells: list[list[Cell]] = [[] for _ in scores]
    for task in range(len(rows.tasks)):
        per_scenario = [
            _judge_rows(rows, task, ("scenario", name), rows.scenario_N == code, user_N, count_UD, scores)
            for code, name in enumerate(rows.scenarios)
        ]
        everything = np.ones(len(rows), dtype=bool)
        pooled = _judge_rows(rows, task, ("pooled", ""), everything, user_N, count_UD, scores)
        for model, mine in enumerate(cells):
            of_scenarios = [cell for scenario in per_scenario for cell in scenario[model]]
            mine += of_scenarios + pooled[model]
            mine += [_macro(metric, of_scenarios, pooled[model]) for metric in METRICS]
    return cells


def _judge_rows(
    rows: Rows,
    task: int,
    where: tuple[Scope, str],
    inside_N: NDArray[np.bool_],
    user_N: NDArray[np.int64],
    count_UD: NDArray[np.uint8],
    scores: Sequence[Scores],
) -> list[list[Cell]]:
    """One scope and one task: all metrics of all models, each draw's row weights gathered once."""
    index = np.flatnonzero(inside_N & rows.counts_NT[:, task])
    label, user = rows.label_NT[index, task], user_N[index]
    found = [{metric: np.full(1 + count_UD.shape[1], np.nan) for metric in METRICS} for _ in scores]
    for start, weight_ND in _weights(user, count_UD):
        columns = slice(start, start + weight_ND.shape[1])
        for model, score in zip(found, scores, strict=True):
            for name, metric in METRICS.items():
                if metric.undefined(label) is None:
                    logit = _logits(metric, score)[index, task]
                    model[name][columns] = metric.compute(logit, label, weight_ND)
    scope, scenario_id = where
    return [
        [
            Cell(
                scope=scope,
                scenario_id=scenario_id,
                task=rows.tasks[task],
                metric=name,
                value=None if (reason := METRICS[name].undefined(label)) else float(values[0]),
                value_D=values[1:],
                n=len(index),
                n_positives=int(label.sum()),
                n_users=len(np.unique(user)),
                null_reason=reason,
            )
            for name, values in model.items()
        ]
        for model in found
    ]


def _weights(user: NDArray[np.int64], count_UD: NDArray[np.uint8]) -> Iterator[tuple[int, Floats]]:
    """Yield (first column, weight_ND): a column of ones (the rows as they are), then the draws in chunks."""
    yield 0, np.ones((len(user), 1))
    step = max(1, CHUNK // max(1, len(user)))
    for start in range(0, count_UD.shape[1], step):
        yield 1 + start, count_UD[:, start : start + step][user].astype(np.float64)


def _logits(metric: Metric, scores: Scores) -> Floats:
    return scores.first_NT if metric.slot == "first" else scores.logged_NT


def _macro(metric: str, of_scenarios: list[Cell], pooled: list[Cell]) -> Cell:
    """The plain mean over the scenarios where the metric is defined."""
    members = [cell for cell in of_scenarios if cell.metric == metric]
    defined = [cell for cell in members if cell.value is not None]
    whole = next(cell for cell in pooled if cell.metric == metric)
    values = [cell.value for cell in defined if cell.value is not None]
    return Cell(
        scope="macro",
        scenario_id="",
        task=whole.task,
        metric=metric,
        value=float(np.mean(values)) if values else None,
        value_D=np.mean([cell.value_D for cell in defined], axis=0) if defined else whole.value_D * np.nan,
        n=sum(cell.n for cell in defined),
        n_positives=sum(cell.n_positives for cell in defined),
        n_users=whole.n_users,
        null_reason=None if defined else f"undefined in each of {len(members)} scenarios",
        note=f"mean of {len(defined)} of {len(members)} scenarios",
    )
