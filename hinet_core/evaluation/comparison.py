"""Model minus baseline on the same rows: each draw of users judges both, so what they share cancels.

`paired_deltas` compares single models cell by cell; `compare` compares models trained from several seeds, over users
and seeds, with p-values adjusted over the family and a verdict in words.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from hinet_core.evaluation.cells import Cell, chosen, judge
from hinet_core.evaluation.intervals import DRAWS, LEVEL, Interval, over_users
from hinet_core.evaluation.metrics import METRICS
from hinet_core.evaluation.multiple import Adjust, adjusted
from hinet_core.evaluation.places import Scope
from hinet_core.evaluation.rows import Rows, Scores
from hinet_core.evaluation.seeds import Spread, over_seeds

Judged = Mapping[str, Sequence[Sequence[Cell]]]


@dataclass(frozen=True)
class Delta:
    """The difference of one cell (the model's); `value` is None where the cell is undefined."""

    cell: Cell
    value: float | None
    interval: Interval
    null_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A cell of a model, averaged over its seeds. `sd_seeds` is the spread of single trainings, None with one seed."""

    model: str
    scope: Scope
    scenario_id: str
    task: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    sd_seeds: float | None
    n_seeds: int
    n: int
    n_positives: int
    n_users: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A model minus the baseline in one cell, means over seeds. p-values are two-sided; `reason` says why a number is
    missing. For metrics that are best at 1 it is the distances to 1 that are compared."""

    model: str
    baseline: str
    scope: Scope
    scenario_id: str
    task: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None
    adjusted_for: int
    n_seeds: int
    n_seeds_baseline: int
    n: int
    n_users: int
    verdict: str
    reason: str | None = None


def compare(
    rows: Rows,
    scores: Mapping[str, Sequence[Scores]],
    baseline: str,
    *,
    metrics: Iterable[str] = ("auc",),
    scopes: Iterable[Scope] = ("pooled",),
    adjust: Adjust = "holm",
    seed: Sequence[int] = (0,),
    draws: int = DRAWS,
) -> list[Comparison]:
    """Each model, trained from one or more seeds, against the baseline, on the same rows and draws of users.

    All that is returned is one family: p-values are adjusted over models, tasks, scopes and metrics together.
    """
    return compare_judged(judge_seeds(rows, scores, metrics, seed, draws), baseline, scopes, adjust)


def judge_seeds(
    rows: Rows,
    scores: Mapping[str, Sequence[Scores]],
    metrics: Iterable[str] = ("auc",),
    seed: Sequence[int] = (0,),
    draws: int = DRAWS,
) -> dict[str, list[list[Cell]]]:
    """The cells of each model and seed, all on the same draws: what `compare_judged` and `estimates` read."""
    empty = sorted(model for model, of_seeds in scores.items() if not of_seeds)
    if empty:
        raise ValueError(f"expected scores of one seed or more of each model, found none of {', '.join(empty)}")
    cells = iter(judge(rows, [one for of_seeds in scores.values() for one in of_seeds], seed, draws, list(metrics)))
    return {model: [next(cells) for _ in of_seeds] for model, of_seeds in scores.items()}


def estimates(judged: Judged) -> list[Estimate]:
    """Every cell of every model with its mean over seeds and an interval over users and seeds."""
    return [estimate(model, cells) for model, of_seeds in judged.items() for cells in zip(*of_seeds, strict=True)]


def estimate(model: str, cells: Sequence[Cell]) -> Estimate:
    cell, spread = cells[0], over_seeds(cells)
    values = [one.value for one in cells if one.value is not None]
    interval = spread.interval if spread else Interval(None, None, cell.null_reason)
    return Estimate(
        model=model,
        scope=cell.scope,
        scenario_id=cell.scenario_id,
        task=cell.task,
        metric=cell.metric,
        value=spread.value if spread else None,
        low=interval.low,
        high=interval.high,
        sd_seeds=float(np.std(values, ddof=1)) if spread and len(cells) > 1 else None,
        n_seeds=len(cells),
        n=cell.n,
        n_positives=cell.n_positives,
        n_users=cell.n_users,
        reason=interval.reason,
    )


def compare_judged(
    judged: Judged,
    baseline: str,
    scopes: Iterable[Scope] = ("pooled",),
    adjust: Adjust = "holm",
    metrics: Iterable[str] | None = None,
) -> list[Comparison]:
    """`compare` of what is judged already: the other models in their order, cells of these scopes and metrics.

    `metrics` None is all that were judged. Leave out here, not afterwards, what will not be shown: all that is
    returned is the family that p-values are adjusted over.
    """
    if baseline not in judged:
        raise ValueError(f"expected the baseline {baseline!r} among the models judged: {', '.join(judged)}")
    if unknown := sorted(set(scopes) - set(get_args(Scope))):
        raise ValueError(f"expected scopes among {', '.join(get_args(Scope))}; found {', '.join(unknown)}")
    wanted, named, theirs = set(scopes), chosen(metrics), list(zip(*judged[baseline], strict=True))
    found = [
        _compared(model, baseline, mine, other)
        for model, of_seeds in judged.items()
        if model != baseline
        for mine, other in zip(zip(*of_seeds, strict=True), theirs, strict=True)
        if mine[0].scope in wanted and mine[0].metric in named
    ]
    # What could not be compared counts as p = 1, so that the size of the family does not depend on what is found.
    corrected = adjusted(np.array([1.0 if one.p is None else one.p for one in found]), adjust)
    for place, (one, p_adjusted) in enumerate(zip(found, corrected, strict=True)):
        found[place] = replace(one, p_adjusted=None if one.p is None else float(p_adjusted), adjusted_for=len(found))
    return [replace(one, verdict=verdict(one)) for one in found]


def _compared(model: str, baseline: str, mine: Sequence[Cell], theirs: Sequence[Cell]) -> Comparison:
    """The difference of one cell, not yet adjusted nor put into words."""
    cell, from_one = mine[0], METRICS[mine[0].metric].better == "one"
    a, b = over_seeds(mine, from_one=from_one), over_seeds(theirs, from_one=from_one)
    spread: Spread | None = a.minus(b) if a and b else None
    interval = spread.interval if spread else Interval(None, None, cell.null_reason or theirs[0].null_reason)
    return Comparison(
        model=model,
        baseline=baseline,
        scope=cell.scope,
        scenario_id=cell.scenario_id,
        task=cell.task,
        metric=cell.metric,
        difference=spread.value if spread else None,
        low=interval.low,
        high=interval.high,
        p=spread.p_value if spread and interval.low is not None else None,
        p_adjusted=None,
        adjusted_for=0,
        n_seeds=len(mine),
        n_seeds_baseline=len(theirs),
        n=cell.n,
        n_users=cell.n_users,
        verdict="",
        reason=interval.reason,
    )


def verdict(one: Comparison) -> str:
    """What may be said: better or worse by how much, or below which size a difference would have gone unseen."""
    if one.difference is None or one.low is None or one.high is None or one.p_adjusted is None:
        return f"not compared: {one.reason}"
    single = min(one.n_seeds, one.n_seeds_baseline) == 1
    note = "; one seed, so this holds for these trainings only" if single else ""
    if one.p_adjusted < 1 - LEVEL:
        better = (one.difference > 0) == (METRICS[one.metric].better == "higher")
        low, high = sorted((abs(one.low), abs(one.high)))
        return f"{'better' if better else 'worse'} by {abs(one.difference):.2g} ({low:.2g} to {high:.2g}){note}"
    bound = max(abs(one.low), abs(one.high))
    return f"no detectable difference, below {rounded_up(bound)}{note}"


def rounded_up(bound: float) -> str:
    """To two digits, never to less: 0.00312 is 0.0032."""
    if bound == 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(bound)) - 1)
    return f"{math.ceil(bound / unit - 1e-9) * unit:.2g}"


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
    interval = over_users(model.value_D - baseline.value_D, model.basis, constant=True)
    return Delta(model, model.value - baseline.value, interval)
