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
from rich.progress import Progress, TextColumn

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
def meter(
    label: str, total: int | None = None, unit: str | None = None, start: float = 0.0
) -> Iterator[Callable[[float], None]]:
    """Yields a function that is told how much is done; of `total`, or of nobody knows how much.

    With the `unit` that is counted, the pace and the time left are shown too; `start` was done before.
    """
    began = time.monotonic()

    def pace(done: float) -> str:
        return "" if unit is None else pace_text(done - start, None if total is None else total - done, unit, began)

    if sys.stderr.isatty():
        columns = (*Progress.get_default_columns(), TextColumn("{task.fields[pace]}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(label, total=total, completed=int(start), pace="")
            yield lambda done: bars.update(task, completed=done, pace=pace(done).partition(", about")[0])
        return
    last = began

    def line(done: float) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            told = pace(done)
            log.info("%s: %d of %s%s", label, done, "?" if total is None else total, f" {told}" if told else "")
            last = time.monotonic()

    yield line


def pace_text(done: float, left: float | None, unit: str, began: float) -> str:
    """rows, 45,000 rows/s, about 12 s left"""
    per_s = done / max(time.monotonic() - began, 1e-9)
    rest = "" if left is None or per_s <= 0 else f", about {duration(left / per_s)} left"
    return f"{unit}, {per_s:,.0f} {unit}/s{rest}"


def duration(seconds: float) -> str:
    """59 s, 2 min, 3.4 h"""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


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
