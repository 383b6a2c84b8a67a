"""A bounded look at a text file: its compression, its encoding, and lines from its beginning, middle and end."""

import gzip
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
from charset_normalizer import from_bytes

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"PAR1": "parquet"}
BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
PLACES = 8  # a plain file larger than the budget is looked at in as many places
HEAD_BYTES = 200_000  # what the encoding is told from
PLAIN = ("shift_jis", "euc_jp", "euc_kr", "big5", "gb18030", "cp1251")  # plain to see: alphabets of their own
COMMON = ("utf-8", "latin-1", "cp1252", "utf-16", *PLAIN, "cp1250")
LINES_READ = 2000  # with letters beyond ASCII
NEARLY_ALL = 0.9  # of these lines; the others are damaged


@dataclass(frozen=True)
class Text:
    """Lines of a file without their ends; `whole` when they are all of them, else `lines_in_file` is an estimate."""

    encoding: str
    lines: list[str]
    whole: bool
    lines_in_file: int


def kind_of(path: Path) -> str:
    """'parquet', 'gzip', 'zstd', 'zip' or 'plain', from the first bytes."""
    with path.open("rb") as file:
        head = file.read(4)
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "plain")


def look(path: Path, budget: int) -> Text:
    """At most about `budget` bytes of a file, decompressed and decoded."""
    kind = kind_of(path)
    if kind == "plain" and path.stat().st_size > budget:
        return _spread(path, budget)
    with opened(path, kind) as file:
        content = _at_most(file, budget)
        whole = not file.read(1)
    encoding = encoding_of(content)
    lines = _lines(content, encoding)
    if whole:
        return Text(encoding, lines, True, len(lines))
    return Text(encoding, lines[:-1], False, _estimate(path, kind, budget, len(lines)))


@contextmanager
def opened(path: Path, kind: str) -> Iterator[IO[bytes]]:
    """The decompressed bytes; of a zip archive those of its first file."""
    if kind == "gzip":
        with gzip.open(path) as file:
            yield file  # type: ignore[misc]
    elif kind == "zstd":
        with path.open("rb") as raw, pa.CompressedInputStream(raw, "zstd") as file:
            yield file
    elif kind == "zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            yield file
    else:
        with path.open("rb") as file:
            yield file


def encoding_of(content: bytes) -> str:
    """By its byte-order mark, as UTF-8 where that can be, else by its letters; 'ascii' is part of nearly all.

    A few lines that are damaged decide nothing.
    """
    for mark, name in BOMS.items():
        if content.startswith(mark):
            return name
    head = content[:HEAD_BYTES]
    if head[1::2].count(0) > len(head) / 4:
        return "utf-16"
    if content.isascii():
        return "ascii"
    try:
        content.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        if error.start > len(content) - 4:  # cut inside a letter
            return "utf-8"
    lines = list(itertools.islice((line for line in content.split(b"\n") if not line.isascii()), LINES_READ))
    if _read_by("utf-8", lines):
        return "utf-8"
    # One byte too many rules an encoding out for all of a text; without the lines that it cannot read it shows.
    for codec in PLAIN:
        of_lines = from_bytes(b"\n".join(_read_by(codec, lines)), cp_isolation=list(COMMON)).best()
        if of_lines is not None and of_lines.encoding == codec:
            return codec
    found = from_bytes(head, cp_isolation=list(COMMON)).best()
    if found is None or head.decode(found.encoding, "replace") == head.decode("cp1252", "replace"):
        return "cp1252" if any(0x80 <= byte < 0xA0 for byte in content) else "latin-1"
    return found.encoding


def _read_by(codec: str, lines: Sequence[bytes]) -> list[bytes]:
    """The lines that a codec can read, if it can read nearly all."""
    found = [line for line in lines if line.decode(codec, "ignore").encode(codec, "ignore") == line]
    return found if len(found) >= NEARLY_ALL * len(lines) else []


def _at_most(file: IO[bytes], budget: int) -> bytes:
    parts, size = [], 0
    while size < budget and (part := file.read(min(1 << 20, budget - size))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _spread(path: Path, budget: int) -> Text:
    size, piece = path.stat().st_size, budget // PLACES
    with path.open("rb") as file:
        encoding = encoding_of(_at_most(file, piece))
        places = [0] if encoding == "utf-16" else [place * (size - piece) // (PLACES - 1) for place in range(PLACES)]
        lines: list[str] = []
        for place in places:
            file.seek(place)
            found = _lines(_at_most(file, piece), encoding)
            # The first line of a later piece began before it; the last goes on behind it.
            lines += found[0 if place == 0 else 1 : None if place + piece >= size else -1]
    return Text(encoding, lines, False, round(len(lines) * size / (piece * len(places))))


def _lines(content: bytes, encoding: str) -> list[str]:
    text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def _estimate(path: Path, kind: str, budget: int, lines: int) -> int:
    """Lines in a compressed file, if it goes on as it began and shrinks to a fifth."""
    size = path.stat().st_size
    if kind == "zip":
        with zipfile.ZipFile(path) as archive:
            return round(lines * archive.infolist()[0].file_size / budget)
    return round(lines * max(1.0, 5 * size / budget))
