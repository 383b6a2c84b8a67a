"""Files that survive a crash whole or not at all, and the crashes that the tests plant."""

import os
import signal
import uuid
from pathlib import Path


def crash_point(name: str) -> None:
    """Die here, without cleaning up, when HINET_CRASH_AT says so (`name` or `name:nth`): the tests of crash safety."""
    wanted, _, nth = os.environ.get("HINET_CRASH_AT", "").partition(":")
    if wanted != name:
        return
    _seen[name] = _seen.get(name, 0) + 1
    if _seen[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)


_seen: dict[str, int] = {}


def fsync_path(path: Path) -> None:
    """Force a file or a folder's entries to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old or the new text, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.write_text(text)
        fsync_path(draft)
        crash_point("before-replace")
        draft.replace(path)
        fsync_path(path.parent)
    finally:
        draft.unlink(missing_ok=True)
