"""`hinet off-policy`: what another policy would have been worth, from a log with propensities."""

from datetime import UTC, datetime
from pathlib import Path

import click

from hinet_core.cli.group import DaySpan, contract_option, days_option, main, one_sentence, places, seed_option
from hinet_core.cli.output import show, write_csv


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
    from hinet_core.lift.off_policy.answers import answers
    from hinet_core.lift.off_policy.lake_rows import COLUMNS, rows_of
    from hinet_core.lift.off_policy.written import HEADS, LIFT, VALUE, lines_of, put, section, why

    with one_sentence():
        contract, _, lake = places(name)
        wanted = None if days is None else [day for day in lake.days("ingest") if day in days]
        scopes = answers(
            contract, lake, target=target, baseline=baseline, log=log_rows, truth=truth, task=task_name, days=wanted,
            seed=seed,
        )  # fmt: skip
        rows = [row for scope in scopes for row in rows_of(scope)]
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
