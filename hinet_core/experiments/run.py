"""An experiment from its log to its section of the page of results."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from hinet_core.evaluation.cells import Rows, Scores
from hinet_core.evaluation.comparison import Comparison, Estimate, compare_judged, estimates, judge_seeds
from hinet_core.evaluation.places import Scope
from hinet_core.evaluation.run import judged_days, newest_judged_as_of, require_settled, settled_on
from hinet_core.evaluation.scoring import Encoded, Scorer
from hinet_core.experiments.ceilings import ceilings
from hinet_core.experiments.experiment import Experiment, Settings
from hinet_core.experiments.grid import Trained, train_all
from hinet_core.experiments.lift import lifts
from hinet_core.experiments.log_days import committed
from hinet_core.lake import Lake, connect
from hinet_core.lift.architecture_rows import Compared
from hinet_core.progress import track
from hinet_core.settings import Paths

log = logging.getLogger(__name__)

METRICS = ("auc", "logloss")
# What is compared with the baseline, hence shown and adjusted for: every model and task, by these.
COMPARED_BY = ("auc",)
COMPARED_OVER: tuple[Scope, ...] = ("pooled", "macro")
DRAWS = 200


@dataclass(frozen=True)
class Outcome:
    """What an experiment found on each split: every cell of every row of the table, and each row minus the baseline.

    The differences of a split are one family and one table of the page.
    """

    experiment: Experiment
    as_of: date
    trained: tuple[Trained, ...]
    rows: Mapping[str, int]
    days: Mapping[str, tuple[date, ...]]
    cells: Mapping[str, list[Estimate]]
    differences: Mapping[str, list[Comparison]]
    ceilings: Mapping[str, list[Estimate]]  # of a simulated log: what can be reached at all
    lifts: Sequence[Compared] = ()  # of a simulated log: architectures over the baseline, by expected orders


def run(
    experiment: Experiment,
    paths: Paths,
    found: Mapping[str, Settings],
    folder: Path | None = None,
    device: str = "auto",
) -> Outcome:
    """Train what is missing, then judge every seed on the validation day and on the judged days.

    Raises NoLogError where the log is not here, LogNotWholeError where a part of it is not in, NotMatureYet where the
    judged days are not complete.
    """
    contract = experiment.contract
    lake = committed(contract, paths, folder, experiment.missing, experiment.as_of)
    as_of = experiment.as_of or newest_judged_as_of(contract, lake)
    if as_of is None:
        raise ValueError(f"{contract.name}: no day has complete judged days after it; land more days of the log")
    require_settled(contract, lake, as_of)
    require_earlier(found, [one.model for one in experiment.entries if one.tuned], as_of)
    root = paths.experiments / "models"
    trained = train_all(contract, lake, root, as_of, experiment.entries, experiment.n_seeds, found, device)
    valid_day = date.fromisoformat(trained[0].run["valid_day"])
    days = {"valid": (valid_day,), "judged": tuple(judged_days(contract, as_of))}
    known_on = {"valid": as_of, "judged": settled_on(contract, as_of)}
    cells, differences, tops, n_rows = {}, {}, {}, {"train": int(trained[0].run["n_train"])}
    for number, split in enumerate(days):
        rows, scores, best = scored(experiment, lake, trained, days[split], known_on[split])
        draws_from = (as_of.toordinal(), number)
        judged = judge_seeds(rows, scores, METRICS, draws_from, DRAWS)
        cells[split], n_rows[split] = estimates(judged), len(rows)
        differences[split] = compare_judged(judged, experiment.baseline, COMPARED_OVER, metrics=COMPARED_BY)
        tops[split] = estimates(judge_seeds(rows, best, METRICS, draws_from, DRAWS)) if best else []
    found_lifts = lifts(experiment, lake, trained, as_of)
    return Outcome(experiment, as_of, tuple(trained), n_rows, days, cells, differences, tops, found_lifts)


def require_earlier(found: Mapping[str, Settings], tuned: Sequence[str], as_of: date) -> None:
    """Raises ValueError for settings that were chosen by days which are judged here, or later ones."""
    late = {model: one.valid_day for model, one in found.items() if one.valid_day and one.valid_day >= as_of}
    if wrong := sorted(late.keys() & set(tuned)):
        raise ValueError(
            f"the settings of {', '.join(wrong)} were found on {late[wrong[0]]}, which is not before {as_of}, where "
            f"judging begins: run hinet tune --as-of {as_of}, or leave them out of the file"
        )


def scored(
    experiment: Experiment, lake: Lake, trained: Sequence[Trained], days: Sequence[date], known_on: date
) -> tuple[Rows, dict[str, list[Scores]], dict[str, list[Scores]]]:
    """The rows of the days; by row of the table, each seed's scores of them; what nothing can exceed, where known."""
    found: dict[str, list[Scores]] = {}
    con = connect()
    try:
        examples: Any = lake.scan(con, "examples", days)
        encoded = Encoded(con, examples, known_on)
        for one in track(trained, f"{experiment.name}: scoring"):
            rows, scores, _ = Scorer(one.entry.name, one.folder, experiment.contract).score(encoded)
            found.setdefault(one.entry.name, []).append(scores)
        best = ceilings(experiment.contract, examples, days, rows)
    finally:
        con.close()
    return rows, found, {name: [scores] for name, scores in best.items()}
