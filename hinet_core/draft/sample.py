"""Bounded samples of files, as tables: each column of the file as `raw.<name>`, text as text, Parquet as its types."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hinet_core.draft import text
from hinet_core.draft.dialect import Dialect, dialect_of, divided
from hinet_core.ingest.readers import file_literal
from hinet_core.lake import connect, first_line, quote_identifier

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
    places = {".".join(place): place for field in rows.schema for place in _leaves((field.name,), field.type)}
    places |= {name: (name,) for name in rows.column_names if name in places}  # a column that is called so comes first
    listed = ", ".join(".".join(map(quote_identifier, place)) for place in places.values())
    con = connect()
    try:
        described = con.execute(f"DESCRIBE SELECT {listed} FROM read_parquet({file_literal(path)})").fetchall()
        kinds = dict(zip(places, (kind for _, kind, *_ in described), strict=True))
    finally:
        con.close()
    columns = [pc.struct_field(rows[name], fields) if fields else rows[name] for name, *fields in places.values()]
    found = pa.Table.from_arrays(columns, names=[f"raw.{name}" for name in places])
    return Sample(path, relative, "parquet", "utf-8", None, kinds, found, len(rows) == n_rows, n_rows)


def _leaves(place: tuple[str, ...], kind: pa.DataType) -> Iterator[tuple[str, ...]]:
    """A column, or the fields of a struct and of those in it, as ingest reads them: `a.b` is the field b of a."""
    if not pa.types.is_struct(kind) or any("." in field.name for field in kind):
        yield place
        return
    for field in kind:
        yield from _leaves((*place, field.name), field.type)


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
        twice = [name for name, count in Counter(dialect.names).items() if name and count > 1]
        if twice:
            named = ", ".join(map(repr, twice))
            raise DraftError(f"{path}: its header has the column {named} more than once. Give each a name of its own")
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
    """The text that ingest reads of each key, and how many lines are no object; `a.b` is the key b of the object a."""
    records = [dict(_flat(found)) for line in lines if isinstance(found := _parsed(line), dict)]
    given = dict.fromkeys(key for record in records for key, value in record.items() if value is not None)
    parents = {key[:end] for key in given for end, mark in enumerate(key) if mark == "."}
    keys = dict.fromkeys(key for record in records for key in record)
    names = [key for key in keys if key in given or key not in parents]  # null in an object's place is no column
    columns = [pa.array([_text_of(record.get(name)) for record in records], pa.string()) for name in names]
    return pa.Table.from_arrays(columns, names=[f"raw.{name}" for name in names]), len(lines) - len(records)


def _flat(record: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of an object and of those in it. A key that is called `a.b` itself counts, so it comes last; in an
    object no contract can name it."""
    for key, value in sorted(record.items(), key=lambda pair: "." in pair[0]):
        if above and "." in key:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _text_of(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
