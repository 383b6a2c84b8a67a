"""Files into the landing folder: copied in whole or not at all, and never changed there."""

import filecmp
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hinet_core.contract import Contract, Source
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import crash_point, fsync_path, is_gone
from hinet_core.progress import copy_stream, track
from hinet_core.settings import Paths

log = logging.getLogger("hinet")


def land(contract: Contract, paths: Paths, data: Path) -> list[Path]:
    """Copy the files that the contract's sources name from `data` into landing; returns what was copied."""
    if not data.is_dir():
        wrong = "is a file, not a folder" if data.exists() else "no such folder"
        raise LandingError(f"{data}: {wrong}; give the folder that holds the log files")
    found = files_of_sources(contract, data, but_not=paths.root)
    unread = no_files(contract, data)
    if not found:
        raise LandingError(_unread(unread) if unread else _no_file(contract, data))
    _say_what_stays(contract, data, {one for _, one in found}, but_not=paths.root)
    sweep_drafts(paths.landing)
    pairs = [(one, paths.landing / one.relative_to(data)) for _, one in found]
    fresh = [pair for pair in pairs if not is_landed(*pair)]
    _say_what_is_replaced(paths.landing, fresh)
    for origin, target in track(fresh, "landing files"):
        copy_whole(origin, target)
    _say_what_is_missing(contract, paths.landing)
    if unread:
        raise LandingError(f"{len(fresh)} new files have landed, but {_unread(unread)}")
    return [target for _, target in fresh]


def _say_what_stays(contract: Contract, folder: Path, found: set[Path], but_not: Path) -> None:
    """A pattern that is too narrow would leave out tomorrow's file without a word."""
    hidden = lambda path: any(part.startswith(".") for part in path.relative_to(folder).parts)  # noqa: E731
    others = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path not in found and not hidden(path) and not is_inside(path, but_not)
    )
    if others:
        named = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
        patterns = ", ".join(source.files for source in contract.sources)
        log.warning("%s: %d files match no source (%s) and do not land: %s", folder, len(others), patterns, named)


def _say_what_is_replaced(landing: Path, fresh: list[tuple[Path, Path]]) -> None:
    """A correction keeps its file's name; a daily export that keeps it too would lose its last day without a word."""
    other = [
        target.relative_to(landing).as_posix()
        for origin, target in fresh
        if target.exists() and not filecmp.cmp(origin, target, shallow=False)
    ]
    if other:
        named = ", ".join(other[:5]) + (", …" if len(other) > 5 else "")
        log.warning(
            "%d landed files are replaced by other content, and rows that only the old ones had leave landing: %s; "
            "if these are no corrections, land them under names of their own", len(other), named
        )  # fmt: skip


def _say_what_is_missing(contract: Contract, landing: Path) -> None:
    """A log and its side tables may come from several folders, in any order; outcomes may come later, or never."""
    for source in contract.sources:
        if source.kind != "outcomes" and not any(landing.glob(source.files)):
            log.warning("no file of source %r has landed yet (%s); ingest needs it", source.name, source.files)


def files_of_sources(contract: Contract, folder: Path, but_not: Path | None = None) -> list[tuple[Source, Path]]:
    """The files of a folder that the contract's sources name; what has landed is no file to land (`but_not`)."""
    return [
        (source, path)
        for source in contract.sources
        for path in sorted(folder.glob(source.files))
        if path.is_file() and not path.name.startswith(".") and not is_inside(path, but_not)
    ]


def no_files(contract: Contract, folder: Path) -> list[str]:
    """What is called like a file of a source and is none, nor a folder; each with what it is."""
    found = {path for source in contract.sources for path in folder.glob(source.files) if path.name[0] != "."}
    others = sorted(path for path in found if not path.is_file() and not path.is_dir())
    return [
        f"{path.relative_to(folder).as_posix()} "
        + (f"(a link to {path.readlink()}, where no file is)" if path.is_symlink() else "(a pipe, socket or device)")
        for path in others
    ]


def _unread(others: list[str]) -> str:
    named = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
    return f"{named} did not land. Deliver the file itself, or remove what has its name"


def is_inside(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.resolve().is_relative_to(folder.resolve())


def _no_file(contract: Contract, data: Path) -> str:
    source = contract.log
    names = ", ".join(sorted(one.name for one in data.iterdir())[:10]) or "nothing"
    return (
        f"{data}: no file matches {source.files!r} (source {source.name!r} of contract {contract.name!r}); the "
        f"folder holds {names}. Give another folder, or correct `files` in the contract"
    )


def is_landed(origin: Path, target: Path) -> bool:
    if not target.exists():
        return False
    left, right = origin.stat(), target.stat()
    return (left.st_size, left.st_mtime_ns) == (right.st_size, right.st_mtime_ns)


def copy_file(origin: Path, target: Path) -> None:
    """As shutil.copy2, with progress: a log may have a hundred gigabytes."""
    with origin.open("rb") as stream:
        copy_stream(stream, target, origin.stat().st_size, f"landing {origin.name}")
    shutil.copystat(origin, target)


def sweep_drafts(landing: Path) -> None:
    """Remove what processes that are gone had not copied whole: a draft's name ends in their number."""
    for path in landing.rglob(".*"):
        if is_gone(path.suffix[1:]) and path.is_file():
            path.unlink(missing_ok=True)


def copy_whole(origin: Path, target: Path, write: Callable[[Path, Path], object] = copy_file) -> None:
    """`write` a draft and put it in its place: a landed file is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        write(origin, draft)
        fsync_path(draft)
        crash_point("before-landing")
        draft.replace(target)
    except OSError as error:
        raise LandingError(f"could not copy {origin.name} to {target.parent}: {error}; nothing was landed") from error
    finally:
        draft.unlink(missing_ok=True)
