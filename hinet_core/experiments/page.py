"""The page of results: a section per experiment, written by the run itself and replaced by the next one."""

import re
import statistics
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from hinet_core.evaluation.comparison import Comparison, Estimate
from hinet_core.experiments.attention import attention_part
from hinet_core.experiments.ceilings import KNOWN
from hinet_core.experiments.experiment import EXPERIMENTS, SEARCHED
from hinet_core.experiments.grid import Trained
from hinet_core.experiments.lift_part import lift_part
from hinet_core.experiments.markdown import chance, table
from hinet_core.experiments.run import DRAWS, Outcome
from hinet_core.lake import replace_text
from hinet_core.lift.ceilings import attainable_share
from hinet_core.lock import in_turn
from hinet_core.training.description import read_description

TITLE = """# Results

Each section is written by `hinet experiment NAME`; nothing here is edited by hand. A value is the mean over seeds, ±
the standard deviation of single trainings, with an interval of 95 % over users and seeds. `tuned` rows have settings of
`hinet tune`, found on a validation day; `settings of` rows take over those of the model that they vary, as no trial was
made for them; `untuned` ones are at their preset. Weights, epochs, calibration and tuned settings come from days before
the judged ones: settings of a later `hinet tune` are refused. What was changed by people who had read such figures is
not known here. Each table of differences is one family: its p-values, and with them its verdicts, are adjusted by Holm
over the comparisons that it shows, as many as its head says, and over no others.
"""


def section(outcome: Outcome, today: date) -> str:
    """The section of an experiment in Markdown."""
    one = outcome.experiment
    first = str(EXPERIMENTS[one.name].__doc__).splitlines()[0] if one.name in EXPERIMENTS else one.contract.title
    judged = ", ".join(map(str, outcome.days["judged"]))
    parts = [
        f"## {one.name}",
        first,
        f"{today}, {origin_of(outcome.trained[0])}. Trained on {outcome.rows['train']:,} rows as of {outcome.as_of}, "
        f"stopped on {outcome.days['valid'][0]} ({outcome.rows['valid']:,} rows), judged on {judged} "
        f"({outcome.rows['judged']:,} rows); {one.n_seeds} seeds, {DRAWS} draws of users.",
        one.prediction and f"**Expected, written before any model was trained there:** {one.prediction}.",
        "### Models",
        table(["model", "settings", "parameters", "seconds a seed", "best epochs"], model_rows(outcome.trained)),
    ]
    for split, title in (("judged", "Judged days"), ("valid", "Validation day")):
        for task in one.contract.tasks:
            cells = [cell for cell in outcome.cells[split] if cell.task == task.name]
            cells += [cell for cell in outcome.ceilings[split] if cell.task == task.name]
            parts += [f"### {title}: {task.title or task.name}", metric_table(cells)]
        parts += [f"### {title}: AUC minus that of {one.baseline}", difference_table(outcome.differences[split])]
    parts += [lift_part(outcome.lifts), share_part(outcome), attention_part(one.contract, outcome.trained)]
    return "\n\n".join(filter(None, parts)) + "\n"


def origin_of(trained: Trained) -> str:
    """'commit 1a2b3c4, 2 x processor'"""
    meta = read_description(trained.folder)["meta"]
    code, hardware = meta.get("code", {}), meta.get("hardware", {})
    revision = code.get("git_revision")
    commit = f"commit {revision[:10]}" if revision else f"code {trained.run['code_version']}"
    changed = " with changes" if code.get("modified") else ""
    return ", ".join([commit + changed, *(f"{key} {value}" for key, value in hardware.items() if value)])


def model_rows(trained: Sequence[Trained]) -> list[list[str]]:
    rows = []
    for name in dict.fromkeys(one.entry.name for one in trained):
        mine = [one for one in trained if one.entry.name == name]
        seconds = statistics.mean(float(one.run["duration_s"]) for one in mine)
        epochs = ", ".join(str(one.run["best_epoch"]) for one in mine)
        rows.append([name, origin_of_settings(mine[0]), f"{mine[0].run['n_params']:,}", f"{seconds:.0f}", epochs])
    return rows


def origin_of_settings(trained: Trained) -> str:
    """'tuned, 10 trials'; of a preset that no trial was made for, 'settings of hinet, 10 trials'; 'untuned'"""
    entry, trials = trained.entry, trained.settings.trials
    if not trials:
        return "untuned"
    return f"{'tuned' if entry.preset == SEARCHED else f'settings of {entry.model}'}, {trials} trials"


def metric_table(cells: Sequence[Estimate]) -> str:
    """A row per model: pooled and macro AUC, pooled logloss, AUC per scenario."""
    aucs = [cell for cell in cells if cell.metric == "auc"]
    scenarios = list(dict.fromkeys(cell.scenario_id for cell in aucs if cell.scope == "scenario"))
    rows = []
    for model in dict.fromkeys(cell.model for cell in cells):
        mine = {(cell.scope, cell.scenario_id, cell.metric): cell for cell in cells if cell.model == model}
        rows.append([
            model,
            *(written(mine.get((scope, "", "auc")), whole=True) for scope in ("pooled", "macro")),
            written(mine.get(("pooled", "", "logloss"))),
            *(written(mine.get(("scenario", one, "auc"))) for one in scenarios),
        ])  # fmt: skip
    return table(["model", "AUC, pooled", "AUC, macro", "logloss", *(f"AUC, {one}" for one in scenarios)], rows)


def share_part(outcome: Outcome) -> str:
    """How much of what the judged rows' features can tell each model has learned; nothing where that is not known."""
    rows = share_table(outcome.cells["judged"], outcome.ceilings["judged"])
    said = (
        "### Judged days: share of what can be told apart\n\n"
        f"(AUC - 0.5) / (AUC of the {KNOWN} - 0.5). The best knows the world and sees a row's features, but neither "
        "what users did before nor that the policy chose the row, which tell models a little more. Intervals are the "
        "models' own."
    )
    return f"{said}\n\n{rows}" if rows else ""


def share_table(cells: Iterable[Estimate], tops: Iterable[Estimate]) -> str:
    best = {(one.scope, one.task): one.value for one in tops if one.model == KNOWN and one.metric == "auc"}
    rows = []
    for one in cells:
        top = best.get((one.scope, one.task)) or 0.0
        if one.metric == "auc" and one.scope in ("pooled", "macro") and top > 0.5 and one.value is not None:
            value, low, high = (
                None if auc is None else attainable_share(auc, top) for auc in (one.value, one.low, one.high)
            )
            bounds = "-" if low is None or high is None else f"{low:.1%} to {high:.1%}"
            rows.append([one.model, one.task, one.scope, f"{value:.1%}", bounds])
    return table(["model", "task", "over", "share", "95 %"], rows) if rows else ""


def written(cell: Estimate | None, whole: bool = False) -> str:
    """'0.7532 ± 0.0004 [0.7460, 0.7604]'; without a value, a dash."""
    if cell is None or cell.value is None:
        return "-"
    spread = "" if cell.sd_seeds is None else f" ± {cell.sd_seeds:.4f}"
    bounds = f" [{cell.low:.4f}, {cell.high:.4f}]" if whole and cell.low is not None and cell.high is not None else ""
    return f"{cell.value:.4f}{spread}{bounds}"


def difference_table(found: Sequence[Comparison]) -> str:
    """All comparisons of a family, whose size stands in the head: what is shown is what is adjusted for."""
    rows = [
        [one.model, one.task, one.scope, signed(one.difference), f"[{signed(one.low)}, {signed(one.high)}]",
         chance(one.p_adjusted), one.verdict]
        for one in found
    ]  # fmt: skip
    head = f"p, Holm over {found[0].adjusted_for} comparisons" if found else "p"
    return table(["model", "task", "over", "difference", "95 %", head, "verdict"], rows)


def signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"


def put(path: Path, name: str, text: str) -> None:
    """Write the section into the page, in place of the experiment's earlier one; others stay as they are."""
    with in_turn(path):
        page = path.read_text(encoding="utf-8") if path.exists() else ""
        _, *others = re.split(r"(?m)^(?=## )", page)
        kept = {one.splitlines()[0].removeprefix("## ").strip(): one for one in others}
        kept[name] = text
        replace_text(path, "\n".join([TITLE, *(kept[one].rstrip("\n") + "\n" for one in sorted(kept))]))
