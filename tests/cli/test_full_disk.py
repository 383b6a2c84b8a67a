"""A disk that is full, or read-only, ends each verb in one sentence; nothing is torn, and a second run finishes.

A limit on the size of files stands in for a full disk: the same write calls fail with an error of the same kind.
"""

import os
import shutil
import subprocess
import sys

import pytest
from public_logs import taobao_ads
from tiny_shop import CONTRACT, HEADER, line

from hinet_core.ingest.refused_files import STEP as REFUSED_FILES
from hinet_core.ingest.refused_files import recorded
from hinet_core.lake import Lake

LOOSE = CONTRACT + "\n[quality]\nmax_quarantined_share = 1\nmax_unknown_scenario_share = 1\n"
ROWS = [line(n % 5, f"2026-03-0{1 + n % 3}T09:{n % 60:02}:00Z", f"i{n}") for n in range(300)]
VERBS = {
    "land": ["land", "DATA"],
    "ingest": ["ingest"],
    "features": ["features"],
    "replay": ["quarantine", "replay"],
    "forget": ["forget", "1", "--yes"],
    "import": ["import", "taobao_ads", "ADS"],
}
# A verb takes ten processes or so; the others write in the same ways.
QUICK = ("ingest",)
EACH = [pytest.param(verb, marks=pytest.mark.slow if verb in QUICK else pytest.mark.long) for verb in VERBS]
BEFORE = {"ingest": ["land"], "features": ["land", "ingest"], "replay": ["land", "ingest"],
          "forget": ["land", "ingest", "features"]}  # fmt: skip


# Everything is imported before the limit, which would also hold for what Python compiles.
PROGRAM = """
import resource, signal, sys
from hinet_core import cli, quality
from hinet_core.quality import suite
most = int(sys.argv.pop(1))
if most >= 0:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
cli.main()
"""


def call(root, verb, most=-1):
    """Status and output of a verb in a process of its own that can write files of at most so many bytes."""
    folders = {"DATA": str(root / "data"), "ADS": str(root / "ads")}
    arguments = [folders.get(one, one) for one in VERBS[verb]]
    arguments += [] if verb == "import" else ["--contract", str(root / "shop.toml")]
    command = [sys.executable, "-c", PROGRAM, str(most), *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"HINET_HOME": str(root / "home"), "HINET_THREADS": "1", "HINET_DATA_DOCS": "0"},
    )  # fmt: skip
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said, said
    return ended.returncode, said


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What there is before each verb."""
    root = tmp_path_factory.mktemp("made")
    (root / "shop.toml").write_text(LOOSE)
    (root / "data").mkdir()
    unknown = line(3, "2026-03-01T08:00:00Z", place="x")
    (root / "data" / "log_1.csv").write_text("\n".join([HEADER, *ROWS, unknown]) + "\n")
    (root / "data" / "log_2.csv").write_bytes(b"")
    taobao_ads(root / "ads")
    states = {(): root}
    for verbs in (["land"], ["land", "ingest"], ["land", "ingest", "features"]):
        states[tuple(verbs)] = shutil.copytree(states[tuple(verbs[:-1])], tmp_path_factory.mktemp("made") / "to")
        call(states[tuple(verbs)], verbs[-1])
    return states


def prepared(made, tmp_path, verb):
    root = shutil.copytree(made[tuple(BEFORE.get(verb, ()))], tmp_path)
    if verb == "replay":
        (root / "shop.toml").write_text(LOOSE.replace('id = "home"', 'id = "home"\nvalues = ["home", "x"]'))
    return root


def state(root):
    """The content of every commit, the refused files, and what has landed."""
    found = {}
    for home in (root / "home").glob("[a-z]*"):
        lake = Lake(home / "lake")
        found |= {(step, day): lake.manifest(step, day).content_hash for step in lake.steps() for day in lake.days(step)
                  if step != REFUSED_FILES}  # fmt: skip
        found["refused"] = found.get("refused", []) + [one.file for one in recorded(lake)]
        found |= {path.name: path.read_bytes() for path in (home / "landing").rglob("*") if path.is_file()}
    return found


@pytest.mark.parametrize("verb", EACH)
def test_a_full_disk_is_a_sentence_and_a_second_run_finishes(made, tmp_path, verb):
    whole = prepared(made, tmp_path / "whole", verb)
    status, _ = call(whole, verb)
    for number, most in enumerate((0, 3000)):
        root = prepared(made, tmp_path / str(number), verb)
        failed, said = call(root, verb, most)
        if most == 0:
            assert failed == 1 and f"\n{said}".count("\nError: ") == 1 and said.count("\n") < 5, said
        else:
            assert failed in (1, status)
        assert call(root, verb)[0] == status
        assert state(root) == state(whole)


@pytest.mark.parametrize("verb", EACH)
def test_a_read_only_folder_is_a_sentence_and_a_second_run_finishes(made, tmp_path, verb):
    root, whole = prepared(made, tmp_path / "root", verb), prepared(made, tmp_path / "whole", verb)
    (root / "home").mkdir(exist_ok=True)
    mount = ["mount", "--bind", "-o", "ro", str(root / "home"), str(root / "home")]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a folder read-only takes root")
    try:
        status, said = call(root, verb)
    finally:
        subprocess.run(["umount", str(root / "home")], check=True)
    assert status == 1 and "Read-only file system" in said and "run again" in said, said
    assert call(root, verb)[0] == call(whole, verb)[0]
    assert state(root) == state(whole)
