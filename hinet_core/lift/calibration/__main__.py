"""`make calibrate`: do the intervals hold the truth? A table of figures and bounds; status 1 where one is out."""

import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from hinet_core.lift.calibration.run import code_said
from hinet_core.lift.calibration.suites import figures
from hinet_core.training.origin import processor

HEAD = """# Calibration of the lift

Written by `make calibrate` on {day} at {commit}: {replications} replications, seed {seed}, {minutes:.1f} minutes of
processor time, Python {python} on {processor}. Each figure must lie between its bounds. T1 to T18 are the acceptance
tests; rows named *teeth* show that the wrong way would be noticed.

| what | found | bounds | |
|---|---|---|---|
"""


@click.command()
@click.option("--replications", default=500, show_default=True, help="Simulated tests per figure.")
@click.option("--seed", default=0, show_default=True, help="Seed of all of them.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the page there too.")
def main(replications: int, seed: int, output: Path | None) -> None:
    """Simulate tests whose truth is known and count how often the statistics hold it."""
    lines, n_out = [], 0
    for one in figures(replications, seed):
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


if __name__ == "__main__":
    main()
