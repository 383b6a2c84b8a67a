"""A text file as a stream of Arrow batches, for files that DuckDB cannot read without losing rows.

Arrow splits each block of lines of a CSV in which nothing is odd; a block with an odd line is read by `records`.
"""

import atexit
import io
import threading
import time
from collections.abc import Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from hinet_core.contract import Source
from hinet_core.ingest import records
from hinet_core.ingest.plain import MARK, open_text
from hinet_core.progress import meter

# Characters. No record goes on over so many, so none that begins before a block without a quote goes on behind it.
BLOCK = 2 * records.JOINED_LIMIT


def header_lines(source: Source) -> int:
    """Lines of a text that are no record."""
    return int(source.format == "csv" and source.header)


class Stream:
    """A text file as an Arrow stream that can be read any number of times, each time from its beginning."""

    def __init__(self, source: Source, path: Path, width: int) -> None:
        self.source, self.path, self.width = source, path, width
        atexit.unregister(_end_streams)  # once is enough
        atexit.register(_end_streams)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        schema = records.schema_of(self.width)
        return pa.RecordBatchReader.from_batches(schema, self._batches()).__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with open_text(self.path, self.source.encoding) as file:
            found = self._found(file)
            rows = 0
            with meter(f"reading rows of {self.path.name} with care") as show:
                while (batch := _next(found)) is not None:
                    yield batch
                    rows += batch.num_rows
                    show(rows)

    def _found(self, file: IO[str]) -> Iterator[pa.RecordBatch]:
        source, width = self.source, self.width
        if source.format == "ndjson":
            return records.batches(records.json_records(records.lines_of(file)), 1, skip=0)
        with open_text(self.path, source.encoding) as first:
            longer = records.end_in_delimiters(records.lines_of(first), source, width)
        if not longer:
            return csv_batches(file, source, width)
        found = records.csv_records(records.lines_of(file), source, width + 1)
        return records.batches(records.without_ends(found, source.delimiter), width, header_lines(source))


def csv_batches(file: IO[str], source: Source, width: int) -> Iterator[pa.RecordBatch]:
    """The records of a CSV as `records.batches` has them."""
    skip, before = header_lines(source), 0

    def counted(found: Iterator[records.Record]) -> Iterator[records.Record]:
        nonlocal before
        for one in found:
            before = one.number
            yield one

    split = ((text, _split(text, source, width)) for text in _blocks(file))
    for plain, blocks in groupby(split, key=lambda block: block[1] is not None):
        if plain:
            for table in (table for _, table in blocks if table is not None):
                yield from _numbered(table, before, skip)
                before += table.num_rows
        else:
            lines = chain.from_iterable(records.lines_of(io.StringIO(text, newline="")) for text, _ in blocks)
            yield from records.batches(counted(records.csv_records(lines, source, width, before)), width, skip)


def _blocks(file: IO[str]) -> Iterator[str]:
    """The text in blocks that end where a line ends; what is behind the limit of a line is left out."""
    while text := file.read(BLOCK):
        rest = file.readline(records.LINE_LIMIT)
        yield text + rest
        while len(rest) == records.LINE_LIMIT and rest[-1] not in "\r\n":
            rest = file.readline(records.LINE_LIMIT)


def _split(text: str, source: Source, width: int) -> pa.Table | None:
    """The values of a block whose lines are all records of plain values, line by line; None for any other."""
    if width < 2 or len(source.delimiter) > 1 or not source.delimiter.isascii() or len(text) > records.LINE_LIMIT:
        return None
    if (source.quote and source.quote in text) or "\0" in text or MARK in text:
        return None
    blank_line = text[0] in "\r\n" or "\n\n" in text or "\n\r" in text  # which Arrow may take for a record
    if blank_line or text.count("\r") != text.count("\r\n"):
        return None
    names = [f"c{place}" for place in range(width)]
    try:
        data = text.encode()  # bytes that are no text are no characters either
        return pa.csv.read_csv(
            pa.py_buffer(data),
            pa.csv.ReadOptions(column_names=names, block_size=len(data), use_threads=False),
            pa.csv.ParseOptions(
                delimiter=source.delimiter, quote_char=False, escape_char=False, ignore_empty_lines=False
            ),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), check_utf8=False),
        )
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return None


def _numbered(table: pa.Table, before: int, skip: int) -> Iterator[pa.RecordBatch]:
    """The rows of a block with their numbers, as `records.batches` has them, but for those up to `skip`."""
    nothing = pa.nulls(table.num_rows, pa.string())
    numbers = pa.array(np.arange(1, table.num_rows + 1) + (before - skip))
    schema = records.schema_of(table.num_columns)
    rows = pa.Table.from_arrays([*table.columns, nothing, nothing, numbers], schema=schema)
    yield from rows.slice(max(skip - before, 0)).to_batches()


# Threads of pyarrow read ahead, and go on when a query is stopped; Python must not end under them.
_reading, _leaving = threading.Lock(), threading.Event()


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    with _reading:
        return None if _leaving.is_set() else next(batches, None)


def _end_streams() -> None:
    _leaving.set()
    with _reading:
        pass
    time.sleep(0.1)  # for a thread to see it and to leave Python
