"""Bounded samples of files, as tables: each column of the file as `raw.<name>`, text as text, Parquet as its types."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hinet_core.draft import text
from hinet_core.draft.dialect import Dialect, dialect_of, divided
from hinet_core.ingest.readers import file_literal
from hinet_core.lake import connect, first_line

BYTES_LOOKED_AT = 24_000_000  # of all files together
FILES_LOOKED_AT = 100
LEAST_BYTES = 200_000
BYTES_A_VALUE = 2.5  # what a value of Parquet counts as
ROW_GROUPS = 8


class DraftError(ValueError):
    """No contract can be drafted from these files; the message says why and what to do."""


@dataclass(frozen=True)
class Sample:
    """What was seen of one file: its form, its columns with their DuckDB types, and some of its rows."""

    path: Path
    relative: str
    format: str  # as in a contract: csv, ndjson, parquet
    encoding: str
    dialect: Dialect | None
    columns: dict[str, str]
    rows: pa.Table  # its columns are called raw.<name>
    whole: bool
    rows_in_file: int  # an estimate unless whole or Parquet
    no_records: int = 0  # lines looked at that are none: too few or too many fields, no JSON object
    no_text: int = 0  # lines looked at with bytes that are no letter of the encoding

    @property
    def form(self) -> tuple[object, ...]:
        """What files of one source have in common, apart from their columns and encoding."""
        if self.dialect is None:
            return (self.format,)
        one = self.dialect
        return (self.format, one.delimiter, one.quote, one.header, () if one.header else one.names)


def size_of(path: Path) -> int:
    """Bytes to read of the file, as text would have them."""
    if text.kind_of(path) != "parquet":
        return path.stat().st_size
    try:
        seen = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return path.stat().st_size  # look_at says what is wrong
    return int(seen.num_rows * seen.num_columns * BYTES_A_VALUE) + 1


def shares_of(total: int, sizes: Sequence[int]) -> list[int]:
    """How much of each to look at: small ones whole, the large ones equally much of what is left."""
    left = total
    given: dict[int, int] = {}
    for place, size in sorted(enumerate(sizes), key=lambda pair: pair[1]):
        fair = left // (len(sizes) - len(given))
        given[place] = max(min(size, fair), LEAST_BYTES)
        left = max(left - given[place], 0)
    return [given[place] for place in range(len(sizes))]


def look_at(path: Path, relative: str, budget: int) -> Sample:
    """A sample of a file, at most about `budget` bytes of text; `DraftError` when it cannot be read at all."""
    try:
        if path.stat().st_size == 0:
            raise DraftError(f"{path}: the file is empty (0 bytes); give the files that have rows")
        if text.kind_of(path) == "parquet":
            return _parquet(path, relative, budget)
        return _text(path, relative, budget)
    except (OSError, pa.ArrowException, EOFError, ValueError) as error:
        if isinstance(error, DraftError):
            raise
        raise DraftError(f"{path}: not readable: {first_line(error)}. Leave it out or deliver it again") from error


def _parquet(path: Path, relative: str, budget: int) -> Sample:
    """Rows from the beginning of row groups that lie evenly over the file; of a wide table fewer."""
    file = pq.ParquetFile(path)
    n_groups, n_rows = file.num_row_groups, file.metadata.num_rows
    most = max(int(budget / BYTES_A_VALUE / len(file.schema_arrow)), 1000)
    if n_rows == 0:
        raise DraftError(f"{path}: the file has no rows; give the files that have some")
    chosen = sorted({place * (n_groups - 1) // max(ROW_GROUPS - 1, 1) for place in range(ROW_GROUPS)})
    parts = []
    for group in range(n_groups) if n_rows <= most else chosen:
        wanted = n_rows if n_rows <= most else most // len(chosen)
        batches = file.iter_batches(batch_size=min(wanted, 65_536), row_groups=[group])
        parts.append(_first_rows(batches, wanted, file.schema_arrow))
    rows = pa.concat_tables(parts)
    con = connect()
    try:
        described = con.execute(f"DESCRIBE FROM read_parquet({file_literal(path)})").fetchall()
        kinds = {name: kind for name, kind, *_ in described}
    finally:
        con.close()
    renamed = rows.rename_columns([f"raw.{name}" for name in rows.column_names])
    return Sample(path, relative, "parquet", "utf-8", None, kinds, renamed, len(rows) == n_rows, n_rows)


def _first_rows(batches: Iterable[pa.RecordBatch], wanted: int, schema: pa.Schema) -> pa.Table:
    found, count = [], 0
    for batch in batches:
        found.append(batch.slice(0, wanted - count))
        count += len(found[-1])
        if count >= wanted:
            break
    return pa.Table.from_batches(found, schema)


def _text(path: Path, relative: str, budget: int) -> Sample:
    seen = text.look(path, budget)
    lines = [line for line in seen.lines if line.strip()]
    if not lines:
        raise DraftError(f"{path}: the file has no lines; give the files that have rows")
    dialect: Dialect | None = None
    if lines[0].lstrip().startswith("{"):
        rows, no_records = _json_rows(lines)
    elif lines[0].lstrip().startswith("["):
        raise DraftError(f"{path}: one JSON array; deliver one object per line (jq -c '.[]' file > file.ndjson)")
    else:
        dialect = dialect_of(lines)
        rows, no_records = _delimited_rows(lines, dialect)
    if len(rows) == 0:
        raise DraftError(f"{path}: no line can be read as a record; is it a log at all?")
    kinds = dict.fromkeys((name.removeprefix("raw.") for name in rows.column_names), "VARCHAR")
    form = "ndjson" if dialect is None else "csv"
    count = len(rows) if seen.whole else seen.lines_in_file
    no_text = sum("\ufffd" in line for line in lines)
    return Sample(path, relative, form, seen.encoding, dialect, kinds, rows, seen.whole, count, no_records, no_text)


def _delimited_rows(lines: Sequence[str], dialect: Dialect) -> tuple[pa.Table, int]:
    """The records that have as many fields as most, and how many others; a quoted line break joins two lines."""
    width = len(dialect.names)
    found = divided(lines[int(dialect.header) :], dialect.delimiter, dialect.quote)
    rows = [row for row in found if len(row) == width]
    columns = zip(*rows, strict=True) if rows else ([] for _ in dialect.names)
    names = [f"raw.{name}" for name in dialect.names]
    table = pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], names=names)
    return table, len(found) - len(rows)


def _json_rows(lines: Sequence[str]) -> tuple[pa.Table, int]:
    """The text that ingest reads of each key of the outermost object, and how many lines are no object."""
    records = [found for line in lines if isinstance(found := _parsed(line), dict)]
    names = list(dict.fromkeys(key for record in records for key in record))
    columns = [pa.array([_text_of(record.get(name)) for record in records], pa.string()) for name in names]
    return pa.Table.from_arrays(columns, names=[f"raw.{name}" for name in names]), len(lines) - len(records)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _text_of(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
