"""`hinet land`: files of a log into landing."""

from pathlib import Path

import click

from hinet_core.cli.group import contract_option, main, one_sentence, places


@main.command()
@contract_option
@click.argument("folder", type=click.Path(path_type=Path))
def land(name: str, folder: Path) -> None:
    """Copy the files that the contract names from FOLDER into landing."""
    from hinet_core.ingest.landing import index
    from hinet_core.ingest.landing import land as copy_in

    with one_sentence():
        contract, paths, _ = places(name)
        copied = copy_in(contract, paths, folder)
        landed = index(contract, paths)
    days, known = landed.days, landed.known_days
    late = f"; outcomes known from {known[0]} to {known[-1]} ({len(known)})" if known else ""
    click.echo(f"{len(copied)} new files; landed days: {days[0]} to {days[-1]} ({len(days)}){late}")
