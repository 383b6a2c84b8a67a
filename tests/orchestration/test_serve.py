"""The servers: ports, what is printed, and that nothing is left running."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from orchestration.serve import free_port

ROOT = Path(__file__).parents[2]


def test_a_taken_port_is_not_given_out():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        taken = holder.getsockname()[1]
        holder.listen()
        assert free_port(taken) != taken
    assert free_port(taken) == taken


def session_members(leader: int) -> list[int]:
    """Processes of a session, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, NotADirectoryError):
            continue
        if entry.name.isdigit() and int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_both_answer_and_both_end(how, tmp_path):
    environment = {**os.environ, "HINET_HOME": str(tmp_path), "HINET_CONTRACTS": "meishi", "PYTHONUNBUFFERED": "1"}
    environment.pop("DAGSTER_HOME", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.serve"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        said = ""
        while "Ctrl-C ends both" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        urls = re.findall(r"^(?:Dagster|Dashboard) +(http://127\.0\.0\.1:\d+)$", said, re.MULTILINE)
        assert len(urls) == 2, said
        assert re.search(r"next retrain of meishi: \d{4}-\d\d-\d\d 03:00 Asia/Shanghai", said)
        for url in urls:
            with urllib.request.urlopen(url, timeout=20) as reply:
                assert reply.status == 200
        children = [pid for pid in map(int, children_of(process.pid))]
        assert len(children) == 2
        process.send_signal(how)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
    for _ in range(50):
        left = [pid for child in children for pid in session_members(child)]
        if not left:
            break
        time.sleep(0.1)
    assert left == []


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.slow
def test_dagsters_own_validation_passes(tmp_path):
    environment = {**os.environ, "HINET_HOME": str(tmp_path), "HINET_CONTRACTS": "meishi,kuairand"}
    environment |= {"DAGSTER_DISABLE_TELEMETRY": "yes"}
    environment.pop("DAGSTER_HOME", None)
    scripts = Path(sys.executable).parent
    for command in (["dagster", "definitions", "validate", "-w", "workspace.yaml"], ["dg", "check", "defs"]):
        ended = subprocess.run(
            [str(scripts / command[0]), *command[1:]],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
