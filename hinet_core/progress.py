"""Progress of anything that takes longer than two seconds: a bar on a terminal, lines in a log; and Ctrl-C at once."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, TypeVar

from rich.console import Console
from rich.progress import Progress

Item = TypeVar("Item")
log = logging.getLogger("hinet.progress")
SECONDS_BETWEEN_LINES = 5.0
SECONDS_TO_NOTICE = 0.1
PIECE = 8 << 20  # bytes


def track(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items while showing how far we are."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with meter(label, total) as show:
        for done, item in enumerate(items, 1):
            yield item
            show(done)


@contextmanager
def meter(label: str, total: int | None = None) -> Iterator[Callable[[float], None]]:
    """Yields a function that is told how much is done; of `total`, or of nobody knows how much."""
    if sys.stderr.isatty():
        with Progress(console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(label, total=total)
            yield lambda done: bars.update(task, completed=done)
        return
    last = time.monotonic()

    def line(done: float) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            log.info("%s: %d of %s", label, done, "?" if total is None else total)
            last = time.monotonic()

    yield line


def copy_stream(stream: IO[bytes], target: Path, size: int, label: str) -> None:
    """Write a stream of about `size` bytes to a file, piece by piece."""
    with target.open("wb") as file:
        for piece in track(iter(lambda: stream.read(PIECE), b""), label, size // PIECE):
            file.write(piece)


class Interruptible(Protocol):
    """A DuckDB connection, as far as this file knows it."""

    def interrupt(self) -> None: ...
    def query_progress(self) -> float: ...


def stoppable(con: Interruptible, work: Callable[[], Item], label: str = "query") -> Item:
    """Do work that queries `con`, showing the percent of the query at hand where DuckDB knows it.

    Ctrl-C ends a query at its next step, not when some thousand wide rows are done: DuckDB looks for signals in the
    main thread, and only between pieces of work; so the work has another thread. Python that a query calls for rows
    is safe there, too: an interrupt inside of it would reach us as a query's error.
    """
    with ThreadPoolExecutor(1) as pool, meter(label, 100) as show:
        future = pool.submit(work)
        try:
            while not wait([future], SECONDS_TO_NOTICE).done:
                if (percent := con.query_progress()) > 0:
                    show(percent)
        except BaseException:  # Dagster has an interrupt of its own
            while not future.done():  # once is not enough: the query may not have begun
                con.interrupt()
                time.sleep(SECONDS_TO_NOTICE)
            raise
        return future.result()
