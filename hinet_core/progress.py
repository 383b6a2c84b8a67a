"""Progress of anything that takes longer than two seconds: a bar on a terminal, lines in a log; and Ctrl-C at once."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import IO, Protocol, TypeVar

from rich.progress import track as bar

Item = TypeVar("Item")
log = logging.getLogger("hinet")
SECONDS_BETWEEN_LINES = 5.0
SECONDS_TO_NOTICE = 0.1
PIECE = 8 << 20  # bytes


def track(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items while showing how far we are."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from bar(items, description=label, total=total, transient=True)
        return
    last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            log.info("%s: %d of %s", label, done, "?" if total is None else total)
            last = time.monotonic()


def copy_stream(stream: IO[bytes], target: Path, size: int, label: str) -> None:
    """Write a stream of about `size` bytes to a file, piece by piece."""
    with target.open("wb") as file:
        for piece in track(iter(lambda: stream.read(PIECE), b""), label, size // PIECE):
            file.write(piece)


class Interruptible(Protocol):
    """A DuckDB connection, as far as this file knows it."""

    def interrupt(self) -> None: ...


def stoppable(con: Interruptible, work: Callable[[], Item]) -> Item:
    """Do work that queries `con`; Ctrl-C ends a query at its next step, not when some thousand wide rows are done.

    DuckDB looks for signals in the main thread, and only between pieces of work; so the work has another thread.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            while not wait([future], SECONDS_TO_NOTICE).done:
                pass
        except KeyboardInterrupt:
            while not future.done():  # once is not enough: the query may not have begun
                con.interrupt()
                time.sleep(SECONDS_TO_NOTICE)
            raise
        return future.result()
