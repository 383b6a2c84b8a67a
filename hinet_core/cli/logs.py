"""`hinet land` and `hinet import`: files of a log into landing."""

from pathlib import Path

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places
from hinet_core.cli.output import show
from hinet_core.contract import load_contract, packaged_contracts


@main.command()
@contract_option
@click.argument("folder", type=click.Path(path_type=Path))
def land(name: str, folder: Path) -> None:
    """Copy the files that the contract names from FOLDER into landing."""
    from hinet_core.ingest.delivery import land as copy_in
    from hinet_core.ingest.landing import index
    from hinet_core.ingest.readers import LandingError

    with one_sentence():
        contract, paths, _ = places(name)
        copied = copy_in(contract, paths, folder)
        try:
            landed = index(contract, paths)
        except LandingError as error:
            raise LandingError(f"{len(copied)} new files have landed, but {error}") from error
    days, known = landed.days, landed.known_days
    late = f"; outcomes known from {known[0]} to {known[-1]} ({len(known)})" if known else ""
    click.echo(f"{len(copied)} new files; landed days: {days[0]} to {days[-1]} ({len(days)}){late}")


@main.command("import")
@click.option("--rows", type=click.IntRange(min=1), help="The first rows of each log file, for a try.")
@click.argument("name", required=False)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def import_(rows: int | None, name: str | None, folder: Path | None) -> None:
    """Land the public log NAME from FOLDER, as loaded from its publisher; without NAME, list the public logs.

    Archives are unpacked as far as needed. Files that are missing are listed with where the publisher offers them.
    """
    from hinet_core.ingest.landing import index
    from hinet_core.ingest.public import import_log

    if name is None:
        list_public_logs()
        return
    if folder is None:
        raise click.UsageError(f"FOLDER is missing: where the files of {name} are")
    with one_sentence():
        contract, paths, _ = places(name)
        imported = import_log(contract, paths, folder, rows)
        for sentence in imported.said:
            click.echo(sentence)
        days = index(contract, paths).days
    click.echo(f"{imported.files} new files; landed days: {days[0]} to {days[-1]} ({len(days)})")
    click.echo(f"next: hinet ingest --contract {name}, or make run CONTRACT={name} for everything")


def list_public_logs() -> None:
    """Every packaged contract of a public log, with where it is offered."""
    logs = [contract for contract in map(load_contract, packaged_contracts()) if contract.origin]
    show(
        ["name", "log", "data set", "page", "licence"],
        [[one.name, one.title, one.origin.dataset, one.origin.page, one.origin.licence] for one in logs if one.origin],
    )
    click.echo("hinet import NAME FOLDER lands one of them; --rows N the first rows only")
