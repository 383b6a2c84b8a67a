"""Text files record by record: the slow and careful reader, for files that DuckDB cannot read without losing rows.

A line that is no record is refused alone. An open quote in particular ends with its line unless the lines that follow
complete the record: DuckDB would read on to the next quote, over clean rows.
"""

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, NamedTuple

import pyarrow as pa

from hinet_core.contract import Source

LINE_LIMIT = 16 * 2**20  # characters of a line
TOO_LONG = "line: longer than 16 million characters"
NO_TEXT = "line: invalid encoding"
UNQUOTED = "line: unquoted value"
JOINED_LINES, JOINED_LIMIT = 1000, 2**20  # lines and characters of a value with line breaks
LOOKED_AT, HABIT = 100, 2  # records that show a file's habit, and how many make one
BATCH = 8192
BLANKS = " \t\r\v\f"  # a line of these alone is no record
FAULT, TEXT, NUMBER = "the fault", "the line", "record_number"  # no column of a file is called so in a query
SURROGATE = re.compile("[\ud800-\udfff]")


def keep_bytes(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no text become lone surrogates, which no text holds: the record is refused, not changed."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


UNDECODABLE = "hinet_keep_bytes"
codecs.register_error(UNDECODABLE, keep_bytes)


class Line(NamedTuple):
    """A line without its end, the end, and why it cannot be read."""

    text: str
    end: str
    fault: str | None


class Record(NamedTuple):
    """One record, numbered from 1: its values or the fault for which it is refused, and its text."""

    number: int
    values: list[str] | None
    fault: str | None
    text: str


def lines_of(file: IO[str]) -> Iterator[Line]:
    """The lines of a text opened with newline='' and errors=UNDECODABLE; \\n, \\r\\n and \\r end a line.

    A mark of byte order before a line is no part of it: so begins a file, and each of those put together into one.
    """
    while whole := file.readline(LINE_LIMIT):
        text = whole.rstrip("\r\n") if whole[-1] in "\r\n" else whole
        fault = None
        if len(whole) == LINE_LIMIT and text == whole:
            fault = TOO_LONG
            text = text[:1000]
            while (rest := file.readline(LINE_LIMIT)) and rest[-1] not in "\r\n":
                pass
        elif "\0" in text:
            fault = "line: null byte"
        elif not text.isascii() and SURROGATE.search(text):
            fault = NO_TEXT
        yield Line(text.removeprefix("\ufeff"), whole[len(whole.rstrip("\r\n")) :], fault)


def shown(text: str) -> str:
    """A text that any reader takes: bytes that are no text as \\xff, null bytes as \\x00."""
    return SURROGATE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", text).replace("\0", "\\x00")


@dataclass(frozen=True)
class Cells:
    """How a line is split: quoted values may hold the delimiter, doubled quotes and line ends."""

    delimiter: str
    quote: str

    def split(self, text: str, past_junk: bool = False) -> tuple[list[str] | None, str | None]:
        """The values of a record; or None and why not, 'open' when the record may go on in the next line.

        `past_junk` reads on behind a closing quote that ends no value, unless the value has a line break; a record
        that comes to its end so has both values and a fault.
        """
        if not self.quote or self.quote not in text:
            return text.split(self.delimiter), None
        values, at, junk = [], 0, None
        while True:
            start = at
            while self.delimiter != " " and text.startswith(" ", start):
                start += 1
            if text.startswith(self.quote, start):
                quoted = self._quoted().match(text, start)
                if quoted is None:
                    return None, "open"
                values.append(quoted[1].replace(self.quote * 2, self.quote))
                at = quoted.end()
                if at < len(text) and not text.startswith(self.delimiter, at):
                    if not past_junk or "\n" in quoted[1] or "\r" in quoted[1]:
                        return None, UNQUOTED
                    at, junk = text.find(self.delimiter, at), UNQUOTED
            else:
                at = text.find(self.delimiter, at)
                values.append(text[start:at] if at >= 0 else text[start:])
            if at < 0 or at == len(text):
                return values, junk
            at += len(self.delimiter)

    def _quoted(self) -> re.Pattern[str]:
        quote = re.escape(self.quote)
        blanks = "" if self.delimiter == " " else " *+"
        return re.compile(f"{quote}((?:[^{quote}]|{quote}{quote})*+){quote}{blanks}")


def header_of(file: IO[str], source: Source) -> list[str]:
    """The names in a CSV's first line; empty when there is none or it cannot be read."""
    records = csv_records(lines_of(file), source, None)
    return (next(records, Record(0, None, None, "")).values or []) if source.header else []


def end_in_delimiters(lines: Iterable[Line], source: Source, width: int) -> bool:
    """Whether the records of a CSV end in one delimiter too many by habit: most of the first hundred, two at least."""
    header = int(source.header)
    first = islice(csv_records(lines, source, None), header, header + LOOKED_AT)
    ending = [one.values is not None and len(one.values) == width + 1 and not one.values[-1] for one in first]
    return sum(ending) >= HABIT and 2 * sum(ending) > len(ending)


def without_ends(records: Iterable[Record], delimiter: str) -> Iterator[Record]:
    """The records without the empty value at their end; another value there is one too many."""
    for one in records:
        if one.values is None:
            yield one
        elif one.values[-1]:
            yield Record(one.number, None, "line: too many columns", one.text or delimiter.join(one.values))
        else:
            yield one._replace(values=one.values[:-1])


def csv_records(lines: Iterable[Line], source: Source, width: int | None, before: int = 0) -> Iterator[Record]:
    """The records of a CSV, its header among them; blank lines are none. `width`: values that a record has, `before`:
    how many records came before these lines."""
    cells = Cells(source.delimiter, source.quote)
    blanks = "".join(set(BLANKS) - set(source.delimiter))  # a line of delimiters is a record of empty values
    waiting = deque[Line]()
    rest = iter(lines)
    number = before
    while line := waiting.popleft() if waiting else next(rest, None):
        if not line.text.strip(blanks) and width != 1:
            continue
        number += 1
        text = line.text
        values, fault = (None, line.fault) if line.fault == TOO_LONG else cells.split(text)
        if fault == "open" or (fault == UNQUOTED and width and cells.split(text, past_junk=True)[1] == "open"):
            values, fault = None, "line: unterminated quote" if fault == "open" else fault
            if ahead := _completed(cells, line, waiting, rest, width):
                values, fault, text = ahead
        if line.fault:
            values, fault = None, line.fault
        if values is not None and (fault := fault or _wrong_width(values, width)):
            values = None
        yield Record(number, values, fault, text)


def _wrong_width(values: list[str], width: int | None) -> str | None:
    if width is None or len(values) == width:
        return None
    return f"line: {'missing' if len(values) < width else 'too many'} columns"


def _completed(
    cells: Cells, line: Line, waiting: deque[Line], rest: Iterator[Line], width: int | None
) -> tuple[list[str] | None, str | None, str] | None:
    """The record that a line begins and later lines complete: values or fault, text; None, and nothing taken, if none.

    A record that would swallow a line which is a record itself is taken for a line with a broken quote; so is one with
    another fault that would swallow a line which may begin a record.
    """
    joined, size, begins, broken = line.text + line.end, 0, False, line.fault
    for taken in range(JOINED_LINES):
        if taken == len(waiting):
            follower = next(rest, None)
            if follower is None:
                return None
            waiting.append(follower)
        after = waiting[taken]
        if after.fault == TOO_LONG or size > JOINED_LIMIT:
            return None
        size += len(after.text)  # of the lines inside the value: the one that ends it may have long values behind it
        broken = broken or after.fault
        joined += after.text
        alone, why = cells.split(after.text)
        begins = begins or why == "open" or (alone is not None and len(alone) == width)
        if cells.quote in after.text:
            values, fault = cells.split(joined, past_junk=width is not None)
            wrong = fault or (_wrong_width(values, width) if values is not None else None)
            if values is not None and not (wrong and begins):
                for _ in range(taken + 1):
                    waiting.popleft()
                return (None, broken or wrong, joined) if broken or wrong else (values, None, "")
            if fault != "open":
                return None
        if width is not None and alone is not None and len(alone) == width > 1:
            return None
        joined += after.end
    return None


def json_records(lines: Iterable[Line]) -> Iterator[Record]:
    """Each line that is not blank, under the number of the line."""
    for number, line in enumerate(lines, 1):
        if line.text.strip(BLANKS):
            yield Record(number, None if line.fault else [line.text], line.fault, line.text)


def batches(records: Iterable[Record], width: int, skip: int) -> Iterator[pa.RecordBatch]:
    """Columns c0, c1, … with the fault, text and number of each record; `skip` records (the header) come first."""
    nothing = [None] * width
    rows: list[tuple[object, ...]] = []
    for number, values, fault, text in records:
        if number <= skip:
            continue
        cells = nothing if values is None else values
        rows.append((*cells, fault, shown(text) if fault else None, number - skip))
        if len(rows) == BATCH:
            yield _batch(rows, width)
            rows = []
    if rows:
        yield _batch(rows, width)


def _batch(rows: list[tuple[object, ...]], width: int) -> pa.RecordBatch:
    schema = schema_of(width)
    columns = [pa.array(one, field.type) for one, field in zip(zip(*rows, strict=True), schema, strict=True)]
    return pa.record_batch(columns, schema=schema)


def schema_of(width: int) -> pa.Schema:
    names = [(f"c{place}", pa.string()) for place in range(width)]
    return pa.schema([*names, (FAULT, pa.string()), (TEXT, pa.string()), (NUMBER, pa.int64())])
