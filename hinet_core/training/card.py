"""A model card in Markdown, written from what the model's folder says of itself: model.json, and nothing else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hinet_core.training.description import DESCRIPTION

CARD = "MODEL_CARD.md"
Row = Mapping[str, Any]
Lines = Iterator[str]

USE = """\
To order the items that a user may be shown, inside one of the scenarios above: score each at slot 1, sort by the task
that matters. A probability is that of the outcome inside the task's window, and was calibrated on one day's log.

- It knows these scenarios and tasks alone. An id that training did not meet is one of "unseen" to it.
- It learned from what was shown then: users to whom an item was never shown, and items that were shown to nobody, are
  guessed. That a ranking earns more than another is not said by any figure here.
- Days change. The longer the training lies back, the less the probabilities hold; look at them again on new days.
- No figure here is about groups of users. Nothing but a ranking of items should be decided by it."""

LOAD = """\
    from pathlib import Path
    from hinet_core.training.checkpoint import load
    from hinet_core.training.loop import predict

    bundle = load(Path("{version}"), contract=contract)    # refused when the contract has changed
    data = bundle.encoder.transform(con, examples, as_of)  # a DuckDB relation with the columns of `examples`
    logits = predict(bundle.model, data.at_first_slot())   # (rows, tasks); the sigmoid of one is a probability

`hinet model export {version}` writes a program that needs torch alone."""


def card(description: Mapping[str, Any], judged: Sequence[Row] = ()) -> str:
    """The card; `judged` are rows of `eval_metrics` on the judged days, where there are some."""
    meta = description["meta"]
    spec = json.loads(description["spec"])
    version = meta.get("run", {}).get("version", description["name"])
    sections: list[tuple[str, Lines]] = [
        ("What it is", what_it_is(description, meta)),
        ("What it learned from", learned_from(meta, spec)),
        ("On the validation day", validation(meta)),
        ("On the judged days", judgement(judged)),
        ("Use and limits", iter(USE.splitlines())),
        ("Load and score", iter(LOAD.format(version=version).splitlines())),
        ("Settings", settings(description, meta, spec)),
    ]
    lines = [f"# {version}", "", f"Written from {DESCRIPTION}, beside which it lies."]
    for title, content in sections:
        if found := list(content):
            lines += ["", f"## {title}", "", *found]
    return "\n".join(lines) + "\n"


def what_it_is(description: Mapping[str, Any], meta: Row) -> Lines:
    yield f"{description.get('about', '')}".strip() or description["name"]
    run = meta.get("run")
    if run:
        yield ""
        pace = f" at {run['rows_per_s']:,.0f} rows/s" if run.get("rows_per_s") else ""
        yield f"{run['n_params']:,} parameters, preset {run['preset']}, seed {run['seed']}; trained"
        yield f"{run['started_at'][:16]} UTC in {run['duration_s']:.0f} s{pace}, best epoch {run['best_epoch']}."
    if "code" in meta:
        yield ""
        yield f"Code: {code_said(meta['code'])}. " + ", ".join(f"{k} {v}" for k, v in meta["versions"].items()) + "."
        hardware = meta["hardware"]
        yield f"Machine: {hardware['device']}, {hardware['name']}, {hardware['threads']} threads."


def code_said(code: Row) -> str:
    changed = ", with changes that are not committed" if code["modified"] else ""
    revision = f"git revision {code['git_revision']}{changed}" if code["git_revision"] else "an installed package"
    return f"{revision}, source hash {code['source_hash']}"


def learned_from(meta: Row, spec: Row) -> Lines:
    run, days = meta.get("run"), meta.get("days")
    if run and days:
        fitted = [*days["train"], *days["fresh"]]
        yield f"{run['n_train']:,} rows of {len(fitted)} days, {fitted[0]} to {fitted[-1]}; stopped by {days['valid']}."
        missing = f"{', '.join(days['missing'])} were not committed" if days["missing"] else "none was missing"
        yield f"Labels as known at 00:00 of {run['as_of']} ({meta['time_zone']}). Of the days asked for, {missing}."
    contract = meta.get("contract")
    if contract:
        yield f"Contract {contract['name']}, data fingerprint {contract['data_fingerprint']}."
    yield ""
    yield f"- scenarios: {', '.join(spec['scenarios'])}"
    yield f"- tasks: {', '.join(spec['tasks'])}"
    for group in ("fields", "numbers", "lists"):
        if names := [one["name"] for one in spec[group] if one["in_x"]]:
            yield f"- {group}: {', '.join(names)}"


def validation(meta: Row) -> Lines:
    """A row per scenario and task, with what calibration changed and how it was done."""
    if not meta.get("metrics"):
        return
    methods = {(one["scenario"], one["task"]): one for one in meta.get("calibration", ())}
    yield "AUC at slot 1; logloss and predicted / observed at the logged slot, before → after calibration, which was"
    yield "fitted on these very rows."
    yield ""
    yield from table_head("scenario", "task", "rows", "positives", "AUC", "logloss", "predicted / observed", "by")
    for row in meta["metrics"]:
        change = [f"{said(row[f'{name}_before_calibration'])} → {said(row[name])}" for name in LEVELS]
        method = methods.get((row["scenario"], row["task"]), {}).get("method", "none")
        counts = [f"{row['n']:,}", f"{row['n_positives']:,}"]
        yield table_row(row["scenario"], row["task"], *counts, said(row["auc"]), *change, method)


WEIGHED = {"train.task_weights": "tasks", "train.positive_weights": "tasks", "train.scenario_weights": "scenarios",
           "train.cell_weights": "scenarios"}  # fmt: skip
LEVELS = ("logloss", "predicted_over_observed")
SHOWN = (
    "auc", "gauc", "logloss_before_calibration", "logloss", "predicted_over_observed_before_calibration",
    "predicted_over_observed",
)  # fmt: skip


def judgement(judged: Sequence[Row]) -> Lines:
    """The metrics that a card shows, with their intervals, a row per place and task."""
    cells: dict[tuple[str, str], dict[str, Row]] = {}
    for row in judged:
        if row["split"] == "judged":
            place = row["scenario_id"] if row["scope"] == "scenario" else f"({row['scope']})"
            cells.setdefault((place, row["task"]), {})[row["metric"]] = row
    if not cells:
        return
    shown = [name for name in SHOWN if any(name in cell for cell in cells.values())]
    yield from table_head("scenario", "task", "rows", "positives", *(name.replace("_", " ") for name in shown))
    for (place, task), cell in cells.items():
        one = next(iter(cell.values()))
        values = [interval(cell.get(name)) for name in shown]
        yield table_row(place, task, f"{one['n']:,}", f"{one['n_positives']:,}", *values)


def settings(description: Mapping[str, Any], meta: Row, spec: Row) -> Lines:
    """All of them, rows of weights by the names of what they weigh."""
    params = meta.get("params") or {f"model.{key}": value for key, value in description["config"].items()}
    for key, value in sorted(params.items()):
        names = spec[WEIGHED[key]] if value and key in WEIGHED else None
        yield f"    {key} = {json.dumps(dict(zip(names, value, strict=True)) if names else value)}"


def interval(row: Row | None) -> str:
    if row is None or row["value"] is None:
        return "none"
    low_high = f" ({row['low']:.3f} to {row['high']:.3f})" if row.get("low") is not None else ""
    return f"{row['value']:.3f}{low_high}"


def said(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def table_head(*names: str) -> Lines:
    yield table_row(*names)
    yield "|" + "---|" * len(names)


def table_row(*cells: str) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
