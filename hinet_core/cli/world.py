"""`hinet world`: write the log of a simulated world, and show what is true in it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hinet_core.cli.group import DaySpan, days_option, main, one_sentence
from hinet_core.contract import load_contract

if TYPE_CHECKING:
    from hinet_core.world.truth import World

Table = tuple[list[str], list[list[str]]]


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


@world_group.command("show")
@click.argument("contract")
@click.option("--requests", type=click.IntRange(min=1), default=2000, show_default=True,
              help="Fresh requests of each scenario; ten times as many for rates.")  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of tables.")
def world_show(contract: str, requests: int, as_csv: bool) -> None:
    """What is true in the world of CONTRACT, on fresh requests.

    Rates asked for and got; the best AUC per impression whose slot is known, of who knows everything (latent) and of
    who sees a row's features; lifts of expected orders over the policy that wrote the log; correlations of what users
    like.
    """
    from hinet_core.cli.output import show, write_csv
    from hinet_core.world.load import load

    with one_sentence():
        found = load_contract(contract)
        world = load(found)
        tables = [_rates(world, 10 * requests), _ceilings(world, requests), _correlations(world)]
    for columns, rows in tables:
        (write_csv if as_csv else show)(columns, rows)


def _rates(world: "World", requests: int) -> Table:
    from hinet_core.world.rates import rate_checks

    rows = [
        [*one.name.split(), f"{(one.low + one.high) / 2:.4f}", f"{one.value:.4f}"]
        for one in rate_checks(world, requests)
    ]
    return ["scenario", "rate", "asked for", "got"], rows


def _ceilings(world: "World", requests: int) -> Table:
    from hinet_core.lift.ceilings import ceilings_of

    columns = ["scenario", "latent AUC click", "order", "feature AUC click", "order", "oracle lift", "random lift"]
    found = ceilings_of(world, world.traffic.first_day, requests)
    rows = [
        [one.scenario, *(f"{auc:.4f}" for auc in (*one.latent_auc_T, *one.feature_auc_T)),
         *(f"{one.lifts[policy]:+.1%}" for policy in ("oracle", "random"))]
        for one in found
    ]  # fmt: skip
    return columns, rows


def _correlations(world: "World") -> Table:
    names = [f"{scenario} {outcome}" for scenario in world.scenario_ids for outcome in ("click", "order")]
    numbers = [str(number) for number in range(1, len(names) + 1)]
    rows = [
        [number, name, *(f"{value:.2f}" for value in row)]
        for number, name, row in zip(numbers, names, world.correlation, strict=True)
    ]
    return ["", "correlation", *numbers], rows
