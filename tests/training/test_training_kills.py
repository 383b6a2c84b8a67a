"""A real process, killed at random while it trains, is taken up by the next one to the same files."""

import json
import multiprocessing
import os
import random
import signal
import time
from datetime import date
from pathlib import Path

import pytest
from tiny_log import random_rows, tiny_contract, write_ingest

from hinet_core.features.daily import write_daily_range
from hinet_core.features.examples import write_examples_range
from hinet_core.lake import Lake, connect

AS_OF = date(2024, 3, 13)
WAIT_S = 120


def train_here(root: Path, home: Path, crash_at: str) -> None:
    """What a process does: small batches, and everything is saved after every step."""
    from hinet_core.training.config import TRAIN_PRESETS, TrainConfig
    from hinet_core.training.run import train

    os.environ |= {"HINET_CRASH_AT": crash_at, "HINET_THREADS": "1"}
    TRAIN_PRESETS["quick"] = TrainConfig(epochs=3, batch_size=64)
    train(tiny_contract(), Lake(root), home / "models", AS_OF, "hinet", device="cpu", progress_every_s=0.0)


@pytest.fixture(scope="module")
def processes():
    """Processes that are forked from one that has imported everything and trained nothing."""
    context = multiprocessing.get_context("forkserver")
    rooms = ["hinet_core.training.run", "hinet_core.models.hinet", "torch._dynamo"]  # torch's optimizers import it
    context.set_forkserver_preload(["pytest", "tiny_log", *rooms])
    return context


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Path:
    contract = tiny_contract()
    root = tmp_path_factory.mktemp("lake")
    lake = write_ingest(root, random_rows(0, "UTC", date(2024, 3, 6), n_days=8, n=3000))
    con = connect(threads=1)
    write_daily_range(con, contract, lake, lake.days("ingest"))
    write_examples_range(con, contract, lake, lake.days("ingest"))
    con.close()
    return root


def started(processes, *what):
    process = processes.Process(target=train_here, args=what)
    process.start()
    return process


def steps_saved(home: Path) -> int:
    try:
        (path,) = (home / "models").glob(".*.progress/progress.json")
        return json.loads(path.read_text())["facts"]["history"]["steps"]
    except (ValueError, FileNotFoundError):
        return 0


def outcome(home: Path, lake: Path) -> tuple[bytes, list, str]:
    """The weights as bytes, the curves without the clock, the one folder's name; nothing else is left over."""
    (folder,) = (home / "models").iterdir()
    meta = json.loads((folder / "model.json").read_text())["meta"]
    curves = [row | {"wall_s": 0} for row in meta["curves"]]
    con = connect(threads=1)
    committed = Lake(lake).scan(con, "train_curves").to_arrow_table().num_rows
    con.close()
    assert committed == len(curves)
    return (folder / "weights.safetensors").read_bytes(), curves, folder.name


@pytest.fixture(scope="module")
def whole(processes, lake, tmp_path_factory):
    home = tmp_path_factory.mktemp("whole")
    process = started(processes, lake, home, "")
    process.join()
    assert process.exitcode == 0
    return outcome(home, lake)


@pytest.mark.parametrize(
    "kills", [pytest.param(2, marks=pytest.mark.slow, id="two"), pytest.param(30, marks=pytest.mark.long, id="thirty")]
)
def test_killed_at_random_steps_it_ends_with_the_same_files(processes, lake, whole, tmp_path, kills):
    draw, last = random.Random(kills), max(row["step"] for row in whole[1])
    for kill in range(kills):
        home = tmp_path / str(kill)
        at = draw.randrange(1, last)
        process = started(processes, lake, home, "")
        began = time.monotonic()
        while steps_saved(home) < at and process.is_alive() and time.monotonic() - began < WAIT_S:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert steps_saved(home) >= at
        again = started(processes, lake, home, "")
        again.join()
        assert again.exitcode == 0
        assert outcome(home, lake) == whole


@pytest.mark.slow
@pytest.mark.parametrize("boundary", ["progress-tensors:9", "before-replace:9"])
def test_killed_while_it_saves_it_ends_with_the_same_files(processes, lake, whole, tmp_path, boundary):
    process = started(processes, lake, tmp_path, boundary)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    again = started(processes, lake, tmp_path, "")
    again.join()
    assert again.exitcode == 0
    assert outcome(tmp_path, lake) == whole
