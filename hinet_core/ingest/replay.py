"""Read again what was refused, after the contract or a file was corrected, and say what came of every refused row."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from hinet_core.contract import Contract
from hinet_core.ingest.days import STEP, Auditor, IngestResult, ingest_days, is_current
from hinet_core.ingest.files import LandedFile
from hinet_core.ingest.landing import LandingIndex
from hinet_core.lake import Lake, connect, parquet_list


@dataclass(frozen=True)
class Replay:
    """What came of the rows that were refused before.

    `kept`: in `impressions` now; `waiting`: good, but their day is still kept out; `refused`: still; `gone`: none of
    these, so a duplicate now, or a record that its file no longer has.
    """

    results: list[IngestResult]
    kept: int
    waiting: int
    refused: int
    gone: int


def replay_days(lake: Lake, landed: LandingIndex, refused_before: Collection[str] = ()) -> list[date]:
    """Days with refused rows and days kept out, whose files or rules changed since they were read; and the days of
    files that were refused before (their paths) and can be read now.

    A corrected time also moves a row to its own day: such days are read again with them, or the row would be in
    nobody's books.
    """
    days = {day for day in lake.blocked(STEP) if lake.blocked_info(STEP, day).get("inputs") != landed.fingerprint(day)}
    for day in lake.days(STEP):
        manifest = lake.manifest(STEP, day)
        if manifest is None or is_current(lake, landed, day):
            continue
        counts = manifest.info["counts"]
        if counts["rows_quarantined"] or counts["rows_read"] != landed_rows(landed, day):
            days.add(day)
    for one in readable_again(landed, refused_before):
        days |= {day for day in one.days if not is_current(lake, landed, day)}
    return sorted(day for day in days if landed.files_of(day))


def readable_again(landed: LandingIndex, refused_before: Collection[str]) -> list[LandedFile]:
    """The usable log files that were refused before, or that are in an archive that was."""
    return [one for one in landed.log_files if {one.path, one.landed_path} & set(refused_before)]


def landed_rows(landed: LandingIndex, day: date) -> int:
    """The rows that the landed files have of a day."""
    return sum(one.rows[day.isoformat()] for one in landed.files_of(day))


def replay(contract: Contract, lake: Lake, landed: LandingIndex, days: Iterable[date], auditor: Auditor) -> Replay:
    """Ingest the days again; refused rows are followed by file and record number."""
    asked = sorted(set(days))
    con = connect()
    try:
        before = [*lake.files("quarantine", asked), *_blocked_files(lake, "quarantine", asked)]
        _places(con, "before", before)
        results = list(ingest_days(contract, lake, landed, asked, auditor))
        good = [one.day for one in results if one.manifest]
        bad = [one.day for one in results if not one.manifest]
        _places(con, "kept", lake.files("impressions", good))
        _places(con, "waiting", _blocked_files(lake, "impressions", bad))
        _places(con, "refused", [*lake.files("quarantine", good), *_blocked_files(lake, "quarantine", bad)])
        names = ("kept", "waiting", "refused")
        found = ", ".join(f"count(*) FILTER (place IN (SELECT place FROM {name}))" for name in names)
        total, kept, waiting, refused = con.execute(f"SELECT count(*), {found} FROM before").fetchall()[0]
    finally:
        con.close()
    return Replay(results, kept, waiting, refused, total - kept - waiting - refused)


def _blocked_files(lake: Lake, table: str, days: Iterable[date]) -> list[Path]:
    wanted = {lake.blocked_folder(STEP, day) for day in days}
    return [path for path in lake.blocked_files(STEP, table) if path.parent in wanted]


def _places(con: duckdb.DuckDBPyConnection, name: str, files: list[Path]) -> None:
    """A table of the places (file and record number) of the rows of some files; copied, since files are replaced."""
    con.execute(f"CREATE TEMP TABLE {name} (place STRUCT(file VARCHAR, record BIGINT))")
    if files:
        place = "struct_pack(file := source_file, record := record_number)"
        con.execute(f"INSERT INTO {name} SELECT DISTINCT {place} FROM {parquet_list(files)}").fetchall()
