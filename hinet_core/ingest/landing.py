"""The landing folder looked at: which file holds rows of which day, and which cannot be used."""

import json
import logging
import os
import shutil
import weakref
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from hinet_core.contract import Contract, Source, fingerprint
from hinet_core.ingest import refused_files
from hinet_core.ingest.extra_fields import has_extra_fields
from hinet_core.ingest.files import LandedFile
from hinet_core.ingest.outcomes import count_known_days, known_days
from hinet_core.ingest.plain import Survey, members, packing, survey, unpack
from hinet_core.ingest.readers import FileReader, LandingError, open_file
from hinet_core.ingest.staging import placed_days
from hinet_core.ingest.stray_days import without_strays
from hinet_core.ingest.streams import header_lines
from hinet_core.lake import Lake, connect, first_line, replace_text, sweep_spill
from hinet_core.progress import stoppable, track
from hinet_core.settings import Paths

log = logging.getLogger("hinet")
INDEX = "_landing.json"


def identity(source: Source, one: LandedFile) -> str:
    """What a file says, whatever it is called: its hash, and its path only where the contract reads the path."""
    return f"{one.sha256} {one.path}" if source.path_pattern else one.sha256


def rules_of(contract: Contract) -> str:
    """A fingerprint of all that the contract says of rows."""
    parts = {"sources", "columns", "scenarios", "tasks", "dedupe", "quality", "time_zone", "first_day", "last_day"}
    # A key that a contract does not use stays out, so that a new key of the grammar reads no day again.
    return fingerprint(contract.model_dump(mode="json", include=parts, exclude_defaults=True))


@dataclass(frozen=True)
class LandingIndex:
    """Which landed file holds rows of which day."""

    contract: Contract
    root: Path
    files: tuple[LandedFile, ...]

    @property
    def days(self) -> list[date]:
        """Days with landed rows, oldest first."""
        return sorted({date.fromisoformat(day) for one in self.log_files for day in one.rows})

    @property
    def known_days(self) -> list[date]:
        """Days on which landed outcomes became known, oldest first."""
        files = [one for source in self.contract.outcome_sources for one in self.files_from(source)]
        return sorted({date.fromisoformat(day) for one in files for day in one.rows})

    @property
    def log_files(self) -> list[LandedFile]:
        return [one for one in self.files if one.source == self.contract.log.name and not one.refused]

    @property
    def refused(self) -> dict[str, str]:
        """Files that cannot be used, each with a sentence that says why and what to do."""
        return {one.path: one.refused for one in self.files if one.refused}

    def files_of(self, day: date) -> list[LandedFile]:
        return [one for one in self.log_files if day.isoformat() in one.rows]

    @property
    def side_files(self) -> list[LandedFile]:
        tables = {source.name for source in self.contract.sources if source.kind == "side"}
        return [one for one in self.files if one.source in tables]

    def files_from(self, source: Source) -> list[LandedFile]:
        """The usable files of a side table or of a source of outcomes."""
        return [one for one in self.files if one.source == source.name and not one.refused]

    def outcome_files(self, source: Source, day: date) -> dict[str, str]:
        """Path -> identity of the files that may hold an outcome of the day's exposures; of equal files the first."""
        first, last = (one.isoformat() for one in known_days(self.contract, source, day))
        found = {
            identity(source, one): one.path
            for one in reversed(self.files_from(source))
            if one.undated or any(first <= known <= last for known in one.rows)
        }
        return {path: name for name, path in found.items()}

    @cached_property
    def rules(self) -> str:
        return rules_of(self.contract)

    def open(self, con: duckdb.DuckDBPyConnection, source: Source, path: str) -> FileReader:
        """A reader of one of the files, as the index found it."""
        one = next(one for one in self.files if (one.source, one.path) == (source.name, path))
        landed = self.root / one.landed_path
        now = landed.stat() if landed.is_file() else None
        if now is None or (now.st_size, now.st_mtime_ns) != (one.size, one.mtime_ns):
            raise LandingError(f"{path}: {'gone' if now is None else 'changed'} since it was looked at; run again")
        copy = readable(source, landed, one.member)
        if copy == landed:
            return open_file(con, self.contract, source, landed, path, one.careful)
        reader = open_file(con, self.contract, source, copy, path, one.careful)
        weakref.finalize(reader, shutil.rmtree, copy.parent, ignore_errors=True)
        return reader

    def fingerprint(self, day: date) -> str:
        """Changes when a log file of the day, a side table or what the contract says of rows changes."""
        horizon = self.contract.dedupe.horizon_days
        days = [date.fromordinal(day.toordinal() - back) for back in range(horizon + 1)]
        files = {(one.path, one.sha256) for each in days for one in self.files_of(each)}
        sides = {(one.path, one.sha256) for one in self.side_files}
        return fingerprint([sorted(files), sorted(sides), self.rules])


def index(contract: Contract, paths: Paths) -> LandingIndex:
    """Look at every landed file (unchanged ones come from the last index); refused files are named, not raised."""
    known = _load(paths, contract)
    files: list[LandedFile] = []
    con = connect()
    todo = [
        (source, path)
        for source in contract.sources
        for path in sorted(paths.landing.glob(source.files))
        if path.is_file() and not path.name.startswith(".")
    ]
    sweep_spill()
    for source, path in track(todo, "looking at landed files"):
        for blank in _landed_as(source, path, path.relative_to(paths.landing).as_posix()):
            old = known.get((source.name, blank.path))
            if blank.refused or (old is not None and (old.size, old.mtime_ns) == (blank.size, blank.mtime_ns)):
                files.append(blank if blank.refused or old is None else old)
                continue
            files.append(_examine(con, contract, source, path, blank))
            if files[-1].refused:  # what DuckDB could not read may have broken the connection too
                con.close()
                con = connect()
    con.close()
    built = LandingIndex(contract, paths.landing, tuple(files))
    if refused_files.record(lake := Lake(paths.lake), contract, files):
        lake.rebuild_catalog(paths.catalog)
    _require(contract, paths, built)
    content = {"contract": contract.full_fingerprint, "files": [asdict(one) for one in files]}
    replace_text(paths.lake / INDEX, json.dumps(content, indent=1))
    return built


def _require(contract: Contract, paths: Paths, built: LandingIndex) -> None:
    there = {one.source for one in built.files}
    for source in contract.sources:
        if source.kind != "outcomes" and source.name not in there:
            raise LandingError(
                f"{paths.landing}: no landed file matches {source.files!r} (source {source.name!r} of contract "
                f"{contract.name!r}); `hinet land FOLDER` (or DATA=FOLDER of `make run`) brings files there"
            )
    broken = [one for one in built.side_files if one.refused]
    if broken:
        raise LandingError(f"side table {broken[0].refused}")
    if not built.days and not built.refused:
        raise LandingError(f"no landed file of source {contract.log.name!r} has a row; land one that does")
    if not built.days:
        raise LandingError("no landed file can be used: " + "; ".join(built.refused.values()))


def last_index(contract: Contract, paths: Paths) -> LandingIndex:
    """The landed files as they were last looked at, whatever the contract said then; nothing is read."""
    return LandingIndex(contract, paths.landing, tuple(LandedFile(**one) for one in _saved(paths).get("files", [])))


def _load(paths: Paths, contract: Contract) -> dict[tuple[str, str], LandedFile]:
    raw = _saved(paths)
    if raw.get("contract") != contract.full_fingerprint:
        return {}
    return {(one["source"], one["path"]): LandedFile(**one) for one in raw["files"]}


def _saved(paths: Paths) -> dict[str, Any]:
    try:
        return json.loads((paths.lake / INDEX).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _landed_as(source: Source, path: Path, relative: str) -> list[LandedFile]:
    """A landed file, or each file in a zip archive, before it is looked at."""
    stat = path.stat()
    found = LandedFile(relative, source.name, stat.st_size, stat.st_mtime_ns, "")
    shown = os.fsencode(relative).decode("utf-8", "backslashreplace")
    if shown != relative:
        said = f"{shown}: its name is no text in UTF-8; deliver the file under another name"
        return [replace(found, path=shown, refused=said)]
    try:
        names = members(path)
    except OSError as error:
        return [replace(found, refused=f"{relative}: not readable: {first_line(error)}. Deliver the file again")]
    return [replace(found, path=f"{relative}/{name}", member=name) for name in names] or [found]


def readable(source: Source, path: Path, member: str) -> Path:
    """A landed file as it can be read, or an unpacked copy, which the caller removes with its folder.

    Text is unpacked while it is read; the parts of a Parquet file are read in any order.
    """
    packed = source.format == "parquet" and packing(path) in ("gzip", "zstd")
    return unpack(path, member) if member or packed else path


def _examine(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: Source, path: Path, found: LandedFile
) -> LandedFile:
    plain = path
    try:
        plain = readable(source, path, found.member)
        looked = survey(plain, source.format != "parquet", source.delimiter if source.format == "csv" else "")
        found = replace(found, sha256=looked.sha256)
        careful, counted = stoppable(
            con, lambda: _count(con, contract, source, plain, found.path, looked), f"counting rows of {found.path}"
        )
        if source.kind == "log":
            return replace(found, careful=careful, rows=usable_days(contract, source, found.path, counted))
        return replace(found, careful=careful, rows=dated(counted.days), undated=counted.days.get(None, 0))
    except LandingError as error:
        return replace(found, refused=str(error))
    except (duckdb.Error, OSError) as error:
        reason = f"{found.path}: not readable: {first_line(error)}. Deliver the file again"
        return replace(found, refused=reason)
    finally:
        if plain != path:
            shutil.rmtree(plain.parent, ignore_errors=True)


@dataclass(frozen=True)
class Counted:
    """Records of a file, and of a log or outcomes the rows per day; None stands for no usable day.

    `fault`: why the first record of a log that has no usable day is no record.
    """

    records: int
    days: dict[date | None, int] = field(default_factory=dict)
    fault: str | None = None


# What DuckDB says of a text that can be read line by line all the same.
UNREAD = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.NotImplementedException, duckdb.IOException)


def _count(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: Source, path: Path, relative: str, looked: Survey
) -> tuple[bool, Counted]:
    """Whether a file is read line by line, and what it holds.

    DuckDB reads a text where it finds as many records as there are lines; else a line is no record, or a record goes
    over several lines, which may be a broken quote. And of a CSV no record may have a field too many.
    """
    if not looked.odd:
        try:
            reader = open_file(con, contract, source, path, relative)
            counted = _records(con, contract, reader)
            if source.format == "parquet" or reader.stream:
                return reader.stream is not None, counted
            whole = counted.records == looked.lines - header_lines(source)
            if whole and not (source.format == "csv" and has_extra_fields(reader, looked)):
                return False, counted
        except UNREAD:
            if source.format == "parquet":
                raise
    return True, _records(con, contract, open_file(con, contract, source, path, relative, careful=True))


def _records(con: duckdb.DuckDBPyConnection, contract: Contract, reader: FileReader) -> Counted:
    if reader.source.format == "parquet":
        read_through(con, reader)
    if reader.source.kind == "log":
        days = dict(con.execute(placed_days(contract, reader)).fetchall())
        fault = f"SELECT {reader.fault} FROM ({reader.query}) LIMIT 1" if reader.fault and set(days) == {None} else None
        return Counted(sum(days.values()), days, con.execute(fault).fetchall()[0][0] if fault else None)
    records = con.execute(f"SELECT count(*) FROM ({reader.scan(numbered=False)})").fetchall()[0][0]
    return Counted(records, count_known_days(con, contract, reader) if reader.source.kind == "outcomes" else {})


def read_through(con: duckdb.DuckDBPyConnection, reader: FileReader) -> None:
    """Decode every column once: damage in the middle of a file must refuse the file, not break a day later."""
    columns = ", ".join(f"count({reader.raw(name)}) FILTER ({reader.raw(name)} IS NULL)" for name in reader.columns)
    con.execute(f"SELECT {columns} FROM ({reader.scan(numbered=False)})").fetchall()


def dated(counted: dict[date | None, int]) -> dict[str, int]:
    return {day.isoformat(): rows for day, rows in sorted((day, n) for day, n in counted.items() if day is not None)}


def usable_days(contract: Contract, source: Source, relative: str, counted: Counted) -> dict[str, int]:
    """Rows per day of one log file; rows without a usable day are counted on its first day."""
    days = without_strays(counted.days) if contract.last_day is None else counted.days
    rows = dated(days)
    if not days and (source.header or source.format == "parquet"):
        log.info("%s: the file has no rows", relative)  # an hour without traffic
        return {}
    if not days:
        raise LandingError(f"{relative}: the file has no rows; deliver it again or remove it from landing")
    if not rows:
        check = "check the time column's `parse` and first_day in the contract"
        if counted.fault:
            check = (
                f"the first is refused ({counted.fault}): check the file, or `delimiter`, `quote`, `header` and "
                f"`names` of source {source.name!r} in the contract"
            )
        raise LandingError(
            f"{relative}: none of its {days[None]} rows has a readable time between {contract.first_day} and "
            f"{contract.last_day or 'today'}; {check}"
        )
    rows[min(rows)] += days.get(None, 0)
    return rows
