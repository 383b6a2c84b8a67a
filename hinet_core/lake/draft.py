"""Files of a day on their way into the lake, and the commit that shows them."""

import hashlib
import itertools
import json
import shutil
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from hinet_core.lake.durable import crash_point, fsync_path, replace_text
from hinet_core.lake.errors import LakeError, first_line
from hinet_core.lake.manifest import Manifest, TableFile
from hinet_core.lake.sql import connect, quote_identifier, quote_literal

if TYPE_CHECKING:
    from hinet_core.lake.tables import Lake

BLOCKED_INFO = "info.json"
# Version 2 stores numbers, times and texts in few bytes before the lowest level of zstd, and columns with more than
# 4096 values in a row group get no dictionary, which costs most of the writing (docs/log.md).
PARQUET = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 4096"

# The same for Arrow's writer. The content's hash leans on the types of Parquet alone, not on the schema of Arrow.
ARROW_PARQUET: dict[str, Any] = {
    "compression": "zstd", "compression_level": 1, "dictionary_pagesize_limit": 2**16, "store_schema": False,
}  # fmt: skip
# As many rows as in DuckDB's own: threads share a file's row groups.
ROW_GROUP = 122_880


class Draft:
    """Files of one (step, day) that nobody sees before `commit`."""

    def __init__(self, lake: "Lake", step: str, day: date) -> None:
        self.lake, self.step, self.day = lake, step, day
        self.run = uuid.uuid4().hex[:12]
        self.files: dict[str, list[TableFile]] = {}
        self.done = False

    def path(self, table: str) -> Path:
        """Where this draft keeps the table."""
        return self.lake.root / table / f"day={self.day.isoformat()}" / f"{self.run}.parquet"

    def write(self, table: str, query: str | duckdb.DuckDBPyRelation, con: duckdb.DuckDBPyConnection) -> TableFile:
        """Copy a query's rows, in its order, to this draft's file of the table."""
        text = query if isinstance(query, str) else query.sql_query()
        path = self.path(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._said_of_failure(
            lambda: con.execute(
                f"COPY ({text}) TO {quote_literal(str(path))} ({PARQUET})"
            ).fetchall()
        )
        return self._register(table, path, con)

    def write_rows(self, table: str, rows: pa.Table | list[dict[str, Any]], schema: pa.Schema) -> TableFile:
        """Write a small tidy table with a given schema."""
        content = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=schema)
        path = self.path(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._said_of_failure(lambda: pq.write_table(content, path, compression="zstd"))
        return self._register(table, path)

    def write_batches(self, table: str, batches: Iterator[pa.Table], con: duckdb.DuckDBPyConnection) -> TableFile:
        """Write batches of rows, at least one, in their order to this draft's file of the table."""
        path = self.path(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._said_of_failure(lambda: _write_parquet(path, batches))
        return self._register(table, path, con)

    def _said_of_failure(self, write: Any) -> None:
        try:
            write()
        except (OSError, duckdb.Error) as error:
            if isinstance(error, OSError) or "No space left" in str(error) or "IO Error" in str(error):
                raise LakeError(
                    f"could not write {self.step} of {self.day} under {self.lake.root}: {first_line(error)}. "
                    "Nothing of this day was committed; free some space or check the folder's rights, then run again."
                ) from error
            raise

    def _register(self, table: str, path: Path, con: duckdb.DuckDBPyConnection | None = None) -> TableFile:
        fsync_path(path)
        crash_point("after-file")
        rows = pq.read_metadata(path).num_rows
        entry = TableFile(
            path.relative_to(self.lake.root).as_posix(), rows, path.stat().st_size, content_hash(path, con)
        )
        self.files.setdefault(table, []).append(entry)
        return entry

    def commit(self, info: dict[str, Any] | None = None) -> Manifest:
        """Make the day visible: the one atomic replace that everything leans on."""
        for table in self.files:
            fsync_path(self.path(table).parent)
        manifest = Manifest(self.step, self.day, self.run, self.files, info or {})
        crash_point("before-commit")
        self.done = True  # from here on the day may be visible: Ctrl-C must not take its files
        try:
            replace_text(self.lake.manifest_path(self.step, self.day), manifest.to_json())
        except BaseException as error:
            seen = self.lake.manifest(self.step, self.day)
            if seen is None or seen.run != self.run:
                self.abandon()
            if not isinstance(error, OSError):
                raise
            raise LakeError(
                f"could not commit {self.step} of {self.day}: {error}. Nothing changed; free space and run again."
            ) from error
        crash_point("after-commit")
        shutil.rmtree(self.lake.blocked_folder(self.step, self.day), ignore_errors=True)
        return manifest

    def abandon(self, keep: bool = False, info: dict[str, Any] | None = None) -> None:
        """Give the files up; with `keep` a blocked day's files move aside, with `info`, for inspection and replay."""
        self.done = True
        folder = self.lake.blocked_folder(self.step, self.day)
        if keep:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        for table, files in self.files.items():
            for one in files:
                path = self.lake.root / one.path
                if keep:
                    path.replace(folder / f"{table}.parquet")
                else:
                    path.unlink(missing_ok=True)
        for table in set(self.files):
            self.path(table).unlink(missing_ok=True)
        if keep:
            replace_text(folder / BLOCKED_INFO, json.dumps(info or {}, indent=1, sort_keys=True, default=str))


def _write_parquet(path: Path, batches: Iterator[pa.Table]) -> None:
    first = next(batches)
    # The least and greatest text of each page cost a sixth of the writing, and no query leaves rows out by them.
    counted = [one.name for one in first.schema if not (pa.types.is_string(one.type) or pa.types.is_nested(one.type))]
    try:
        with pq.ParquetWriter(path, first.schema, write_statistics=counted, **ARROW_PARQUET) as file:
            for batch in itertools.chain([first], batches):
                file.write_table(batch, ROW_GROUP)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def content_hash(path: Path, con: duckdb.DuckDBPyConnection | None = None) -> str:
    """A hash of a Parquet file's rows in their order, independent of how they were compressed.

    Each row is hashed with its place by DuckDB, on all threads; sum and exclusive or of these numbers do not depend
    on which thread came first. Reading the file back also shows that it can be read.
    """
    schema = pq.read_schema(path).remove_metadata()
    taken = any(name.lower() == "file_row_number" for name in schema.names)
    place, option = ("row_number() OVER ()", "") if taken else ("file_row_number", ", file_row_number = true")
    columns = ", ".join([place, *(quote_identifier(name) for name in schema.names)])
    source = f"read_parquet({quote_literal(str(path))}, hive_partitioning = false{option})"
    own = connect() if con is None else con.cursor()
    try:
        found = own.execute(f"SELECT sum(h), bit_xor(h) FROM (SELECT hash({columns}) AS h FROM {source})").fetchall()
    finally:
        own.close()
    return hashlib.sha256(f"{schema}{found}".encode()).hexdigest()[:16]
