"""The Parquet lake: immutable files, one manifest per (step, day), and the only door to DuckDB.

A day of a step becomes visible when its manifest is replaced, and in no other way. Readers resolve manifests,
never globs, so a file that no manifest names does not exist for anybody and can be swept.
"""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

log = logging.getLogger("hinet")

MANIFESTS = "_manifests"
BLOCKED = "_blocked"
BLOCKED_INFO = "info.json"
SWEEP_AFTER_S = 3600.0
NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
# Version 2 stores numbers, times and texts in few bytes before the lowest level of zstd, and columns with more than
# 4096 values in a row group get no dictionary, which costs most of the writing (docs/log.md).
PARQUET = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 4096"


class LakeError(RuntimeError):
    """The lake cannot do what was asked; the message says what to do."""


def quote_identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A text as an SQL literal, for the places where DuckDB takes no bound value."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """The one file of this name, as an SQL literal: DuckDB would take `log[1].csv` for a pattern."""
    return quote_literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def spill_folder() -> Path:
    """Where files go that live no longer than the process that writes them."""
    folder = Path(os.environ.get("HINET_HOME") or "var").expanduser() / "spill"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sweep_spill() -> None:
    """Remove what processes left in the spill folder that are gone; their number is in the name (kind-number-…)."""
    for path in spill_folder().glob("*-*-*"):
        if is_gone(path.name.split("-")[1]):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def is_gone(process: str) -> bool:
    """Whether a process number, as it stands in the name of a file, is that of no process any more."""
    return process.isdigit() and not Path(f"/proc/{process}").exists()


def connect(
    path: Path | None = None,
    *,
    read_only: bool = False,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in UTC that never reaches for the network."""
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": str(threads or os.environ.get("HINET_THREADS") or os.cpu_count() or 1),
        "memory_limit": memory_limit or os.environ.get("HINET_MEMORY") or "4GB",
        # DuckDB's own choice would be the working directory.
        "temp_directory": str(spill_folder()),
    }
    con = duckdb.connect(str(path) if path else ":memory:", read_only=read_only, config=config)
    con.execute("SET TimeZone = 'UTC'")
    # DuckDB knows how far a query is, and leaves it to hinet_core.progress to show it.
    con.execute("SET enable_progress_bar = true")
    con.execute("SET enable_progress_bar_print = false")
    return con


def crash_point(name: str) -> None:
    """Die here, without cleaning up, when HINET_CRASH_AT says so (`name` or `name:nth`): the tests of crash safety."""
    wanted, _, nth = os.environ.get("HINET_CRASH_AT", "").partition(":")
    if wanted != name:
        return
    _seen[name] = _seen.get(name, 0) + 1
    if _seen[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)


_seen: dict[str, int] = {}


def fsync_path(path: Path) -> None:
    """Force a file or a folder's entries to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old or the new text, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.write_text(text)
        fsync_path(draft)
        crash_point("before-replace")
        draft.replace(path)
        fsync_path(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@dataclass(frozen=True)
class TableFile:
    """One immutable Parquet file; `path` is relative to the lake."""

    path: str
    rows: int
    bytes: int
    content_hash: str


@dataclass(frozen=True)
class Manifest:
    """What one step committed for one day."""

    step: str
    day: date
    run: str
    tables: dict[str, list[TableFile]]
    info: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        raw = asdict(self) | {"day": self.day.isoformat()}
        return json.dumps(raw, indent=1, sort_keys=True, default=str)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        raw = json.loads(text)
        tables = {name: [TableFile(**one) for one in files] for name, files in raw["tables"].items()}
        return cls(raw["step"], date.fromisoformat(raw["day"]), raw["run"], tables, raw["info"])

    @property
    def rows(self) -> dict[str, int]:
        return {name: sum(one.rows for one in files) for name, files in self.tables.items()}

    @property
    def content_hash(self) -> str:
        """Equal for two commits with the same rows, whoever wrote them and when."""
        return self.hash_of(*self.tables)

    def hash_of(self, *tables: str) -> str:
        """The content hash of some tables: a reader of one is not moved by the others of its commit."""
        parts = sorted((name, one.content_hash) for name in tables for one in self.tables.get(name, []))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


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
        self._undo_on_failure(
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
        self._undo_on_failure(lambda: pq.write_table(content, path, compression="zstd"))
        return self._register(table, path)

    def _undo_on_failure(self, write: Any) -> None:
        try:
            write()
        except (OSError, duckdb.Error) as error:
            self.abandon()
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


class Lake:
    """The tables of one contract under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def manifest_path(self, step: str, day: date) -> Path:
        return self.root / MANIFESTS / step / f"{day.isoformat()}.json"

    def blocked_folder(self, step: str, day: date) -> Path:
        return self.root / BLOCKED / step / day.isoformat()

    @contextmanager
    def begin(self, step: str, day: date) -> Iterator[Draft]:
        """A draft that disappears unless it is committed."""
        draft = Draft(self, step, day)
        try:
            yield draft
        finally:
            if not draft.done:
                draft.abandon()

    def manifest(self, step: str, day: date) -> Manifest | None:
        """The commit of a step's day, or None when the day is not committed."""
        try:
            return Manifest.from_json(self.manifest_path(step, day).read_text())
        except FileNotFoundError:
            return None

    def made_from(self, step: str, day: date, **wanted: Any) -> bool:
        """Whether the step's commit of the day names exactly these inputs."""
        manifest = self.manifest(step, day)
        return manifest is not None and all(manifest.info.get(key) == value for key, value in wanted.items())

    def steps(self) -> list[str]:
        """The steps that committed a day, by listing folders: a long history costs no opened file."""
        root = self.root / MANIFESTS
        folders = (Path(folder) for folder, _, names in os.walk(root) if any(one.endswith(".json") for one in names))
        return sorted(folder.relative_to(root).as_posix() for folder in folders)

    def days(self, step: str) -> list[date]:
        """The committed days of a step, oldest first."""
        folder = self.root / MANIFESTS / step
        return sorted(date.fromisoformat(path.stem) for path in folder.glob("*.json") if path.name[0] != ".")

    def blocked(self, step: str) -> dict[date, Path]:
        """Days that were kept out by a check and not replaced since, with the folder of their files."""
        folder = self.root / BLOCKED / step
        if not folder.exists():
            return {}
        return {date.fromisoformat(path.name): path for path in sorted(folder.iterdir())}

    def blocked_info(self, step: str, day: date) -> dict[str, Any]:
        """What the step said of a day that it kept out; empty when it was cut off before it could say so."""
        try:
            return json.loads((self.blocked_folder(step, day) / BLOCKED_INFO).read_text())
        except FileNotFoundError:
            return {}

    def blocked_files(self, step: str, table: str) -> list[Path]:
        """The table's files of the days that are kept out, oldest day first."""
        paths = (folder / f"{table}.parquet" for folder in self.blocked(step).values())
        return [path for path in paths if path.exists()]

    def files(self, table: str, days: Iterable[date] | None = None) -> list[Path]:
        """The committed files of a table, oldest day first; with `days` only the manifests of those days are read."""
        return self._files_by_table(days).get(table, [])

    def _files_by_table(self, days: Iterable[date] | None = None) -> dict[str, list[Path]]:
        """Every table's committed files, oldest day first, from one reading of the manifests."""
        wanted = None if days is None else sorted(set(days))
        found: dict[str, list[tuple[date, str]]] = {}
        for step in self.steps():
            for day in self.days(step) if wanted is None else wanted:
                manifest = self.manifest(step, day)
                for table, files in manifest.tables.items() if manifest else ():
                    found.setdefault(table, []).extend((day, one.path) for one in files)
        return {table: [self.root / path for _, path in sorted(files)] for table, files in sorted(found.items())}

    def scan(
        self,
        con: duckdb.DuckDBPyConnection,
        table: str,
        days: Iterable[date] | None = None,
        schema: str | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """The committed rows of a table; `schema` (DDL columns) answers for a table with no file yet."""
        return con.sql(f"SELECT * FROM {self.source(table, days, schema)}")

    def source(self, table: str, days: Iterable[date] | None = None, schema: str | None = None) -> str:
        """A FROM clause over what `scan` reads: each relation or view made of it opens all the files once more."""
        files = self.files(table, days)
        if files:
            return parquet_list(files)
        if schema is None:
            raise LakeError(
                f"table {table!r} has no committed rows under {self.root} for the days asked; "
                f"committed steps: {', '.join(self.steps()) or 'none'}. Materialize it first."
            )
        columns = ", ".join(
            f"CAST(NULL AS {kind}) AS {name}" for name, kind in (one.split(" ", 1) for one in schema.split(", "))
        )
        return f"(SELECT * FROM (SELECT {columns}) WHERE false)"

    def tables(self) -> list[str]:
        """Every table that some committed manifest names."""
        return list(self._files_by_table())

    def sweep(self, older_than_s: float = SWEEP_AFTER_S) -> list[Path]:
        """Delete files that no manifest names and nobody can still be writing; returns what went."""
        kept = {path for files in self._files_by_table().values() for path in files}
        gone = []
        drafts = (path for path in self.root.rglob(".*") if path.is_file())
        for path in [*self.root.glob("*/day=*/*"), *drafts]:
            if path not in kept and is_older(path, older_than_s):
                path.unlink(missing_ok=True)
                gone.append(path)
        return gone

    def rebuild_catalog(self, path: Path) -> None:
        """Write `catalog.duckdb` anew: one view per table over exactly the committed files."""
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        tables = self._files_by_table()
        try:
            con = connect(draft)
            for table, files in tables.items():
                con.execute(f"CREATE VIEW {quote_identifier(table)} AS SELECT * FROM {parquet_list(files)}")
            con.execute("CHECKPOINT")  # close() would keep a full disk to itself
            con.close()
            _require_views(draft, list(tables))
            fsync_path(draft)
            crash_point("before-catalog")
            draft.replace(path)
        except (OSError, duckdb.Error) as error:
            raise LakeError(
                f"could not write {path}: {first_line(error)}. The committed tables and the catalog before are as they "
                "were; free some space or check the folder's rights, then run again"
            ) from error
        finally:
            draft.unlink(missing_ok=True)
            Path(f"{draft}.wal").unlink(missing_ok=True)
            for left in path.parent.glob(f".{path.name}.*"):
                if is_older(left, SWEEP_AFTER_S):
                    left.unlink(missing_ok=True)


def is_older(path: Path, seconds: float) -> bool:
    """Whether a file was last written so long ago; one that has just gone was not."""
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def _require_views(draft: Path, tables: list[str]) -> None:
    """A catalog is shown only when it can be read back whole."""
    con = connect(draft, read_only=True)
    try:
        found = {name for (name,) in con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    finally:
        con.close()
    if found != set(tables):
        raise OSError(f"it holds {len(found)} of {len(tables)} views; the disk may be full")


def first_line(error: Exception) -> str:
    """The first line of an error's text, without the full stop that a sentence of ours adds."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def told(error: Exception) -> str:
    """The text of an error that people can repair; of a folder that takes no file the system says too little."""
    if not isinstance(error, OSError) or error.errno not in NOT_WRITABLE:
        return str(error)
    where = error.filename or Path(os.environ.get("HINET_HOME") or "var").expanduser()
    return (
        f"{where}: {error.strerror}. What was committed before is as it was; free some space or check the folder's "
        "rights, then run again"
    )


def parquet_list(files: list[Path]) -> str:
    """A FROM clause over exactly these files; columns are matched by name, so a later column may be absent earlier."""
    names = ", ".join(quote_literal(str(one)) for one in files)
    return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"
