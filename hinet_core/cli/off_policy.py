"""`hinet off-policy`: what another policy would have been worth, from a log with propensities."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hinet_core.cli.group import DaySpan, contract_option, days_option, main, one_sentence, places, seed_option
from hinet_core.cli.output import show, write_csv
from hinet_core.lake import connect

if TYPE_CHECKING:
    from hinet_core.contract import Contract
    from hinet_core.lake import Lake


@main.command("off-policy")
@contract_option
@click.option("--target", default="uniform", show_default=True, help="uniform, column:NAME or shown:COLUMN=VALUE.")
@click.option("--baseline", default="logger", show_default=True, help="What the lift is over; like --target.")
@click.option("--log", "log_rows", metavar="COLUMN=VALUE", help="Only these rows are the log.")
@click.option("--truth", metavar="COLUMN=VALUE", help="Rows that the target itself showed, to hold it against.")
@click.option("--task", "task_name", help="The outcome to count; default: the funnel's last task.")
@days_option
@seed_option("Of folds and bootstraps.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated on stdout, every figure.")
@click.option("--page", type=click.Path(path_type=Path), help="Also write the tables into this page, by their name.")
def off_policy(
    name: str, target: str, baseline: str, log_rows: str | None, truth: str | None, task_name: str | None,
    days: DaySpan | None, seed: int, as_csv: bool, page: Path | None,
) -> None:  # fmt: skip
    """Estimate what the TARGET policy is worth, and its lift, from the propensities of an ingested log.

    Outcomes are weighted by target / logged probability. Refused, with the reason, where the log cannot carry it.
    """
    from hinet_core.lift.off_policy.lake_rows import COLUMNS
    from hinet_core.lift.off_policy.written import HEADS, LIFT, VALUE, lines_of, put, section, why

    with one_sentence():
        contract, _, lake = places(name)
        rows = found(contract, lake, target, baseline, log_rows, truth, task_name, days, seed)
        if page is not None:
            asked = ", ".join(filter(None, [contract.name, log_rows and f"log {log_rows}", f"target {target}"]))
            put(page, asked, section(asked, rows, datetime.now(UTC).date()))
    if as_csv:
        write_csv(COLUMNS, [[row[column] for column in COLUMNS] for row in rows])
        return
    for quantity, title in ((VALUE, f"outcomes per request under {target}"), (LIFT, f"lift over {baseline}")):
        click.echo(f"{title}:")
        show(HEADS, lines_of(rows, quantity))
    for sentence in why(rows):
        click.echo(sentence)
    click.echo("--csv gives every figure.")


def found(
    contract: "Contract", lake: "Lake", target: str, baseline: str, log_rows: str | None, truth: str | None,
    task_name: str | None, days: DaySpan | None, seed: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Tidy rows of every scope; the pooled one first."""
    from hinet_core.lift.off_policy.lake_estimates import estimates
    from hinet_core.lift.off_policy.lake_log import condition, read
    from hinet_core.lift.off_policy.lake_rows import rows_of
    from hinet_core.lift.off_policy.lake_targets import choice

    chosen = [choice(contract, target), choice(contract, baseline)]
    tasks = {task.name: task for task in contract.tasks}
    task = contract.tasks[-1] if task_name is None else tasks.get(task_name)
    if task is None:
        raise ValueError(f"{contract.name} has no task {task_name!r}, allowed: {', '.join(tasks)}")
    conditions = {
        "log": condition(contract, log_rows) if log_rows else None,
        "truth": condition(contract, truth) if truth else None,
        "shown_by": chosen[0].shown_by,
        "baseline_shown_by": chosen[1].shown_by,
    }
    wanted = None if days is None else [day for day in lake.days("ingest") if day in days]
    columns = list(dict.fromkeys(one.column for one in chosen if one.column))
    con = connect()
    try:
        whole = read(con, contract, lake, task, days=wanted, conditions=conditions, probabilities=columns)
    finally:
        con.close()
    scopes = estimates(whole, chosen[0], chosen[1], truth is not None, seed)
    return [row for scope in scopes for row in rows_of(scope)]

