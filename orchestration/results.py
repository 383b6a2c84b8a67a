"""The result table of `make run`: what the models are worth per scenario and task, and the lift."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from rich.table import Table

from hinet_core.contract import Contract, Task
from hinet_core.lake import Lake, connect

Row = dict[str, Any]
CALIBRATION = {
    "logloss_before_calibration": "logloss before calibration",
    "logloss": "logloss",
    "predicted_over_observed_before_calibration": "predicted / observed before calibration",
    "predicted_over_observed": "predicted / observed",
}


def result_tables(contract: Contract, lake: Lake, as_of: date) -> list[Table | str]:
    """AUC per task, logloss and calibration, and lift as of the day; what was not computed has no table."""
    metrics = [row for row in rows_of(lake, "evaluation", "eval_metrics", as_of) if row["split"] == "judged"]
    lift = rows_of(lake, "lift", "lift", as_of)
    tables: list[Table | str] = [auc_table(contract, task, metrics, as_of) for task in contract.tasks if metrics]
    if metrics:
        tables.append(calibration_table(contract, metrics))
    if lift:
        tables.append(lift_table(contract, lift))
    return tables


def rows_of(lake: Lake, step: str, table: str, as_of: date) -> list[Row]:
    if lake.manifest(step, as_of) is None:
        return []
    con = connect()
    try:
        return lake.scan(con, table, [as_of]).to_arrow_table().to_pylist()
    finally:
        con.close()


def auc_table(contract: Contract, task: Task, metrics: list[Row], as_of: date) -> Table:
    """One row per scenario, then the mean of scenarios and all rows together; one column per model."""
    models = sorted({row["model"] for row in metrics})
    title = f"{contract.title or contract.name}, {task.title or task.name}: AUC as of {as_of}"
    table = Table(title=title, min_width=60)
    for name in ("scenario", "impressions", "positives"):
        table.add_column(name, justify="left" if name == "scenario" else "right")
    for model in models:
        table.add_column(model, no_wrap=True)
    mine = [row for row in metrics if row["task"] == task.name and row["metric"] == "auc"]
    for scope, scenario_id, title in places(contract):
        found = {row["model"]: row for row in mine if (row["scope"], row["scenario_id"] or "") == (scope, scenario_id)}
        if found:
            one = next(iter(found.values()))
            cells = [interval_text(found[model]) if model in found else "" for model in models]
            table.add_row(title, f"{one['n']:,}", f"{one['n_positives']:,}", *cells)
    return table


def calibration_table(contract: Contract, metrics: list[Row]) -> Table:
    """Logloss and predicted / observed over all modelled scenarios, before and after calibration."""
    models = sorted({row["model"] for row in metrics})
    table = Table("task", "metric", *models, title="All scenarios together", min_width=60)
    for task in contract.tasks:
        for metric, words in CALIBRATION.items():
            wanted = ("pooled", task.name, metric)
            found = {row["model"]: row for row in metrics if (row["scope"], row["task"], row["metric"]) == wanted}
            if found:
                cells = (interval_text(found[one]) if one in found else "" for one in models)
                table.add_row(task.title or task.name, words, *cells)
    return table


def lift_table(contract: Contract, rows: list[Row]) -> Table | str:
    """Orders per request, challenger over baseline, beside the best possible, the logger's and a random ranking."""
    title = f"Lift in orders per request, {rows[0]['model_b']} over {rows[0]['model_a']}"
    table = Table("scenario", "lift", "95 % interval", "oracle", "logger", "random", title=title, min_width=60)
    if all(row["status"] != "estimated" for row in rows):
        return f"{title}: not estimable. " + "; ".join(sorted({str(row["reason"]) for row in rows}))
    titles = {scenario_id: words for _, scenario_id, words in places(contract)}
    for row in sorted(rows, key=lambda one: one["scope"] == "pooled"):
        name = "all, by traffic" if row["scope"] == "pooled" else titles.get(row["scenario_id"], row["scenario_id"])
        if row["status"] == "estimated":
            between = f"{share(row['low'])} … {share(row['high'])}"
            references = (share(row[f"{policy}_lift"]) for policy in ("oracle", "logger", "random"))
            table.add_row(name, share(row["lift"]), between, *references)
        else:
            table.add_row(name, "not estimable")
    return table


def places(contract: Contract) -> Iterable[tuple[str, str, str]]:
    """(scope, scenario_id, words) in the order of the contract, the summaries last."""
    for one in contract.modelled:
        yield "scenario", one.id, one.title or one.id
    yield "macro", "", "mean of scenarios"
    yield "pooled", "", "all together"


def interval_text(row: Row) -> str:
    if row["value"] is None:
        return f"– ({row['null_reason']})"  # noqa: RUF001
    if row["low"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} [dim]({row['low']:.3f}–{row['high']:.3f})[/dim]"  # noqa: RUF001


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2%}"  # noqa: RUF001
