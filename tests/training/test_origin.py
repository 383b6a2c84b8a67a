"""The revision of the code is told only when git tracks this very code."""

import subprocess
from pathlib import Path

import torch

from hinet_core.training.origin import code, hardware, processor, versions

FILE = "hinet_core/training/origin.py"


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", "-C", str(root), *who, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_checkout_tells_its_revision_and_whether_it_was_changed(tmp_path):
    (tmp_path / FILE).parent.mkdir(parents=True)
    (tmp_path / FILE).write_text("one = 1\n")
    assert code("abc", tmp_path)["git_revision"] is None
    git(tmp_path, "init", "-q")
    # Inside somebody's repository, but not part of it: an environment in a project's folder.
    assert code("abc", tmp_path) | {"package": ""} == {
        "git_revision": None, "modified": None, "package": "", "source_hash": "abc"
    }  # fmt: skip
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    found = code("abc", tmp_path)
    assert (found["git_revision"], found["modified"]) == (git(tmp_path, "rev-parse", "HEAD"), False)
    (tmp_path / FILE).write_text("one = 2\n")
    assert code("abc", tmp_path)["modified"] is True


def test_versions_and_machine_are_named():
    assert versions()["torch"] == torch.__version__
    assert hardware(torch.device("cpu"))["name"] == processor() != ""
