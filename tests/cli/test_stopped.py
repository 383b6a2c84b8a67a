"""Ctrl-C in the real `hinet ingest`: one sentence at once, nothing torn or left, and a second run ends as if alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_shop import CONTRACT, HEADER

from hinet_core.cli.group import Stopped
from hinet_core.lake import Lake
from hinet_core.settings import Paths

ROOT = str(Path(__file__).parents[2])
DAYS, ROWS = 4, 40_000
WHEN: dict[str, Callable[[Path, Lake], bool]] = {
    "indexed": lambda home, lake: (home / "spill").exists(),
    "staged": lambda home, lake: bool(list((home / "spill").glob("staged-*"))),
    "written": lambda home, lake: len(lake.days("ingest")) > 0,
}


def line(number: int) -> str:
    day, hour, second = number % DAYS + 1, number // 3600 % 24, number % 3600
    return f"u{number % 999},i{number},home,2026-03-0{day}T{hour:02}:{second // 60:02}:{second % 60:02}Z,1"


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [HEADER, *map(line, range(ROWS))]


def start(folder: Path, home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, folder / "hinet.py", "ingest", "--contract", folder / "shop.toml"],
        env={**os.environ, "HINET_HOME": str(home), "HINET_THREADS": "1", "HINET_DATA_DOCS": "0", "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "odd"),
    [
        pytest.param("indexed", ["1,a"], marks=pytest.mark.long),
        pytest.param("staged", ["1,a"], marks=pytest.mark.slow),
        pytest.param("written", [], marks=pytest.mark.slow),
        pytest.param("indexed", [], marks=pytest.mark.long),
        pytest.param("staged", [], marks=pytest.mark.long),
        pytest.param("written", ["1,a"], marks=pytest.mark.long),
    ],
)
def test_ctrl_c(tmp_path, lines, odd, stage):
    (tmp_path / "shop.toml").write_text(CONTRACT)
    (tmp_path / "hinet.py").write_text("from hinet_core.cli import main\nmain()\n")
    home = tmp_path / "home"
    paths, lake = Paths(home / "shop"), Lake(home / "shop" / "lake")
    paths.landing.mkdir(parents=True)
    (paths.landing / "log_1.csv").write_text("\n".join([*lines, *odd]) + "\n")

    process = start(tmp_path, home)
    while process.poll() is None and not WHEN[stage](home, lake):
        time.sleep(0.005)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, f"Error: {Stopped().message}\n")
    assert time.monotonic() - asked < 10  # the machine may be busy; alone it is a fraction of a second
    assert list((home / "spill").iterdir()) == []
    whole = lake.days("ingest")
    assert len(whole) < DAYS and (len(whole) > 0) == (stage == "written")
    named = [one for table in lake.tables() for one in lake.files(table)]
    assert sorted(lake.root.rglob("*.parquet")) == sorted(named)

    again = start(tmp_path, home)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert len(lake.days("ingest")) == DAYS
    counts = [lake.manifest("ingest", day).info["counts"] for day in lake.days("ingest")]
    assert sum(one["rows_read"] for one in counts) == ROWS + len(odd)
    assert sum(one["rows_kept"] for one in counts) == ROWS


AT_AN_IMPORT = """
import os, signal, sys

class At:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, At())
from hinet_core.cli import main
main()
"""


@pytest.mark.parametrize(
    ("module", "verb"),
    [
        ("hinet_core.features.tables", ["features"]),
        ("hinet_core.training", ["model", "card", "champion"]),
        ("hinet_core.experiments.every", ["experiment", "meishi_main"]),
    ],
)
def test_ctrl_c_while_a_verb_is_imported(tmp_path, module, verb):
    (tmp_path / "hinet.py").write_text(AT_AN_IMPORT.format(module=module))
    stopped = subprocess.run(
        [sys.executable, tmp_path / "hinet.py", *verb], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "HINET_HOME": str(tmp_path), "PYTHONPATH": ROOT},
    )  # fmt: skip
    assert (stopped.returncode, stopped.stderr) == (130, f"Error: {Stopped().message}\n")
