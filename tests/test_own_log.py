"""docs/own_log.md: every command runs as it stands, in order, in an empty folder, and prints what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "own_log.md"
BLOCK = re.compile(r"```sh\n(?P<commands>.*?)```\n(?:\n```text\n(?P<shown>.*?)```\n)?", re.DOTALL)


def printed_by(commands: str, folder: Path) -> str:
    """What a block of the page prints, on stdout and stderr, without blanks at the ends of lines."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HINET_HOME": str(folder / "var"),
        "COLUMNS": "160",
        "PYTHONWARNINGS": "ignore",
    }
    environment.pop("CONTRACT", None)
    done = subprocess.run(["bash", "-euc", commands], cwd=folder, env=environment, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
    return "\n".join(line.rstrip() for line in (done.stdout + done.stderr).splitlines())


@pytest.mark.long
def test_the_walk_through_runs_and_prints_what_it_shows(tmp_path):
    blocks = list(BLOCK.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(blocks) > 7
    for block in blocks:
        assert printed_by(block["commands"], tmp_path) == (block["shown"] or "").rstrip("\n"), block["commands"]
