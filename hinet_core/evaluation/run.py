"""Judge every model trained as of day D on days D … D+h-1, once all their labels are settled.

Deterministic: the same models and examples give the same rows, and evaluating as of D again later does too,
since labels are read as known on the day the last judged label settles.
"""

import logging
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
from numpy.typing import NDArray

from hinet_core.contract import Contract
from hinet_core.evaluation.cells import Cell, judge
from hinet_core.evaluation.comparison import paired_deltas
from hinet_core.evaluation.delong import noted
from hinet_core.evaluation.intervals import DRAWS, wilson
from hinet_core.evaluation.rows import Rows, Scores
from hinet_core.evaluation.tables import EVAL_DELTAS, EVAL_METRICS, LABEL_RATES, Row, delta_row, metric_row
from hinet_core.lake import Lake, connect
from hinet_core.progress import track

if TYPE_CHECKING:
    from hinet_core.evaluation.scoring import Scorer

log = logging.getLogger(__name__)

STEP = "evaluation"
SPLITS = ("judged", "valid")
EPOCH = date(1970, 1, 1)


class NotMatureYet(ValueError):  # noqa: N818  the name other rooms import
    """The days on which a model would be judged are not all there, or their labels not settled."""


class NotComparableError(ValueError):
    """Models that were not, or must not be, judged on the same rows."""


def judged_days(contract: Contract, as_of: date) -> list[date]:
    """D … D+h-1."""
    return [as_of + timedelta(days=day) for day in range(contract.split.judged_days)]


def settled_on(contract: Contract, as_of: date) -> date:
    """The first day at whose start every label of the judged days is settled: D+h+m, on the clock."""
    from hinet_core.dataset.window import is_settled

    last = judged_days(contract, as_of)[-1]
    day = last + timedelta(days=1)
    while not is_settled(contract, last, day):
        day += timedelta(days=1)
    return day


def newest_judged_as_of(contract: Contract, lake: Lake) -> date | None:
    """The latest as_of whose judged days are committed and settled by now, or None."""
    committed = set(lake.days("examples"))
    for as_of in sorted(committed, reverse=True):
        there = committed.issuperset(judged_days(contract, as_of))
        if there and settled_on(contract, as_of) <= max(committed) + timedelta(days=1):
            return as_of
    return None


def require_settled(contract: Contract, lake: Lake, as_of: date) -> None:
    """Raise `NotMatureYet` with what is missing. What a committed day brings is known when that day ends."""
    committed = lake.days("examples")
    missing = [day.isoformat() for day in judged_days(contract, as_of) if day not in committed]
    last_needed = settled_on(contract, as_of) - timedelta(days=1)
    if not missing and committed[-1] >= last_needed:
        return
    newest = committed[-1].isoformat() if committed else "none"
    lacking = f"examples of {', '.join(missing)}" if missing else f"labels that settle by the end of {last_needed}"
    raise NotMatureYet(
        f"a model as of {as_of} is judged on {contract.split.judged_days} days from {as_of}: expected examples "
        f"through {last_needed}, found the newest committed day {newest}; missing: {lacking}. "
        "Land and materialize these days, or evaluate an earlier as_of."
    )


def trained_runs(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, as_of: date, models: Sequence[str] | None
) -> list[Row]:
    """The `runs` rows as of D, by model name; refuses a model whose training touches the judged days."""
    steps = {step.removeprefix("train/") for step in lake.steps() if step.startswith("train/")}
    trained = sorted(name for name in steps if lake.manifest(f"train/{name}", as_of) is not None)
    unknown = sorted(set(models or ()) - set(trained))
    if unknown or not trained:
        raise ValueError(
            f"expected a model trained as of {as_of}, found none for {', '.join(unknown) or contract.name}; "
            f"trained as of that day: {', '.join(trained) or 'none'}. Materialize its training first."
        )
    wanted = [name for name in trained if models is None or name in models]
    rows = lake.scan(con, "runs", [as_of]).to_arrow_table().to_pylist()
    runs = sorted((row for row in rows if row["model"] in wanted), key=lambda row: row["model"])
    for run in runs:
        refuse_overlap(run, as_of)
    return runs


def refuse_overlap(run: Row, judged_from: date) -> None:
    """A model that has seen the days it would be judged on is no comparison."""
    seen = max(run["train_to"], run["valid_day"])
    if seen >= judged_from or run["as_of"] > judged_from:
        raise NotComparableError(
            f"{run['model']} ({run['run_id']}) is trained as of {run['as_of']} on days through {seen}, and would be "
            f"judged on days from {judged_from}. Judge a version trained as of {judged_from} or earlier."
        )


def evaluate(
    contract: Contract, lake: Lake, models_root: Path, as_of: date, models: Sequence[str] | None = None
) -> list[Row]:
    """Judge the models trained as of D, commit eval_metrics, eval_deltas and label_rates; the metric rows."""
    from hinet_core.evaluation.scoring import Scorer

    require_settled(contract, lake, as_of)
    con = connect()
    try:
        runs = trained_runs(con, contract, lake, as_of, models)
        scorers = [Scorer(run["model"], models_root / run["version"], contract) for run in runs]
        splits = {
            "judged": (judged_days(contract, as_of), settled_on(contract, as_of)),
            "valid": ([common_valid_day(runs)], as_of),
        }
        metrics: list[Row] = []
        deltas: list[Row] = []
        for number, (split, (days, known_on)) in enumerate(splits.items()):
            rows, scores, day_N = score_all(con, lake, scorers, days, known_on)
            log.info("%s: %d models on %d %s rows", contract.name, len(scores), len(rows), split)
            cells = judge(rows, scores, seed=(as_of.toordinal(), number), draws=DRAWS)
            metrics += [
                metric_row(run, as_of, split, cell)
                for run, mine, one in zip(runs, cells, scores, strict=True)
                for cell in noted(mine, rows, one)
            ]
            deltas += delta_rows(contract, runs, cells, as_of, split)
            if split == "judged":
                rates = label_rates(rows, day_N)
    finally:
        con.close()
    info = lineage(contract, lake, runs, splits)
    with lake.begin(STEP, as_of) as draft:
        draft.write_rows("eval_metrics", metrics, EVAL_METRICS)
        draft.write_rows("eval_deltas", deltas, EVAL_DELTAS)
        draft.write_rows("label_rates", rates, LABEL_RATES)
        draft.commit(info)
    return metrics


def common_valid_day(runs: Sequence[Row]) -> date:
    """The validation day V that all runs of one as_of share."""
    days = {run["valid_day"] for run in runs}
    if len(days) != 1:
        named = ", ".join(f"{run['model']} {run['valid_day']}" for run in runs)
        raise NotComparableError(
            f"expected one validation day for all models, found {named}. Train them again as of one day."
        )
    return days.pop()


def score_all(
    con: duckdb.DuckDBPyConnection, lake: Lake, scorers: Sequence["Scorer"], days: list[date], known_on: date
) -> tuple[Rows, list[Scores], NDArray[np.int64]]:
    """Every model's scores on the same rows; models that read other rows are refused."""
    from hinet_core.evaluation.scoring import Encoded

    encoded = Encoded(con, lake.scan(con, "examples", days), known_on)
    label = f"scoring {days[0]} … {days[-1]}"
    results = [scorer.score(encoded) for scorer in track(scorers, label, total=len(scorers))]
    rows, _, day_N = results[0]
    for scorer, (theirs, _, _) in zip(scorers, results, strict=True):
        if not same_rows(rows, theirs):
            raise NotComparableError(
                f"{scorers[0].name} and {scorer.name} read different rows or labels from the examples of "
                f"{days[0]} … {days[-1]}. Train both again under the present contract."
            )
    return rows, [scores for _, scores, _ in results], day_N


def same_rows(a: Rows, b: Rows) -> bool:
    """Whether two models were shown the same users, scenarios and labels, row by row."""
    if (a.scenarios, a.tasks, len(a)) != (b.scenarios, b.tasks, len(b)):
        return False
    pairs = ((a.scenario_N, b.scenario_N), (a.user_N, b.user_N), (a.counts_NT, b.counts_NT))
    labels = np.array_equal(a.label_NT[a.counts_NT], b.label_NT[b.counts_NT])
    return labels and all(np.array_equal(mine, theirs) for mine, theirs in pairs)


def delta_rows(
    contract: Contract, runs: Sequence[Row], cells: Sequence[list[Cell]], as_of: date, split: str
) -> list[Row]:
    """Every other model minus the contract's baseline; none when the baseline was not trained."""
    by_model = {run["model"]: (run, mine) for run, mine in zip(runs, cells, strict=True)}
    if contract.lift.baseline not in by_model:
        return []
    baseline, theirs = by_model[contract.lift.baseline]
    return [
        delta_row(run, baseline, as_of, split, delta)
        for run, mine in by_model.values()
        if run is not baseline
        for delta in paired_deltas(mine, theirs)
    ]


def label_rates(rows: Rows, day_N: NDArray[np.int64]) -> list[Row]:
    """The observed positive rate per judged day, scenario and task, with Wilson's interval."""
    found = []
    for day in np.unique(day_N):
        for code, scenario in enumerate(rows.scenarios):
            for task, name in enumerate(rows.tasks):
                inside = (day_N == day) & (rows.scenario_N == code) & rows.counts_NT[:, task]
                n, positives = int(inside.sum()), int(rows.label_NT[inside, task].sum())
                interval = wilson(positives, n)
                found.append({
                    "day": EPOCH + timedelta(days=int(day)), "scenario_id": scenario, "task": name,
                    "rate": positives / n if n else None, "low": interval.low, "high": interval.high,
                    "n": n, "n_positives": positives,
                })  # fmt: skip
    return found


def lineage(contract: Contract, lake: Lake, runs: Sequence[Row], splits: dict[str, tuple[list[date], date]]) -> Row:
    """What the numbers were computed from, for the manifest."""
    days = [day for used, _ in splits.values() for day in used]
    manifests = {day: lake.manifest("examples", day) for day in days}
    return {
        "data_fingerprint": contract.data_fingerprint,
        "full_fingerprint": contract.full_fingerprint,
        "runs": {run["model"]: run["run_id"] for run in runs},
        "judged_days": [day.isoformat() for day in splits["judged"][0]],
        "valid_day": splits["valid"][0][0].isoformat(),
        "examples": {day.isoformat(): found.content_hash for day, found in manifests.items() if found},
        "draws": DRAWS,
    }
