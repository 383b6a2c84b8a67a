"""One at a time, or one after the other: the operating system frees a lock whichever way the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

# Of a lock file that its holders remove whenever it is opened; more would be a folder that cannot be made.
TRIES = 100


class BusyError(RuntimeError):
    """Another process is at work on this contract; the message names it."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file, or raise `BusyError` with the holder's process number at once.

    The holder may remove the file, and its folder: the next one then holds another file of this name.
    """
    with _held(path) as file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Wait until nobody else is between reading this file and replacing it. The lock beside it goes with its holder."""
    path = file.with_name(f".{file.name}.lock")
    with _held(path, wait=True):
        try:
            yield
        finally:
            path.unlink()


def _held(path: Path, wait: bool = False) -> TextIOWrapper:
    for _ in range(TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        except FileNotFoundError:  # the folder has just been removed
            continue
        if wait:
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            _lock(file, path)
        if _is_at(file, path):
            return file
        file.close()
    raise FileNotFoundError(f"{path} is removed as often as it is made: check the folder {path.parent}")


def _lock(file: TextIOWrapper, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise BusyError(
            f"another run on {path.parent} is going (process {holder}): wait until it ends, or end it with Ctrl-C "
            "in its terminal; nothing was changed"
        ) from None


def _is_at(file: TextIOWrapper, path: Path) -> bool:
    """Whether the open file is the one of this name, not one that was removed between opening and locking it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
