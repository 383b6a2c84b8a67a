"""The tables of a contract: readers resolve manifests, never globs."""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from hinet_core.lake.draft import BLOCKED_INFO, Draft
from hinet_core.lake.durable import crash_point, fsync_path
from hinet_core.lake.errors import LakeError, first_line
from hinet_core.lake.manifest import Manifest
from hinet_core.lake.sql import connect, parquet_list, quote_identifier

MANIFESTS = "_manifests"
BLOCKED = "_blocked"
SWEEP_AFTER_S = 3600.0


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

    def withdraw(self, step: str, day: date) -> None:
        """Take a day of a step back, committed or kept out: no reader sees it from here on, and its files are swept."""
        path = self.manifest_path(step, day)
        if path.exists():
            path.unlink(missing_ok=True)
            fsync_path(path.parent)
        crash_point("after-withdrawal")
        shutil.rmtree(self.blocked_folder(step, day), ignore_errors=True)

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
    """Whether a file, or a folder and what lies in it, was last written so long ago; what has just gone was not."""
    try:
        written = [one.stat().st_mtime for one in ([path, *path.iterdir()] if path.is_dir() else [path])]
        return time.time() - max(written) > seconds
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
