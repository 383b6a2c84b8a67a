"""The landed rows of some days in one place, typed and in the order of the files: what verdicts are passed on.

Rows are kept as Arrow batches of one day each in one file under HINET_HOME/spill that is mapped, not loaded: the
system drops its pages when memory is short. So a day is read without the others, however the days are mixed in the
files. DuckDB's own temporary tables cost several times as much to write (docs/log.md).
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
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
from hinet_core.ingest.readers import FileReader, LandingError
from hinet_core.ingest.sides import stage_sides
from hinet_core.ingest.staging import PLACE_NAME, needs_number, typed_rows
from hinet_core.lake import LakeError, connect, first_line, quote_literal, spill_folder
from hinet_core.progress import meter, stoppable

ROWS_A_BATCH = 61_440  # two are a row group of the lake


@dataclass
class Stage:
    """Typed rows of each day, and a connection. Files are numbered by their path, places count all rows in order."""

    con: duckdb.DuckDBPyConnection
    contract: Contract
    files: list[LandedFile]
    known: forgotten.Forgotten
    batches: dict[date, list[pa.RecordBatch]] = field(default_factory=dict)
    schema: pa.Schema | None = None
    keyed: set[date] = field(default_factory=set)  # days of which `verdicts` has a table of keys
    place: int = 0

    def rows(self, days: Iterable[date]) -> str:
        """SELECT of the rows in the books of the days, with source_file, file_number, record_number and place."""
        wanted = sorted(set(days))
        held = [batch for day in wanted for batch in self.batches.get(day, [])]
        name = f"staged from {wanted[0]} to {wanted[-1]}"
        self.con.register(name, pa.Table.from_batches(held, self.schema))
        return f'SELECT *, {self.file_name("file_number")} AS source_file FROM "{name}"'

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
        stage = Stage(con, contract, [files[path] for path in sorted(files)], forgotten.load(landed.root.parent))
        stoppable(con, lambda: _prepare(stage, landed, days, wanted), f"staging {days[0]} to {days[-1]}")
        yield stage
    finally:
        con.close()


def _prepare(stage: Stage, landed: LandingIndex, days: list[date], wanted: set[date]) -> None:
    con, contract = stage.con, stage.contract
    stage_sides(con, contract, landed)
    _fill(stage, [landed.open(con, contract.log, one.path) for one in stage.files], wanted)
    for source in contract.outcome_sources:
        late = {path: name for day in days for path, name in landed.outcome_files(source, day).items()}
        stage_outcomes(con, contract, source, late, landed)


def _fill(stage: Stage, readers: list[FileReader], wanted: set[date]) -> None:
    """Write the rows of every file to the spill file, and map it. The file has no name any more: it goes with us."""
    handle, path = tempfile.mkstemp(prefix=f"staged-{os.getpid()}-", dir=spill_folder())
    try:
        with os.fdopen(handle, "wb") as file:
            typed = (_typed(stage, number, reader, wanted) for number, reader in enumerate(readers))
            _write(file, one_day_each(chain.from_iterable(typed), ROWS_A_BATCH))
        mapped = pa.ipc.open_file(pa.memory_map(path))
        stage.schema = mapped.schema
        for batch in map(mapped.get_batch, range(mapped.num_record_batches)):
            stage.batches.setdefault(batch["placed_day"][0].as_py(), []).append(batch)
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


def _typed(stage: Stage, number: int, reader: FileReader, wanted: set[date]) -> Iterator[pa.RecordBatch]:
    """A file's rows in batches, each row with its place among all rows and its number in the file."""
    one = stage.files[number]
    days = None if one.days <= wanted else wanted
    # DuckDB numbers rows with one thread; where all rows are read, their number is counted here.
    counted = days is None and reader.stream is None and not needs_number(stage.contract)
    query = typed_rows(stage.contract, reader, (min(one.days), max(one.days)), days, numbered=not counted)
    query = forgotten.unread(stage.contract, stage.known, query)
    first = 1
    total = sum(rows for day, rows in one.rows.items() if days is None or date.fromisoformat(day) in days)
    with meter(f"staging rows of {one.path}", total) as show:
        for batch in stage.con.sql(query).to_arrow_reader(ROWS_A_BATCH):
            stop = first + batch.num_rows
            if counted:
                batch = batch.append_column("record_number", pa.array(np.arange(first, stop)))
            places = pa.array(np.arange(first, stop) + stage.place)
            batch = batch.append_column(PLACE_NAME, places)
            yield batch.append_column("file_number", pa.array(np.full(batch.num_rows, number, np.int32)))
            first = stop
            show(first - 1)
    if first - 1 != total:
        raise LandingError(f"{one.path}: changed while it was read; run again")
    stage.place += first - 1
