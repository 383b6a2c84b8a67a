"""Landed bytes as text: unpacked by what the bytes say (not by the file's name), decoded as the contract says."""

import codecs
import gzip
import hashlib
import io
import os
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
import pyarrow as pa

from hinet_core.ingest.records import UNDECODABLE
from hinet_core.lake import LakeError, spill_folder
from hinet_core.progress import track

CHUNK = 2**20
# What zipfile says of damage, of an end too early, of a password and of an unknown packing.
BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}

MARK = "\ufeff"  # of byte order, as text
MARKS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}


def packing(path: Path) -> str:
    """'gzip', 'zstd', 'zip' or 'none'."""
    with path.open("rb") as file:
        return packing_of(file.read(4))


def packing_of(start: bytes) -> str:
    return next((kind for magic, kind in MAGIC.items() if start.startswith(magic)), "none")


def members(path: Path) -> list[str]:
    """The files in a zip archive, by name; empty for a file that is none. Raises OSError for a damaged archive."""
    if packing(path) != "zip":
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.filename for one in archive.infolist() if not one.is_dir()]
    except zipfile.BadZipFile as error:
        raise OSError(f"damaged or cut off ({error})") from error
    twice = [name for name, times in Counter(names).items() if times > 1]
    if "[Content_Types].xml" in names:
        raise OSError("it is an Excel or other Office file, which is not read: export it as CSV")
    if twice:  # a name opens the last of them
        raise OSError(f"it holds {twice[0]!r} more than once")
    return sorted(name for name in names if PurePosixPath(name).name[0] != "." and not name.startswith("__MACOSX/"))


def unpack(packed: Path, member: str = "") -> Path:
    """A member of a zip archive, or what a gzip or zstd file holds, as the only file of a folder under
    HINET_HOME/spill, which the caller removes. Raises OSError for damage, LakeError where the copy finds no room."""
    with _said_of_the_copy():
        folder = Path(tempfile.mkdtemp(prefix=f"unpacked-{os.getpid()}-", dir=spill_folder()))
    path = folder / PurePosixPath(member or packed.stem).name
    try:
        with _unpacked(packed, member) as source, path.open("wb", buffering=0) as target:
            while chunk := source.read(CHUNK):
                rest = memoryview(chunk)
                while rest:  # a disk that is nearly full takes a part
                    with _said_of_the_copy():
                        rest = rest[target.write(rest) :]
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, BROKEN_ARCHIVE) and not isinstance(error, LakeError):
            raise OSError(f"damaged, cut off or encrypted ({error})") from error
        raise
    return path


@contextmanager
def _said_of_the_copy() -> Iterator[None]:
    """A disk that is full is no damage of the file that is read."""
    try:
        yield
    except OSError as error:
        raise LakeError(
            f"could not unpack a file under {spill_folder()}: {error}. Nothing was changed; free some space or check "
            "the folder's rights, then run again"
        ) from error


@contextmanager
def _unpacked(packed: Path, member: str) -> Iterator[IO[bytes]]:
    if not member:
        with open_bytes(packed) as source:
            yield source
    else:
        with zipfile.ZipFile(packed) as archive, archive.open(member) as source:
            yield source


def open_bytes(path: Path) -> IO[bytes]:
    """The unpacked bytes; a damaged archive raises OSError, EOFError or zlib.error while it is read."""
    kind = packing(path)
    if kind == "gzip":
        return gzip.open(path)  # type: ignore[return-value]
    if kind == "zstd":
        return pa.input_stream(str(path), compression="zstd")  # type: ignore[no-any-return]
    return path.open("rb")


def open_text(path: Path, encoding: str) -> IO[str]:
    """The text with its line ends as they are; bytes that are no text become lone surrogates.

    UTF-16 and UTF-32 without a mark of byte order are little-endian.
    """
    codec = "utf-8-sig" if is_utf8(encoding) else encoding  # which drops the mark of byte order
    if (name := codecs.lookup(codec).name) in MARKS:
        with open_bytes(path) as file:
            marked = file.read(4).startswith(MARKS[name])
        codec = name if marked else f"{name}-le"  # Python's decoders of these names want a mark
    return io.TextIOWrapper(open_bytes(path), codec, errors=UNDECODABLE, newline="")  # type: ignore[arg-type]


# What a file starts with that is no text in UTF-8, in words, and what to do.
STARTS = {
    b"PK\x05\x06": "the archive is empty: deliver it again or remove it from landing",
    b"BZh": "it is packed by bzip2, which is not read: unpack it, or pack it by gzip or zstd",
    b"\xfd7zXZ\0": "it is packed by xz, which is not read: unpack it, or pack it by gzip or zstd",
    b"PAR1": "it is a Parquet file: correct `format`, or deliver it as another source",
    codecs.BOM_UTF16_LE: "it starts with the mark of UTF-16: correct `encoding`",
    codecs.BOM_UTF16_BE: "it starts with the mark of UTF-16: correct `encoding`",
}


def mistaken(path: Path) -> str | None:
    """Why a file is no text in UTF-8 at all, by its first bytes; None where they look like text."""
    with open_bytes(path) as file:
        start = file.read(4096)
    if not start.removeprefix(codecs.BOM_UTF8).strip():
        return "it holds nothing: deliver it again or remove it from landing"
    for mark, said in STARTS.items():
        if start.startswith(mark):
            return said
    if start[257:262] == b"ustar":
        return "it is a tar archive, which is not read: unpack it, or deliver it as zip"
    if packing_of(start) != "none":
        return f"it is a {packing_of(start)} inside another archive, which is not unpacked: deliver it unpacked"
    return "it holds null bytes, as no text does: is it another kind of file?" if b"\0" in start[:512] else None


def no_names(names: Iterable[str], encoding: str) -> str | None:
    """What is said of a header without a name that can be printed, as bytes in another encoding give one."""
    if any(name and name.isprintable() for name in names):
        return None
    return f"its first line is no text in {encoding}: correct `encoding`, or deliver the file again"


def is_utf8(encoding: str) -> bool:
    """Whether DuckDB can read text of the encoding as it is."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


@dataclass(frozen=True)
class Survey:
    """What the bytes of a file say: their hash, the lines of the text, and whether DuckDB could misread one.

    `odd`: null bytes, line ends of \\r alone, bytes that are not UTF-8, or a blank before the header. `delimiters`: how
    often the delimiter stands anywhere, if it is one byte.
    """

    sha256: str
    lines: int
    odd: bool
    delimiters: int | None


def survey(path: Path, is_text: bool, delimiter: str) -> Survey:
    """Read the file once, in bounded memory; raises OSError where its archive is damaged or cut off."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    if not is_text:
        return Survey(digest, 0, False, None)
    counted = _Count(delimiter.encode())
    size = path.stat().st_size // CHUNK if packing(path) == "none" else None
    try:
        with open_bytes(path) as unpacked:
            for chunk in track(iter(lambda: unpacked.read(CHUNK), b""), f"checking MB of {path.name}", size):
                counted.add(chunk)
    except (EOFError, zlib.error) as error:
        raise OSError(f"damaged or cut off ({error})") from error
    return Survey(digest, counted.lines, counted.odd, counted.delimiters)


def count(chunk: bytes, byte: bytes) -> int:
    """As bytes.count of one byte, at three to five times its speed."""
    return int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == byte[0]))


class _Count:
    """Lines and oddities over chunks of UTF-8; each count is one pass of C over the bytes."""

    def __init__(self, delimiter: bytes) -> None:
        self.delimiter = delimiter
        self.delimiters = 0 if len(delimiter) == 1 else None  # a longer one may lie across two chunks
        self.breaks = self.returns = self.pairs = 0
        self.last = b""
        self.begun = self.broken = False
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def add(self, chunk: bytes) -> None:
        if not self.begun:
            self.broken = chunk.removeprefix(codecs.BOM_UTF8)[:1].isspace()
        self.breaks += count(chunk, b"\n")
        if self.delimiters is not None:
            self.delimiters += count(chunk, self.delimiter)
        if b"\r" in chunk or self.last == b"\r":
            self.returns += chunk.count(b"\r")
            self.pairs += chunk.count(b"\r\n") + (self.last == b"\r" and chunk[:1] == b"\n")
        self.last = chunk[-1:]
        if b"\0" in chunk:
            self.broken = True
        if not self.broken and (not chunk.isascii() or self.decoder.getstate()[0]):
            try:
                text = self.decoder.decode(chunk)
            except UnicodeDecodeError:
                self.broken = True
            else:
                self.broken = MARK in (text if self.begun else text.removeprefix(MARK))
        self.begun = True

    @property
    def lines(self) -> int:
        return self.breaks + (self.last not in (b"\n", b""))

    @property
    def odd(self) -> bool:
        return self.broken or self.returns != self.pairs or bool(self.decoder.getstate()[0])
