"""Damage that crashes, full disks and careless copying leave: torn, interleaved and doubled lines, blocks of nulls."""

import copy
import gzip
from codecs import BOM_UTF8
from random import Random

from damages import NotHereError, clean_row, damage, one_of
from drawn_values import Cell
from line_damage import MARK, as_text, free_text, marked
from log_truth import Log, Row
from written import compressed, encoded


def stray_line(log: Log, text: str, at: int, reason: str = "^line: ") -> Row:
    """A line of its own among the records of the first file, which none of the contract's columns is in."""
    data = encoded(text, log.source["encoding"])
    row = Row({}, dict.fromkeys(log.files[0].columns, Cell("x", "x")), mangle=lambda line: data)
    row.refuse(reason)
    log.files[0].rows.insert(at, row)
    return row


def anywhere(rng: Random, log: Log) -> int:
    return rng.randrange(len(log.files[0].rows) + 1)


@damage(format="csv", plain=True)
def half_a_line_before(rng: Random, log: Log) -> None:
    """A writer that was stopped within a line and wrote it again: the two are one line with too many values."""
    row = clean_row(rng, log)
    left = rng.randrange(1, len(log.files[0].columns))
    row.shape = lambda cells: [*cells[:left], *cells]
    row.refuse("^line: ")


@damage(format="csv", min_rows=3, plain=True)
def lines_interleaved(rng: Random, log: Log) -> None:
    """Two processes append to one file: a line stands in the middle of another."""
    rows = log.files[0].rows
    pairs = [n for n in range(len(rows) - 1) if rows[n].fates == rows[n + 1].fates == ("kept",)]
    first = one_of(rng, pairs)
    torn, whole = rows[first], rows[first + 1]
    cut = rng.randrange(1, len(log.files[0].columns))
    inner = [whole.cells[name].text for name in log.files[0].columns]
    outer = [torn.cells[name].text for name in log.files[0].columns]
    torn.shape = lambda cells: [*cells[:cut], *inner]
    whole.shape = lambda cells: ["x", *outer[cut + 1 :]]
    for row in (torn, whole):
        row.refuse("^line: ")


@damage(format="csv", plain=True)
def lines_run_together(rng: Random, log: Log) -> None:
    """The line end between two records is gone."""
    row, lost = clean_row(rng, log), log.draw_row()
    more = [lost.cells[name].text for name in log.files[0].columns]
    row.shape = lambda cells: [*cells, *more[1:]]
    row.refuse("^line: ")


@damage(format="ndjson")
def objects_run_together(rng: Random, log: Log) -> None:
    """Two objects in one line are no record; nobody knows which was meant."""
    row = clean_row(rng, log)
    space = encoded(rng.choice(["", " ", ","]), log.source["encoding"])
    row.mangle = lambda line: line + space + line
    row.refuse("^line: ")


@damage(format="csv")
def null_block(rng: Random, log: Log) -> None:
    """After a power loss a block of a file is all null bytes."""
    stray_line(log, "\0" * rng.choice([1, 511, 4096, 70_000]), anywhere(rng, log))


@damage(format="ndjson")
def null_block_in_json(rng: Random, log: Log) -> None:
    null_block(rng, log)


@damage(format="csv")
def null_block_in_a_record(rng: Random, log: Log) -> None:
    row, _ = marked(rng, log)
    as_text(log, row, "\0" * rng.choice([512, 4096, 40_000]))
    row.refuse("^line: ")


@damage(format="csv", compression="")
def null_block_at_the_end(rng: Random, log: Log) -> None:
    """A file that was made longer before it was written."""
    stray_line(log, "\0" * rng.choice([1, 4096]), len(log.files[0].rows))
    log.files[0].last_newline = False


@damage(format="csv", coding="utf-8", compression="", header=True)
def files_concatenated(rng: Random, log: Log) -> None:
    """`cat` of two files: the second one's byte order mark and header stand between the records."""
    if log.role("scenario").found_in == ("path:place",):
        raise NotHereError
    file = log.files[0]
    again = Row({}, {name: Cell(name) for name in file.columns}, mangle=lambda line: BOM_UTF8 + line)
    again.refuse(f"^({log.role('time').name}: not a timestamp|line: )")
    file.rows += [again, log.draw_row(), log.draw_row()]


@damage(format="csv", coding="utf-8", header=False)
def files_without_headers_concatenated(rng: Random, log: Log) -> None:
    """A byte order mark before a record is no part of its first value."""
    row = clean_row(rng, log)
    row.mangle = lambda line: BOM_UTF8 + line


@damage(format="ndjson", coding="utf-8")
def json_files_concatenated(rng: Random, log: Log) -> None:
    row = clean_row(rng, log)
    row.mangle = lambda line: BOM_UTF8 + line


@damage(format="csv", header=True)
def file_twice_in_one(rng: Random, log: Log) -> None:
    """A file appended to itself: a header among the records, and duplicates."""
    file = log.files[0]
    header = Row({}, {name: Cell(name) for name in file.columns})
    header.refuse(f"^{log.role('time').name}: not a timestamp")
    file.rows += [header, *map(copy.copy, file.rows)]


@damage(format="csv", header=True)
def header_lost(rng: Random, log: Log) -> None:
    """The beginning of the file is gone, and with it the header."""
    log.files[0].layout = {"header": False}
    log.files[0].refuse("lacks the column|more than once")


@damage(format="csv", compression=".gz")
def zeros_behind_gzip(rng: Random, log: Log) -> None:
    """Tapes and block devices fill up the last block; the format allows for it."""
    zeros = b"\0" * rng.choice([1, 300, 70_000])
    log.files[0].tamper = lambda data: data + zeros


@damage(format="csv", compression=".gz")
def last_gzip_member_cut(rng: Random, log: Log) -> None:
    """The day's second member is not whole: what the first holds may not pass for the file."""
    share = rng.random()

    def members(data: bytes) -> bytes:
        second = gzip.compress(gzip.decompress(data))
        return data + second[: 1 + int((len(second) - 2) * share)]

    log.files[0].tamper = members
    log.files[0].refuse(".")


@damage(format="csv")
def delimiter_unescaped(rng: Random, log: Log) -> None:
    """A text holds the delimiter, and nothing around it."""
    row, _ = marked(rng, log)
    as_text(log, row, f"te{log.source['delimiter']}a")
    row.refuse("^line: ")


@damage(format="csv", quote=True, plain=True)
def quote_escaped_by_backslash(rng: Random, log: Log) -> None:
    row, _ = marked(rng, log)
    quote = log.source["quote"]
    as_text(log, row, f"{quote}te\\{quote}a{quote}")
    row.refuse("^line: ")


@damage(format="csv", quote=True, plain=True, min_rows=4)
def many_open_quotes(rng: Random, log: Log) -> None:
    """Two open quotes would close each other over the records between them."""
    text = one_of(rng, free_text(log))
    rows = [row for row in log.files[0].rows if row.fates == ("kept",)]
    for row in rng.sample(rows, min(len(rows), 3)):
        row.cells[text.cell_names[0]] = Cell(MARK, MARK)
        as_text(log, row, log.source["quote"] + "tea")
        row.refuse("^line: ")


@damage(format="csv")
def record_of_another_table(rng: Random, log: Log) -> None:
    """As many values, and none of them a value of the column."""
    row = Row({}, {name: Cell("zzz") for name in log.files[0].columns})
    row.refuse(f"^{log.role('time').name}: not a timestamp")
    log.files[0].rows.insert(anywhere(rng, log), row)


@damage(format="csv")
def record_of_nothing(rng: Random, log: Log) -> None:
    """Delimiters alone, as spreadsheets write for a blank row."""
    if len(log.files[0].columns) < 2:
        raise NotHereError
    row = Row({}, {name: Cell(None) for name in log.files[0].columns})
    row.refuse("missing")
    log.files[0].rows.insert(anywhere(rng, log), row)


@damage(format="csv")
def only_blank_lines(rng: Random, log: Log) -> None:
    codec, path = log.source["encoding"], log.files[0].path
    lines = encoded(rng.choice(["\n", "\r\n"]) * rng.choice([1, 3, 200]), codec)
    log.files[0].tamper = lambda data: compressed(encoded("", codec, first=True) + lines, path)
    log.files[0].refuse("no rows|lacks the column|empty")
