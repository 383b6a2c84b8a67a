"""The landed rows of some days in one place, typed and in the order of the files: what verdicts are passed on.

Rows are kept as Arrow batches of one day each in one file under HINET_HOME/spill that is mapped, not loaded: the
system drops its pages when memory is short. So a day is read without the others, however the days are mixed in the
files. DuckDB's own temporary tables cost several times as much to write (docs/log.md).
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, partial
from itertools import accumulate, chain, groupby
from pathlib import Path
from typing import IO

import duckdb
import numpy as np
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.ingest import forgotten
from hinet_core.ingest.files import LandedFile
from hinet_core.ingest.landing import LandingIndex
from hinet_core.ingest.one_day import one_day_each
from hinet_core.ingest.outcomes import stage_outcomes
from hinet_core.ingest.readers import LandingError
from hinet_core.ingest.side_by_side import Cursors
from hinet_core.ingest.sides import stage_sides
from hinet_core.ingest.staging import PLACE_NAME, needs_number, typed_rows
from hinet_core.lake import LakeError, connect, first_line, quote_literal, spill_folder
from hinet_core.progress import meter, stoppable

ROWS_A_BATCH = 61_440  # two are a row group of the lake
MOST_RUNS = 4  # that are staged at a time: each holds some batches in memory


@dataclass
class Stage:
    """Typed rows of each day, and a connection. Files are numbered by their path, places count all rows in order."""

    cursors: Cursors
    contract: Contract
    files: list[LandedFile]
    days: set[date]  # that are staged
    known: forgotten.Forgotten
    batches: dict[date, list[pa.RecordBatch]] = field(default_factory=dict)
    schema: pa.Schema | None = None
    keyed: set[date] = field(default_factory=set)  # days of which `verdicts` has a table of keys

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        return self.cursors.con

    @cached_property
    def sizes(self) -> list[int]:
        """The rows that are staged of each file."""
        return [sum(one.rows[day.isoformat()] for day in one.days & self.days) for one in self.files]

    def rows(self, days: Iterable[date]) -> str:
        """SELECT of the rows in the books of the days, with source_file, file_number, record_number and place."""
        wanted = sorted(set(days))
        held = [batch for day in wanted for batch in self.batches.get(day, [])]
        name = f"staged from {wanted[0]} to {wanted[-1]}"
        self.con.register(name, pa.Table.from_batches(held, self.schema))
        return f'SELECT *, {self.file_name("file_number")} AS source_file FROM "{name}"'

    def rows_at(self, days: Iterable[date], places: np.ndarray, columns: Iterable[str]) -> pa.RecordBatchReader:
        """The rows of the days at some places, with these columns, place and placed_day; they can be read once."""
        names = list(dict.fromkeys([*columns, PLACE_NAME, "placed_day"]))
        batches = (
            batch.select(names).filter(pa.array(np.isin(batch[PLACE_NAME].to_numpy(), places)))
            for day in sorted(set(days))
            for batch in self.batches.get(day, [])
        )
        schema = pa.schema([self.schema.field(name) for name in names]) if self.schema else None
        return pa.RecordBatchReader.from_batches(schema, batches)

    def file_name(self, number: str) -> str:
        names = ", ".join(quote_literal(one.path) for one in self.files)
        return f"list_extract([{names}], {number} + 1)"


@contextmanager
def staged(contract: Contract, landed: LandingIndex, days: list[date]) -> Iterator[Stage]:
    """The landed rows of the days and of their dedupe horizon, with side tables and late outcomes."""
    horizon = contract.dedupe.horizon_days
    wanted = {day - timedelta(days=back) for day in days for back in range(horizon + 1)}
    files = {one.path: one for day in wanted for one in landed.files_of(day)}
    con = connect()
    try:
        known = forgotten.load(landed.root.parent)
        stage = Stage(Cursors(con), contract, [files[path] for path in sorted(files)], wanted, known)
        stoppable(stage.cursors, lambda: _prepare(stage, landed, days), f"staging {days[0]} to {days[-1]}")
        yield stage
    finally:
        con.close()


def _prepare(stage: Stage, landed: LandingIndex, days: list[date]) -> None:
    con, contract = stage.con, stage.contract
    stage_sides(con, contract, landed)
    _fill(stage, landed)
    for source in contract.outcome_sources:
        late = {path: name for day in days for path, name in landed.outcome_files(source, day).items()}
        stage_outcomes(con, contract, source, late, landed)


def _fill(stage: Stage, landed: LandingIndex) -> None:
    """Write the rows of every file to spill files and map them: in each thread a run of files, in their order."""
    threads = stage.con.execute("SELECT current_setting('threads')").fetchall()[0][0]
    runs = even_runs(stage.sizes, min(threads, MOST_RUNS))
    with meter("staging rows", sum(stage.sizes)) as show:
        done = [0] * len(runs)

        def staged_run(number: int, con: duckdb.DuckDBPyConnection) -> pa.ipc.RecordBatchFileReader:
            typed = chain.from_iterable(_typed(stage, con, landed, file) for file in runs[number])

            def told() -> Iterator[pa.RecordBatch]:
                for batch in stage.cursors.going_on(typed):
                    yield batch
                    done[number] += batch.num_rows
                    show(sum(done))

            return _mapped(one_day_each(told(), ROWS_A_BATCH))

        for mapped in stage.cursors.do([partial(staged_run, number) for number in range(len(runs))]):
            stage.schema = mapped.schema
            for batch in map(mapped.get_batch, range(mapped.num_record_batches)):
                stage.batches.setdefault(batch["placed_day"][0].as_py(), []).append(batch)


def even_runs(sizes: Sequence[int], most: int) -> list[list[int]]:
    """The places of `sizes` in their order, in at most so many runs of about the same sum."""
    middles = [end - size / 2 for size, end in zip(sizes, accumulate(sizes), strict=True)]
    run_of = [int(middle * most / sum(sizes)) for middle in middles]
    return [list(run) for _, run in groupby(range(len(sizes)), key=run_of.__getitem__)]


def _mapped(batches: Iterator[pa.RecordBatch]) -> pa.ipc.RecordBatchFileReader:
    """The batches in a spill file. It has no name any more: it goes with us."""
    handle, path = tempfile.mkstemp(prefix=f"staged-{os.getpid()}-", dir=spill_folder())
    try:
        with os.fdopen(handle, "wb") as file:
            _write(file, batches)
        return pa.ipc.open_file(pa.memory_map(path))
    finally:
        Path(path).unlink()


def _write(file: IO[bytes], batches: Iterator[pa.RecordBatch]) -> None:
    writer = None
    for batch in batches:
        try:
            writer = writer or pa.ipc.new_file(file, batch.schema)
            writer.write_batch(batch)
        except OSError as error:
            raise LakeError(
                f"could not write under {spill_folder()}: {first_line(error)}. Nothing of these days was committed; "
                "free some space or check the folder's rights, then run again"
            ) from error
    if writer:
        writer.close()


def _typed(
    stage: Stage, con: duckdb.DuckDBPyConnection, landed: LandingIndex, number: int
) -> Iterator[pa.RecordBatch]:
    """A file's rows in batches, each row with its place among all rows and its number in the file."""
    one, contract = stage.files[number], stage.contract
    reader = landed.open(con, contract.log, one.path)
    days = None if one.days <= stage.days else stage.days
    # DuckDB numbers rows with one thread; where all rows are read, their number is counted here.
    counted = days is None and reader.stream is None and not needs_number(contract)
    query = typed_rows(contract, reader, (min(one.days), max(one.days)), days, numbered=not counted)
    query = forgotten.unread(contract, stage.known, query)
    first, before = 1, sum(stage.sizes[:number])
    for batch in con.sql(query).to_arrow_reader(ROWS_A_BATCH):
        stop = first + batch.num_rows
        if counted:
            batch = batch.append_column("record_number", pa.array(np.arange(first, stop)))
        batch = batch.append_column(PLACE_NAME, pa.array(np.arange(first, stop) + before))
        yield batch.append_column("file_number", pa.array(np.full(batch.num_rows, number, np.int32)))
        first = stop
    if first - 1 != stage.sizes[number]:
        raise LandingError(f"{one.path}: changed while it was read; run again")
