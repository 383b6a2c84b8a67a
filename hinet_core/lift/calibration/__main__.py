"""`make calibrate`: do the intervals hold the truth? A table of figures and bounds; status 1 where one is out."""

import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from hinet_core.contract import load_contract
from hinet_core.lift.calibration import planted
from hinet_core.lift.calibration.run import code_said
from hinet_core.lift.calibration.suites import Figure, figures
from hinet_core.training.origin import processor

HEAD = """# Calibration of the lift

Written by `make calibrate` on {day} at {commit}: {replications} replications, seed {seed}, {minutes:.1f} minutes of
processor time, Python {python} on {processor}. Each figure must lie between its bounds. T1 to T19 are the acceptance
tests; rows named *teeth* show that the wrong way would be noticed. T17, worlds in which no model should win, is an
experiment with trainings of its own ([results.md](results.md)); that one process and two write the same log (T15) is a
test, `tests/world/test_streaming.py`.

| what | found | bounds | |
|---|---|---|---|
"""


@click.command()
@click.option("--replications", default=500, show_default=True, help="Simulated tests per figure.")
@click.option("--seed", default=0, show_default=True, help="Seed of all of them.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the page there too.")
@click.option("--contract", help="Only the effects planted in this contract's world: a name or a file.")
def main(replications: int, seed: int, output: Path | None, contract: str | None) -> None:
    """Simulate tests whose truth is known and count how often the statistics hold it."""
    if contract is not None and output is not None:
        raise click.UsageError("--output is of all suites: leave --contract out")
    lines, n_out = [], 0
    asked = figures(replications, seed) if contract is None else in_world(contract, seed)
    for one in asked:
        out = "" if one.inside else " **out**"
        lines.append(f"| {one.name} | {one.value:.4f} | {one.low:g} to {one.high:g} |{out} |")
        click.echo(lines[-1])
        n_out += not one.inside
    if output is not None:
        head = HEAD.format(
            day=datetime.now(UTC).date(), replications=replications, seed=seed, minutes=time.process_time() / 60,
            python=platform.python_version(), processor=processor(), commit=code_said(),
        )  # fmt: skip
        output.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    if n_out:
        raise click.ClickException(f"{n_out} of {len(lines)} figures are out of their bounds")
    click.echo(f"all {len(lines)} figures are within their bounds")


def in_world(contract: str, seed: int) -> Iterator[Figure]:
    """Figures of the planted effects; what is wrong with the contract in one line."""
    try:
        for name, value, low, high in planted.in_world(load_contract(contract), seed=seed):
            yield Figure("planted", name, value, low, high)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
