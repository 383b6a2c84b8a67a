"""Every (scope, scenario, task, metric) of a split, for several models over the same rows and the same draws.

N rows, T tasks, D draws of users. A cell that has no value says why and never holds a number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hinet_core.evaluation.binned import Ints, by_place
from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.metrics import METRICS, Metric
from hinet_core.evaluation.ranked import Floats, Ranked
from hinet_core.evaluation.rows import Rows, Scores

Scope = Literal["scenario", "pooled", "macro"]


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


@dataclass(frozen=True, kw_only=True)
class Place:
    """A scenario, or all rows together, and how many labels of a task count there."""

    scope: Scope
    scenario_id: str
    task: str
    n: int
    n_positives: int
    n_users: int


@dataclass(frozen=True)
class Labelled:
    """The rows whose label of one task counts, in the order of users; `row_N` is where they are in the split."""

    row_N: Ints
    scenario_N: Ints
    user_N: Ints
    label_N: Floats


def judge(
    rows: Rows, scores: Sequence[Scores], seed: Sequence[int], draws: int, metrics: Iterable[str] | None = None
) -> list[list[Cell]]:
    """The cells of each model, in the same order for all: per task scenario cells, then pooled, then macro.

    `metrics` names those wanted; all without it.
    """
    wanted = chosen(metrics)
    for one in scores:
        one.require_rows_of(rows)
    _, user_N = np.unique(rows.user_N, return_inverse=True)
    users = UserDraws(int(user_N.max(initial=-1)) + 1, seed, draws)
    by_user_N = np.argsort(user_N, kind="stable")
    cells: list[list[Cell]] = [[] for _ in scores]
    for task in range(len(rows.tasks)):
        row_N = by_user_N[rows.counts_NT[by_user_N, task]]
        labelled = Labelled(row_N, rows.scenario_N[row_N], user_N[row_N], rows.label_NT[row_N, task])
        places = places_of(labelled, rows, task)
        for mine, one in zip(cells, scores, strict=True):
            found = of_scores(labelled, one, task, places, users, wanted)
            mine += found
            mine += [macro(name, [cell for cell in found if cell.metric == name]) for name in wanted]
    return cells


def chosen(metrics: Iterable[str] | None) -> dict[str, Metric]:
    """The metrics of these names, in the order of the registry."""
    names = list(METRICS) if metrics is None else list(metrics)
    unknown = sorted(set(names) - set(METRICS))
    if unknown:
        raise ValueError(f"expected metrics among {', '.join(METRICS)}; found {', '.join(unknown)}")
    return {name: one for name, one in METRICS.items() if name in names}


def places_of(labelled: Labelled, rows: Rows, task: int) -> list[Place]:
    """Each scenario in the contract's order, then all rows."""
    insides = [labelled.scenario_N == code for code in range(len(rows.scenarios))]
    insides.append(np.ones(len(labelled.row_N), dtype=bool))
    names: list[tuple[Scope, str]] = [*(("scenario", name) for name in rows.scenarios), ("pooled", "")]
    return [
        Place(
            scope=scope,
            scenario_id=scenario,
            task=rows.tasks[task],
            n=int(inside_N.sum()),
            n_positives=int(labelled.label_N[inside_N].sum()),
            n_users=n_runs(labelled.user_N[inside_N]),
        )
        for (scope, scenario), inside_N in zip(names, insides, strict=True)
    ]


def n_runs(user_N: Ints) -> int:
    """How many different users, of rising codes."""
    return int((user_N[1:] != user_N[:-1]).sum()) + 1 if len(user_N) else 0


def of_scores(
    labelled: Labelled, scores: Scores, task: int, places: list[Place], users: UserDraws, wanted: dict[str, Metric]
) -> list[Cell]:
    """One model and task: the cells of every place, place by place, metrics in their order."""
    by_slot = {"first": scores.first_NT[labelled.row_N, task], "logged": scores.logged_NT[labelled.row_N, task]}
    slots = [{slot} for slot in by_slot]
    if np.array_equal(by_slot["first"], by_slot["logged"]):
        slots = [set(by_slot)]
    found: dict[tuple[Place, str], Cell] = {}
    for group in slots:
        mine = {name: one for name, one in wanted.items() if one.slot in group}
        if not mine:
            continue
        logit_N = by_slot[min(group)]
        ranks = by_place(logit_N, labelled.label_N, labelled.scenario_N, labelled.user_N, len(places) - 1, users)
        for place, (rows, draws) in zip(places, ranks, strict=True):
            found |= {(place, name): cell_of(place, one, rows, draws) for name, one in mine.items()}
    return [found[place, name] for place in places for name in wanted]


def cell_of(place: Place, metric: Metric, rows: Ranked, binned: Ranked) -> Cell:
    """A metric's exact value, and its draws, moved by as much as binning moves the value."""
    value, value_D = None, np.full(binned.positive_GD.shape[1] - 1, np.nan)
    reason = metric.undefined(place.n, place.n_positives)
    if reason is None:
        value = float(metric.compute(rows)[0])
        in_bins_D = metric.compute(binned)
        centre = np.nanmean(in_bins_D[1:]) if metric.noisy else in_bins_D[0]
        value_D = in_bins_D[1:] + (value - centre)
    return Cell(**vars(place), metric=metric.name, value=value, value_D=value_D, null_reason=reason)


def macro(metric: str, members: list[Cell]) -> Cell:
    """The plain mean over the scenarios where the metric is defined; the last member is pooled."""
    *scenarios, whole = members
    defined = [cell for cell in scenarios if cell.value is not None]
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
        null_reason=None if defined else f"undefined in each of {len(scenarios)} scenarios",
        note=f"mean of {len(defined)} of {len(scenarios)} scenarios",
    )
