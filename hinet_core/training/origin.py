"""Where a model comes from: the code, the versions of what it runs on, and the machine."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which
from typing import Any

import torch

ROOT = Path(__file__).parents[2]
PACKAGE = "hinet-platform"
TIMEOUT_S = 10.0


def origin(device: torch.device, source_hash: str) -> dict[str, Any]:
    """JSON values; `source_hash` is that of the code which decides what is learned."""
    return {"code": code(source_hash), "versions": versions(), "hardware": hardware(device)}


def code(source_hash: str, root: Path = ROOT) -> dict[str, Any]:
    """The git revision when the code is a checkout, with whether files were changed since; else the hash alone says it.

    A virtual environment may lie inside of somebody else's repository: only one that tracks this file counts.
    """
    revision = None
    if _git(root, "ls-files", "--error-unmatch", "hinet_core/training/origin.py") is not None:
        revision = _git(root, "rev-parse", "HEAD")
    modified = None if revision is None else bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    return {"git_revision": revision, "modified": modified, "package": _installed(), "source_hash": source_hash}


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), "torch": torch.__version__}


def hardware(device: torch.device) -> dict[str, Any]:
    """The name of the processor, or of the GPU."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {"device": device.type, "name": name, "threads": torch.get_num_threads()}


def processor() -> str:
    """As Linux names it; elsewhere the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _installed() -> str | None:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def _git(root: Path, *words: str) -> str | None:
    """What git answers, or None when there is no git, or it refuses."""
    git = which("git")
    if git is None:
        return None
    try:
        command = [git, "-C", str(root), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
