"""Work on one database in several threads: each has a cursor of its own, and they end together."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

import duckdb

Item = TypeVar("Item")
SECONDS_TO_NOTICE = 0.1


class Cursors:
    """A connection and its cursors, which an interrupt stops all (see `progress.stoppable`)."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self.cursors: list[duckdb.DuckDBPyConnection] = []
        self.interrupted = False

    def interrupt(self) -> None:
        self.interrupted = True
        for one in [self.con, *self.cursors]:
            with suppress(duckdb.ConnectionException):  # a cursor closed in the meantime has nothing left to stop
                one.interrupt()

    def query_progress(self) -> float:
        return self.con.query_progress()

    def going_on(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items until an interrupt comes: for work in Python, which DuckDB does not stop."""
        for item in items:
            if self.interrupted:
                raise duckdb.InterruptException("stopped")
            yield item

    def do(self, work: Sequence[Callable[[duckdb.DuckDBPyConnection], Item]]) -> list[Item]:
        """The results of all, in order. The first that fails stops the others, and is what is raised."""
        if not work:
            return []
        self.cursors = [self.con.cursor() for _ in work]
        with ThreadPoolExecutor(len(work)) as pool:
            futures = [pool.submit(one, cursor) for one, cursor in zip(work, self.cursors, strict=True)]
            failed = _first_failed(futures)
            while not all(one.done() for one in futures):  # once is not enough: a query may not have begun
                self.interrupt()
                time.sleep(SECONDS_TO_NOTICE)
        for cursor in self.cursors:
            cursor.close()
        self.cursors = []
        if failed is not None:
            raise failed
        return [one.result() for one in futures]


def _first_failed(futures: list[Future[Item]]) -> BaseException | None:
    """Wait until all are done or one has failed; of those that have, any is the cause: nothing was stopped yet."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    return next((error for one in done if (error := one.exception())), None)
