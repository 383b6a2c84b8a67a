"""`make calibrate`: do the intervals hold the truth? A table of figures and bounds; status 1 where one is out."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from hinet_core.contract import load_contract
from hinet_core.lift.calibration import page, planted
from hinet_core.lift.calibration.suites import SUITES, Figure, figures


@click.command()
@click.option("--replications", default=500, show_default=True, help="Simulated tests per figure.")
@click.option("--seed", default=0, show_default=True, help="Seed of all of them.")
@click.option("--suite", "suites", multiple=True, type=click.Choice(list(SUITES)), help="This alone; several at once.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the page there too; other suites stay there.")
@click.option("--contract", help="Only the effects planted in this contract's world: a name or a file.")
def main(replications: int, seed: int, suites: tuple[str, ...], output: Path | None, contract: str | None) -> None:
    """Simulate tests whose truth is known and count how often the statistics hold it."""
    if contract is not None and (output is not None or suites):
        raise click.UsageError("--contract stands alone: leave --output and --suite out")
    if contract is not None:
        found = shown(in_world(contract, seed))
    else:
        found, sections = [], {}
        for suite in suites or SUITES:
            mine = shown(figures(replications, seed, [suite]))
            sections[suite] = page.section(suite, mine, replications, seed)
            found += mine
        if output is not None:
            page.write(output, sections)
    click.echo(f"{time.process_time() / 60:.1f} minutes of processor time")
    if n_out := sum(not one.inside for one in found):
        raise click.ClickException(f"{n_out} of {len(found)} figures are out of their bounds")
    click.echo(f"all {len(found)} figures are within their bounds")


def shown(found: Iterable[Figure]) -> list[Figure]:
    """The figures, each printed as it comes."""
    kept = []
    for one in found:
        click.echo(page.line_of(one))
        kept.append(one)
    return kept


def in_world(contract: str, seed: int) -> Iterator[Figure]:
    """Figures of the planted effects; what is wrong with the contract in one line."""
    try:
        for name, value, low, high in planted.in_world(load_contract(contract), seed=seed):
            yield Figure("planted", name, value, low, high)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
