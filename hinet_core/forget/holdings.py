"""Where a user stands: tables, days kept out, landed files."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from hinet_core.contract import Contract
from hinet_core.forget.matching import is_key_of, is_raw_of, is_sampled, is_user, user_column
from hinet_core.ingest.cells import value
from hinet_core.ingest.days import STEP
from hinet_core.ingest.landing import last_index
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import Lake, connect, parquet_list, quote_literal
from hinet_core.progress import track
from hinet_core.settings import Paths


@dataclass(frozen=True)
class Holding:
    """Rows of one table that are of the user, over some days."""

    table: str
    rows: int
    days: tuple[date, ...]
    kept_out: bool = False


def holdings(contract: Contract, lake: Lake, user: str) -> list[Holding]:
    """Every committed table, and every table of a day kept out, that holds the user."""
    con = connect()
    try:
        found = []
        for table in lake.tables():
            days: dict[date, int] = {}
            for step in lake.steps():
                for day in lake.days(step):
                    manifest = lake.manifest(step, day)
                    paths = [lake.root / one.path for one in manifest.tables.get(table, [])] if manifest else []
                    if paths and (rows := rows_of(con, contract, lake.root.parent, user, paths)):
                        days[day] = days.get(day, 0) + rows
            if days:
                found.append(Holding(table, sum(days.values()), tuple(sorted(days))))
        for day, folder in lake.blocked(STEP).items():
            found += [Holding(path.stem, rows, (day,), kept_out=True) for path in sorted(folder.glob("*.parquet"))
                      if (rows := rows_of(con, contract, lake.root.parent, user, [path]))]  # fmt: skip
        return found
    finally:
        con.close()


def rows_of(con: duckdb.DuckDBPyConnection, contract: Contract, root: Path, user: str, files: list[Path]) -> int:
    """How many rows of some files of one table are the user's."""
    names = pq.read_schema(files[0]).names
    conditions = []
    if user_column(contract).name in names:
        conditions.append(is_user(contract, user))
    if "raw" in names:
        conditions.append(is_raw_of(contract, user, of_outcomes="source" in names))
    if "sample" in names:
        conditions.append(is_sampled(root, user))
    if "key" in names:
        conditions.append(is_key_of(contract, user, names))
    if not conditions:
        return 0
    query = f"SELECT count(*) FROM {parquet_list(files)} WHERE {' OR '.join(f'({one})' for one in conditions)}"
    return con.execute(query).fetchall()[0][0]


def landed_files(contract: Contract, lake: Lake, paths: Paths, user: str) -> list[str]:
    """Landed files with rows of the user, kept or not, and files of other sources that are joined by the user.

    They are never changed here. Asked before the user is removed, since the rows themselves name their files.
    """
    con = connect()
    try:
        found: set[str] = set()
        for table, condition in (("impressions", is_user(contract, user)), ("quarantine", is_raw_of(contract, user))):
            files = [*lake.files(table), *lake.blocked_files(STEP, table)]
            if files:
                query = f"SELECT DISTINCT source_file FROM {parquet_list(files)} WHERE {condition}"
                found |= {name for (name,) in con.execute(query).fetchall()}
        found |= _with_repeats(con, contract, paths, user, found)
    finally:
        con.close()
    joined = [one for one in contract.sources if user_column(contract).name in one.join]
    for source in joined:
        found |= {path.relative_to(paths.landing).as_posix() for path in paths.landing.glob(source.files)}
    return sorted(found)


def _with_repeats(
    con: duckdb.DuckDBPyConnection, contract: Contract, paths: Paths, user: str, known: set[str]
) -> set[str]:
    """Of the other files of the log those with the user: no table has their rows where all of them are duplicates."""
    landed, column = last_index(contract, paths), user_column(contract)
    there = [one for one in landed.log_files if one.path not in known and (paths.landing / one.landed_path).is_file()]
    found = set()
    for one in track(there, "looking for the user in landed files"):
        try:
            reader = landed.open(con, contract.log, one.path)
        except LandingError:  # changed since it was last read
            found.add(one.path)
            continue
        same = f"CAST({value(contract, column, reader)} AS VARCHAR) = {quote_literal(user)}"
        if con.execute(f"SELECT count(*) FROM ({reader.query}) WHERE {same}").fetchall()[0][0]:
            found.add(one.path)
    return found
