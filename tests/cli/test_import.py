"""hinet import: what it lists, what it says of a log, and one sentence when files are missing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from public_logs import open_bandit, packed, taobao_ads, write

from hinet_core.cli.group import Stopped
from hinet_core.settings import Paths

ROOT = str(Path(__file__).parents[2])


def test_without_a_name_the_public_logs_are_listed(call):
    status, said = call("import")
    assert status == 0
    for words in ("kuairand_27k", "Zenodo record 10439422", "Tianchi data set 408", "open_bandit", "CC BY-SA 4.0"):
        assert words in said
    assert "meishi" not in said


def test_a_log_is_landed_and_the_next_command_named(call, tmp_path):
    open_bandit(tmp_path / "data")
    status, said = call("import", "open_bandit", tmp_path / "data", "--rows", 10)
    assert (status, said.splitlines()) == (0, [
        "12 new files; landed days: 2019-11-24 to 2019-11-26 (3)",
        "next: hinet ingest --contract open_bandit, or make run CONTRACT=open_bandit for everything",
    ])  # fmt: skip


def test_missing_files_are_one_sentence(call, tmp_path):
    taobao_ads(tmp_path / "data")
    (tmp_path / "data" / "user_profile.csv").unlink()
    status, said = call("import", "taobao_ads", tmp_path / "data")
    assert (status, said.count("\n")) == (1, 1)
    assert "not there: user_profile.csv; offered as Tianchi data set 56" in said


def test_a_log_that_is_not_public_and_a_name_without_a_folder(call, tmp_path):
    status, said = call("import", "meishi", tmp_path)
    assert (status, said.count("\n")) == (1, 1)
    assert "it is no public log; `hinet import` lists those that are" in said
    assert call("import", "open_bandit")[0] == 2
    assert call("import", "open_bandit", tmp_path, "--rows", 0)[0] == 2


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_query_leaves_nothing_and_no_traceback(tmp_path):
    """A user's history of 500 entries, some thousand times: reading them takes a second or two."""
    history = packed(*[("109_14", n, 0.5) for n in range(500)])
    write(tmp_path / "data" / "common_features_train.csv", (f"{n},500,{history}" for n in range(8_000)))
    write(tmp_path / "data" / "sample_skeleton_train.csv", ["1,0,0,1,0,"])
    home = Paths(tmp_path / "home" / "aliccp")
    (tmp_path / "hinet.py").write_text("from hinet_core.cli import main\nmain()\n")
    process = subprocess.Popen(
        [sys.executable, tmp_path / "hinet.py", "import", "aliccp", tmp_path / "data"],
        env={**os.environ, "HINET_HOME": str(home.root.parent), "HINET_THREADS": "1", "PYTHONPATH": ROOT},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not list(home.landing.glob(".*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, f"Error: {Stopped().message}\n")
    assert [path for path in home.root.rglob("*") if path.is_file()] == []
    assert list(home.root.glob(".import-*")) == []
