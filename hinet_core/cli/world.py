"""`hinet world`: write the log of a simulated world, and show what is true in it."""

from pathlib import Path

import click

from hinet_core.cli.group import DaySpan, days_option, main, one_sentence
from hinet_core.contract import load_contract


@main.group("world")
def world_group() -> None:
    """Write the log of a simulated world; show its rates, correlations and ceilings."""


@world_group.command("write")
@click.argument("contract")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write to.")
@click.option("--format", "form", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True,
              help="Of the files.")  # fmt: skip
@days_option
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes, a day each.")
def world_write(contract: str, out: Path, form: str, days: DaySpan | None, workers: int) -> None:
    """Write the log of the world of CONTRACT, a file a day and two side tables; what is there already stays.

    The same settings give the same files, whatever the number of processes; memory does not grow with the log.
    """
    from hinet_core.world.log import write_log

    with one_sentence():
        paths = write_log(load_contract(contract), out, days and days.every(), form, workers)  # type: ignore[arg-type]
    click.echo(f"{len(paths)} files of the simulated world in {out}")
