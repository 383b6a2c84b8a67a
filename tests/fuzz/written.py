"""Rows as the bytes of a CSV, NDJSON or Parquet file, in the layout that the contract declares."""

import gzip
import io
import json
import zipfile
from codecs import BOM_UTF8, BOM_UTF16_LE, BOM_UTF32_LE
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from drawn_values import Cell, Kind
from log_truth import Log, LogFile


def write_log(log: Log, landing: Path) -> None:
    """Every file of the case under `landing`."""
    for one in log.files:
        path = landing / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_bytes(log, one))
    if log.late and not log.late.after:
        write_late(log, landing)
    if log.side:
        source = next(one for one in log.raw["sources"] if one["name"] == "side")
        lines = [log.side.columns, *([cells[name].text for name in log.side.columns] for _, _, cells in log.side.rows)]
        text = "".join(csv_line(line, source) + "\n" for line in lines)
        data = encoded(text, source["encoding"], first=True)
        (landing / log.side.path).write_bytes(log.side.tamper(data) if log.side.tamper else data)


def write_late(log: Log, landing: Path) -> None:
    """The file of outcomes, in a layout of its own."""
    (landing / log.late.file.path).write_bytes(file_bytes(log, log.late.file))


def file_bytes(log: Log, one: LogFile) -> bytes:
    """The finished file: records, lines between them, encoding, compression, and what a damage did to it."""
    is_parquet = one.layout.get("format", log.source["format"]) == "parquet"
    data = compressed(parquet_bytes(log, one) if is_parquet else text_bytes(log, one), one.path)
    return one.tamper(data) if one.tamper else data


def text_bytes(log: Log, one: LogFile) -> bytes:
    source = log.source | one.layout
    is_csv, codec = source["format"] == "csv", source["encoding"]
    lines: list[bytes] = []
    if is_csv and source["header"]:
        lines += [encoded(text, codec) for text in one.gaps.get(-1, [])]
        header = [one.titles.get(name, name) for name in one.columns]
        lines.append(encoded(csv_line(header, source, one.quote_all), codec))
    for number, row in enumerate(one.rows):
        lines += [encoded(text, codec) for text in one.gaps.get(number, [])]
        if is_csv:
            fields = [row.cells[name].text for name in one.columns]
            text = csv_line(row.shape(fields) if row.shape else fields, source, one.quote_all)
        else:
            text = json_line(log, one, row.cells)
        line = encoded(text, codec)
        lines.append(row.mangle(line) if row.mangle else line)
    ends = [encoded(one.newlines[number % len(one.newlines)], codec) for number in range(len(lines))]
    if lines and not one.last_newline:
        ends[-1] = b""
    return encoded("", codec, first=True) + b"".join(line + end for line, end in zip(lines, ends, strict=True))


MARKED = {"utf-16": BOM_UTF16_LE, "utf-32": BOM_UTF32_LE, "utf-8-sig": BOM_UTF8}


def encoded(text: str, codec: str, first: bool = False) -> bytes:
    """Encodings with a mark of byte order are written little-endian, with one mark at the start of the file."""
    if codec in MARKED:
        plain = "utf-8" if codec == "utf-8-sig" else f"{codec}-le"
        return (MARKED[codec] if first else b"") + text.encode(plain)
    return text.encode(codec)


def csv_line(values: Iterable[str | None], source: dict[str, Any], quote_all: bool = False) -> str:
    """Quoted where it must be: where the delimiter, the quote or a line break is inside."""
    delimiter, quote = source.get("delimiter", ","), source.get("quote", '"')
    special = {*delimiter, quote, "\n", "\r"} - {""}
    parts = []
    for value in values:
        text = value or ""
        if special & set(text) or (quote_all and quote and value is not None):
            assert quote, f"{text!r} cannot be written without quotes"
            text = quote + text.replace(quote, quote * 2) + quote
        parts.append(text)
    return delimiter.join(parts)


def json_line(log: Log, one: LogFile, cells: dict[str, Cell]) -> str:
    """An object; a missing value is null, an empty text or not there, a value may be written as text."""
    found: dict[str, Any] = {}
    kinds = kinds_of(log)
    for number, name in enumerate(one.columns):
        cell = cells[name]
        native = cell.native if isinstance(cell.native, (bool, int, float, str, list, dict)) else None
        if isinstance(native, (int, float)) and name in kinds and {"decimal", "thousands"} & set(kinds[name].keys):
            native = None  # numbers are written in words of the locale, or there would be two ways to read 1.234
        if native is None or name in log.text_columns:
            if cell.text is None and number % 2:
                continue
            found[one.titles.get(name, name)] = cell.text
        else:
            found[one.titles.get(name, name)] = native
    return json.dumps(found, ensure_ascii=log.source["encoding"] != "utf-8" or len(one.columns) % 2 == 0)


def kinds_of(log: Log) -> dict[str, Kind]:
    return {name: of.kind for of in log.fields if of.source == "log" for name in of.cell_names}


def parquet_bytes(log: Log, one: LogFile) -> bytes:
    kinds = kinds_of(log)
    columns, names = [], []
    for name in one.columns:
        kind = kinds.get(name)
        cells = [row.cells[name] for row in one.rows]
        if name in one.arrow:
            columns.append(pa.array([cell.native for cell in cells]).cast(one.arrow[name]))
        elif kind is None or kind.arrow is None or name in log.text_columns:
            columns.append(pa.array([cell.text for cell in cells], pa.string()))
        else:
            columns.append(pa.array([cell.native for cell in cells], kind.arrow))
        names.append(one.titles.get(name, name))
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, names=names), sink, compression=["snappy", "zstd", "gzip"][len(one.rows) % 3])
    return sink.getvalue()


def compressed(data: bytes, path: str) -> bytes:
    if path.endswith(".gz"):
        return gzip.compress(data, mtime=0)
    if path.endswith(".zst"):
        return pa.Codec("zstd").compress(data, asbytes=True)
    if path.endswith(".zip"):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(Path(path).name.removesuffix(".zip"), data)
        return sink.getvalue()
    return data

