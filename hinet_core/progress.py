"""Progress of anything that takes longer than two seconds: a bar on a terminal, lines in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.progress import track as bar

Item = TypeVar("Item")
log = logging.getLogger("hinet")
SECONDS_BETWEEN_LINES = 5.0


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
