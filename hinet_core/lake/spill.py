"""The folder of files that live no longer than the process that writes them."""

import os
import shutil
from pathlib import Path


def spill_folder() -> Path:
    """Where files go that live no longer than the process that writes them."""
    folder = Path(os.environ.get("HINET_HOME") or "var").expanduser() / "spill"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sweep_spill() -> None:
    """Remove what processes left in the spill folder that are gone; their number is in the name (kind-number-…)."""
    for path in spill_folder().glob("*-*-*"):
        if is_gone(path.name.split("-")[1]):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def is_gone(process: str) -> bool:
    """Whether a process number, as it stands in the name of a file, is that of no process any more."""
    return process.isdigit() and not Path(f"/proc/{process}").exists()
