"""One `make run` of a contract at a time: the operating system frees the lock whichever way the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BusyError(RuntimeError):
    """Another process is at work on this contract; the message names it."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file, or raise `BusyError` with the holder's process number at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise BusyError(
                f"another run on {path.parent} is going (process {holder}): wait until it ends, or end it with Ctrl-C "
                "in its terminal; nothing was changed"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
