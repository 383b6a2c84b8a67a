"""The page of `make calibrate`: a section per suite, so that one that changed can be run again without the others."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hinet_core.lift.calibration.run import code_said
from hinet_core.lift.calibration.suites import SUITES, Figure
from hinet_core.training.origin import processor

HEAD = """# Calibration of the lift

Written by `make calibrate`, a section per suite with the code it was found with. Each figure must lie between its
bounds. T1 to T19 are the acceptance tests; rows named *teeth* show that the wrong way would be noticed. T17, worlds in
which no model should win, is an experiment with trainings of its own ([results.md](results.md)); that one process and
two write the same log (T15) is a test, `tests/world/test_streaming.py`.
"""


def line_of(one: Figure) -> str:
    """A figure as a row of its table."""
    out = "" if one.inside else " **out**"
    return f"| {one.name} | {one.value:.4f} | {one.low:g} to {one.high:g} |{out} |"


def section(suite: str, found: Sequence[Figure], replications: int, seed: int) -> str:
    """The figures of one suite, and how they were found."""
    said = (
        f"{datetime.now(UTC).date()}, {code_said()}: {replications} replications, seed {seed}, "
        f"Python {platform.python_version()} on {processor()}."
    )
    table = ["| what | found | bounds | |", "|---|---|---|---|", *map(line_of, found)]
    return "\n".join([f"## {suite}", "", said, "", *table]) + "\n"


def write(path: Path, sections: dict[str, str]) -> None:
    """Write the page; sections of suites that were not run stay as they stand there."""
    known = path.read_text(encoding="utf-8").split("\n## ")[1:] if path.exists() else []
    kept = {one.partition("\n")[0]: f"## {one.rstrip()}\n" for one in known}
    whole = kept | sections
    path.write_text("\n".join([HEAD, *(whole[suite] for suite in SUITES if suite in whole)]), encoding="utf-8")
