"""Write the log that the world would leave behind: a file a day and two side tables, as Parquet or CSV.

    impressions/day=YYYY-MM-DD.parquet    one row per exposure, local day of the contract
    users.parquet, shops.parquet          one row per user, per shop

A day is a pure function of the world, so what is already there from the same world is left alone, and neither pieces
nor processes change a byte. A file holds the world's hash; files of CSV have it beside them, in `world.json`.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from hinet_core.contract import Contract
from hinet_core.lake import fsync_path, replace_text
from hinet_core.progress import track
from hinet_core.world.day import PIECE, day_pieces
from hinet_core.world.load import load
from hinet_core.world.observed import Columns, shop_columns, user_columns
from hinet_core.world.truth import World

Form = Literal["parquet", "csv"]
HASH_KEY = b"world_hash"
BESIDE = "world.json"
# Rows that are compressed together: the same files whatever the pieces.
ROW_GROUP = 131_072


class OtherWorldError(ValueError):
    """The folder holds files of another world."""


def write_log(
    contract: Contract,
    folder: Path,
    days: Sequence[date] | None = None,
    form: Form = "parquet",
    workers: int = 1,
    piece: int = PIECE,
) -> list[Path]:
    """Write what is missing of the contract's simulated log; returns its files, side tables first, then days in order.

    `days`: some of the log's days; `workers`: processes, a day each; `piece`: requests in memory at once, per process.
    """
    world = load(contract)
    wanted = _days_of(contract, world, days)
    if form == "csv":
        _claim(folder, world.hash)
    paths = [
        _write_once(folder / f"{name}.{form}", form, world.hash, partial(_side_table, columns, world))
        for name, columns in (("users", user_columns), ("shops", shop_columns))
    ]
    write_day = partial(_write_day, folder=folder, form=form, piece=piece)
    if workers == 1:
        return paths + [write_day(day, world) for day in track(wanted, "simulating days")]
    # Fresh processes: threads of this one do not survive a fork. Each gets the calibrated world.
    with ProcessPoolExecutor(min(workers, len(wanted)), get_context("spawn"), _take, (world,)) as pool:
        return paths + list(track(pool.map(write_day, wanted), "simulating days", total=len(wanted)))


def _side_table(columns: Callable[[World], Columns], world: World) -> list[pa.Table]:
    return [pa.table(dict(columns(world)))]


def _days_of(contract: Contract, world: World, days: Sequence[date] | None) -> list[date]:
    every = world.traffic.days()
    if odd := [day for day in days or () if day not in every]:
        raise ValueError(
            f"contract {contract.name}: expected days from {every[0]} to {every[-1]}, found {odd[0]}; "
            "ask for others, or raise world.days"
        )
    return every if days is None else list(days)


# The world of a worker process.
_worlds: list[World] = []


def _take(world: World) -> None:
    _worlds[:] = [world]


def _write_day(day: date, world: World | None = None, *, folder: Path, form: Form, piece: int) -> Path:
    mine = world or _worlds[0]
    path = folder / "impressions" / f"day={day.isoformat()}.{form}"
    return _write_once(path, form, mine.hash, lambda: day_pieces(mine, day, piece))


def _write_once(path: Path, form: Form, world_hash: str, make: Callable[[], Iterable[pa.Table]]) -> Path:
    """Write the file whole or not at all; one of the same world stays."""
    if path.exists():
        if form == "parquet":
            _require_same(path, (pq.read_schema(path).metadata or {}).get(HASH_KEY, b"none").decode(), world_hash)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(draft, form, world_hash, make())
        fsync_path(draft)
        draft.replace(path)
        fsync_path(path.parent)
    finally:
        draft.unlink(missing_ok=True)
    return path


def _write(draft: Path, form: Form, world_hash: str, pieces: Iterable[pa.Table]) -> None:
    writer: Any = None
    try:
        for table in _in_groups(pieces, ROW_GROUP):
            marked = table.replace_schema_metadata({HASH_KEY: world_hash.encode()})
            if writer is None and form == "csv":
                writer = pc.CSVWriter(draft, marked.schema)
            elif writer is None:
                writer = pq.ParquetWriter(draft, marked.schema, compression="zstd")
            writer.write_table(marked)
    finally:
        if writer is not None:
            writer.close()


def _in_groups(pieces: Iterable[pa.Table], n_rows: int) -> Iterator[pa.Table]:
    """The rows of all pieces in tables of `n_rows`, the last one shorter, none of them in chunks."""
    waiting: list[pa.Table] = []
    for piece in pieces:
        waiting.append(piece)
        while sum(map(len, waiting)) >= n_rows:
            together = pa.concat_tables(waiting)
            yield together.slice(0, n_rows).combine_chunks()
            waiting = [together.slice(n_rows)] if len(together) > n_rows else []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _claim(folder: Path, world_hash: str) -> None:
    """Say whose files of CSV these are; refuse a folder of another world's."""
    beside = folder / BESIDE
    if beside.exists():
        _require_same(beside, json.loads(beside.read_text())["world_hash"], world_hash)
    elif stray := sorted(folder.rglob("*.csv")):
        _require_same(stray[0], "none", world_hash)
    replace_text(beside, json.dumps({"world_hash": world_hash}) + "\n")


def _require_same(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise OtherWorldError(
            f"{path}: expected a file of world {expected}, found world {found}; "
            "start over with FRESH=1, or choose another folder or HINET_HOME"
        )
