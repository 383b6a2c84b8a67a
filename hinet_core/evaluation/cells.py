"""Every (scope, scenario, task, metric) of a split, for several models over the same rows and the same draws.

N rows, T tasks, D draws of users. A cell that has no value says why and never holds a number.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.intervals import Basis
from hinet_core.evaluation.metrics import METRICS, GroupMetric, Metric, ScoreMetric, Slot
from hinet_core.evaluation.over_groups import of_groups
from hinet_core.evaluation.over_scores import of_scores
from hinet_core.evaluation.places import Judged, Labelled, Place, Scope, Users, places_of
from hinet_core.evaluation.ranked import Floats
from hinet_core.evaluation.rows import Rows, Scores
from hinet_core.settings import load_settings

# Models judged at once, where there are threads: each holds about 150 bytes a row, and 300 MB for 200 draws.
WORKERS = 2

NOT_KNOWN = "the logits before calibration are not known"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A metric's value with its bootstrap draws; `value` is None where `null_reason` says why.

    `n_users` is how many there are, `basis` how many an interval stands on: of a macro mean, which takes each scenario
    alike, only as many as the scenario with fewest has.
    """

    scope: Scope
    scenario_id: str
    task: str
    metric: str
    value: float | None
    value_D: Floats
    n: int
    n_positives: int
    n_users: int
    basis: Basis
    null_reason: str | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.scope, self.scenario_id, self.task, self.metric


def judge(
    rows: Rows, scores: Sequence[Scores], seed: Sequence[int], draws: int, metrics: Iterable[str] | None = None
) -> list[list[Cell]]:
    """The cells of each model, in the same order for all: per task scenario cells, then pooled, then macro.

    `metrics` names those wanted; all without it.
    """
    wanted = chosen(metrics)
    for one in scores:
        one.require_rows_of(rows)
    people = Users.of(rows)
    users = UserDraws(int(people.user_N.max(initial=-1)) + 1, seed, draws)
    labelled = [Labelled.of(rows, people, task) for task in range(len(rows.tasks))]
    places = [places_of(one, rows, task) for task, one in enumerate(labelled)]

    def judged(part: tuple[int, int]) -> list[Cell]:
        task, model = part
        found = of_model(labelled[task], scores[model], task, places[task], users, wanted)
        cells = [cell_of(place, name, found[name][at]) for at, place in enumerate(places[task]) for name in wanted]
        return cells + [macro(name, places[task], found[name]) for name in wanted]

    parts = [(task, model) for task in range(len(rows.tasks)) for model in range(len(scores))]
    cells: list[list[Cell]] = [[] for _ in scores]
    with ThreadPoolExecutor(min(WORKERS, load_settings().threads)) as pool:
        for (_, model), mine in zip(parts, pool.map(judged, parts), strict=True):
            cells[model] += mine
    return cells


def chosen(metrics: Iterable[str] | None) -> dict[str, Metric]:
    """The metrics of these names, in the order of the registry."""
    names = list(METRICS) if metrics is None else list(metrics)
    unknown = sorted(set(names) - set(METRICS))
    if unknown:
        raise ValueError(f"expected metrics among {', '.join(METRICS)}; found {', '.join(unknown)}")
    return {name: one for name, one in METRICS.items() if name in names}


def of_model(
    labelled: Labelled, scores: Scores, task: int, places: list[Place], users: UserDraws, wanted: dict[str, Metric]
) -> dict[str, list[Judged]]:
    """One model and task: each metric in every place. Rows are ranked once per slot, or once where slots agree."""
    unknown = Judged(value=None, value_D=np.full(users.draws, np.nan), null_reason=NOT_KNOWN)
    found = {one.name: [unknown] * len(places) for one in wanted.values() if one.slot == "uncalibrated"}
    for slots, logit_NT in alike(scores):
        mine = [one for one in wanted.values() if one.slot in slots]
        if mine:
            logit_N = logit_NT[labelled.row_N, task]
            rows = labelled, np.argsort(logit_N), logit_N, places, users
            found |= of_scores(*rows, [one for one in mine if isinstance(one, ScoreMetric)])
            found |= of_groups(*rows, [one for one in mine if isinstance(one, GroupMetric)])
    return found


def alike(scores: Scores) -> list[tuple[set[Slot], Floats]]:
    """A model's logits, each with the slots that they are those of."""
    groups: list[tuple[set[Slot], Floats]] = [({"first"}, scores.first_NT)]
    others: list[tuple[Slot, Floats | None]] = [("logged", scores.logged_NT), ("uncalibrated", scores.uncalibrated_NT)]
    for slot, logit_NT in others:
        if logit_NT is None:
            continue
        same = next((slots for slots, one in groups if np.array_equal(one, logit_NT)), None)
        if same is None:
            groups.append(({slot}, logit_NT))
        else:
            same.add(slot)
    return groups


def cell_of(place: Place, metric: str, judged: Judged) -> Cell:
    return Cell(**vars(place), metric=metric, basis=Basis(place.n_users), **vars(judged))


def macro(metric: str, places: Sequence[Place], judged: Sequence[Judged]) -> Cell:
    """The plain mean over the scenarios where the metric is defined; the last place is all rows together."""
    *scenarios, whole = zip(places, judged, strict=True)
    defined = [(place, one) for place, one in scenarios if one.value is not None]
    values = [one.value for _, one in defined if one.value is not None]
    fewest = min((place for place, _ in defined), key=lambda place: place.n_users, default=whole[0])
    return Cell(
        scope="macro",
        scenario_id="",
        task=whole[0].task,
        metric=metric,
        value=float(np.mean(values)) if values else None,
        value_D=np.mean([one.value_D for _, one in defined], axis=0) if defined else whole[1].value_D * np.nan,
        n=sum(place.n for place, _ in defined),
        n_positives=sum(place.n_positives for place, _ in defined),
        n_users=whole[0].n_users,
        basis=Basis(fewest.n_users, fewest.scenario_id),
        null_reason=None if defined else f"undefined in each of {len(scenarios)} scenarios",
        note=f"mean of {len(defined)} of {len(scenarios)} scenarios",
    )
