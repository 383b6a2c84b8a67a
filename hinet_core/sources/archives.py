"""The archives that publishers ship: zip, zip in zip, tar and tar.gz, unpacked as streams, only what is wanted."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from hinet_core.progress import copy_stream

TARS = (".tar", ".tar.gz", ".tgz")


class ArchiveError(ValueError):
    """An archive cannot be unpacked; the message says which, why and what to do."""


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith((".zip", *TARS))


def unpack(archive: Path, into: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """Write the members whose path is wanted under `into`, in their folders; a zip inside is opened likewise."""
    members = _of_zip if archive.name.lower().endswith(".zip") else _of_tar
    try:
        return list(members(archive, into, wanted))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ArchiveError(f"{archive.name}: not readable as an archive: {error}; load it again") from error


def _of_tar(archive: Path, into: Path, wanted: Callable[[str], bool]) -> Iterator[Path]:
    with tarfile.open(archive) as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isfile() and wanted(member.name) else None
            if stream is not None:
                yield _write(stream, member.size, _inside(into, member.name, archive))


def _of_zip(archive: Path, into: Path, wanted: Callable[[str], bool]) -> Iterator[Path]:
    with zipfile.ZipFile(archive) as outer:
        for member in outer.infolist():
            is_zip = member.filename.lower().endswith(".zip")
            if member.is_dir() or not (is_zip or wanted(member.filename)):
                continue
            with outer.open(member) as stream:
                path = _write(stream, member.file_size, _inside(into, member.filename, archive))
            if not is_zip:
                yield path
                continue
            try:
                yield from _of_zip(path, path.parent, wanted)
            finally:
                path.unlink()


def _inside(into: Path, name: str, archive: Path) -> Path:
    """Where a member goes; one that would leave the folder is refused."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise ArchiveError(f"{archive.name}: holds {name!r}, which leads out of its folder; load the archive again")
    return into / parts


def _write(stream: IO[bytes], size: int, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    copy_stream(stream, path, size, f"unpacking {path.name}")
    return path
