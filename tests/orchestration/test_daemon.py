"""The schedule fired by Dagster's own daemon: landed files become a published snapshot with nobody at the keyboard."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hinet_core.contract import load_contract

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_at_its_hour_the_schedule_brings_everything_up_to_date(small_file, small_paths, home, tmp_path):
    contract = load_contract(str(small_file))
    soon = datetime.now(contract.zone) + timedelta(seconds=90)
    path = tmp_path / "small.toml"
    path.write_text(f'{small_file.read_text()}\n[schedule]\nretrain_at = "{soon:%H:%M}"\n')
    environment = {**os.environ, "HINET_HOME": home.folder, "HINET_CONTRACTS": str(path), "OMP_NUM_THREADS": "1"}
    environment.pop("DAGSTER_HOME", None)
    process = subprocess.Popen([sys.executable, "-m", "orchestration.serve"], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 480
        while not (small_paths.published / "current.json").exists() and time.monotonic() < deadline:
            time.sleep(2)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    lake = home.lake(contract)
    assert len(lake.days("ingest")) == len(lake.days("examples")) == 9
    for step in ("train/hinet", "train/mmoe", "train/shared_bottom", "evaluation", "lift", "lift_test"):
        assert [str(day) for day in lake.days(step)] == ["2025-03-09"], step
    assert (small_paths.published / "current.json").exists()
