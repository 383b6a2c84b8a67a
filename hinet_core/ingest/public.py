"""Public logs: from the folder that their files were loaded into, out of their archives, into landing."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from hinet_core.contract import Contract, Origin
from hinet_core.ingest.delivery import copy_file, copy_whole, files_of_sources, is_inside, is_landed, sweep_drafts
from hinet_core.ingest.first_rows import copy_first_rows
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import is_gone
from hinet_core.progress import track
from hinet_core.settings import Paths
from hinet_core.sources import converter
from hinet_core.sources.archives import is_archive, unpack


@dataclass(frozen=True)
class Imported:
    """What came of an import: how many files are new, and a sentence on each thing that people should know."""

    files: int
    said: list[str]


def import_log(contract: Contract, paths: Paths, folder: Path, rows: int | None = None) -> Imported:
    """Land a public log; `rows` is how many rows of each log file are enough (None: all), side tables stay whole.

    Raises LandingError with the missing files and where they are offered. A file is landed whole or not at all.
    """
    origin = origin_of(contract)
    if not folder.is_dir():
        raise LandingError(f"{folder}: no such folder; give the one that holds {origin.files[0]}, or its archive")
    with scratch(paths) as unpacked:
        there = named_files(origin, folder, but_not=paths.root)
        if missing := missing_files(origin, there):
            for archive in archives_in(origin, folder):
                unpack(archive, unpacked, partial(is_one_of, missing))
            there |= named_files(origin, unpacked)
        missing = missing_files(origin, there)
        said = [not_there(origin, missing)] if missing else []
        convert = converter(contract)
        if convert is None:
            return Imported(_land(contract, paths, [folder, unpacked], rows, said), said)
        found = convert({path.name: path for path in there.values()}, paths.landing, rows)
        if not found:
            raise LandingError(f"{contract.name}: " + "; ".join(said))
        return Imported(len(files_of_sources(contract, paths.landing)), [*said, *found])


def origin_of(contract: Contract) -> Origin:
    if contract.origin is None:
        raise LandingError(
            f"contract {contract.name!r} names no [origin]: it is no public log; `hinet import` lists those that are, "
            "and `hinet land` lands any other"
        )
    return contract.origin


def not_there(origin: Origin, missing: list[str]) -> str:
    """Which files are missing and where they are offered."""
    archives = f", in {', '.join(origin.archives)}" if origin.archives else ""
    page = f" ({origin.page})" if origin.page else ""
    return f"not there: {', '.join(missing)}; offered as {origin.dataset}{page}{archives}"


def named_files(origin: Origin, folder: Path, but_not: Path | None = None) -> dict[PurePath, Path]:
    """The files of a folder, however deep, that the publisher's list names."""
    inside = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    named = {relative: path for relative, path in inside.items() if is_one_of(origin.files, relative)}
    return {relative: path for relative, path in named.items() if not is_inside(path, but_not)}


def is_one_of(patterns: list[str] | tuple[str, ...], name: str | PurePath) -> bool:
    return any(PurePath(name).match(pattern) for pattern in patterns)


def missing_files(origin: Origin, there: dict[PurePath, Path]) -> list[str]:
    return [pattern for pattern in origin.files if not any(is_one_of([pattern], name) for name in there)]


def archives_in(origin: Origin, folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and is_archive(path) and any(path.match(pattern) for pattern in origin.archives)
    ]


@contextmanager
def scratch(paths: Paths) -> Iterator[Path]:
    """A folder for unpacked files beside landing, gone afterwards."""
    sweep_drafts(paths.landing)
    for left in paths.root.glob(".import-*"):
        if is_gone(left.name.removeprefix(".import-")):
            shutil.rmtree(left, ignore_errors=True)
    folder = paths.root / f".import-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _land(contract: Contract, paths: Paths, folders: list[Path], rows: int | None, said: list[str]) -> int:
    """Copy what is in the first folder and move what was unpacked into the second; returns how many files are new."""
    pairs = [
        (source, path, paths.landing / path.relative_to(folder), folder)
        for folder, but_not in zip(folders, (paths.root, None), strict=True)
        for source, path in files_of_sources(contract, folder, but_not)
    ]
    empty = [one.name for one in contract.sources if one.kind != "outcomes" and one not in [pair[0] for pair in pairs]]
    if empty:
        raise LandingError(f"{contract.name}: nothing for {', '.join(empty)} in {folders[0]}; " + "; ".join(said))
    fresh = 0
    for source, path, target, folder in track(pairs, "landing files"):
        if rows is not None and source.kind == "log":
            copy_whole(path, target, partial(copy_first_rows, source, rows=rows))
        elif is_landed(path, target):
            continue
        else:
            copy_whole(path, target, copy_file if folder == folders[0] else os.replace)
        fresh += 1
    return fresh
