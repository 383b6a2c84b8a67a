"""One at a time, one after the other, or many while nobody changes what they read.

The operating system frees a lock whichever way the process ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

# Held in the contract's folder by trainings while they have rows in memory, all at once; by none while they change.
TRAINING = ".training.lock"
# Of a lock file that its holders remove whenever it is opened; more would be a folder that cannot be made.
TRIES = 100


class BusyError(RuntimeError):
    """Another process is at work on this contract; the message names it."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file, or raise `BusyError` with the holder's process number at once.

    The holder may remove the file, and its folder: the next one then holds another file of this name.
    """
    with _held(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as file:
        _sign(file)
        yield


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock file beside others that share it, or raise `BusyError` at once while one holds it exclusively."""
    with _held(path, fcntl.LOCK_SH | fcntl.LOCK_NB) as file:
        _sign(file)
        yield


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Wait until nobody else is between reading this file and replacing it. The lock beside it goes with its holder."""
    path = file.with_name(f".{file.name}.lock")
    with _held(path, fcntl.LOCK_EX):
        try:
            yield
        finally:
            path.unlink()


def _sign(file: TextIOWrapper) -> None:
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()


def _held(path: Path, how: int) -> TextIOWrapper:
    for _ in range(TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        except FileNotFoundError:  # the folder has just been removed
            continue
        _lock(file, path, how)
        if _is_at(file, path):
            return file
        file.close()
    raise FileNotFoundError(f"{path} is removed as often as it is made: check the folder {path.parent}")


def _lock(file: TextIOWrapper, path: Path, how: int) -> None:
    try:
        fcntl.flock(file, how)
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
