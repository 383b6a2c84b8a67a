"""Damage to the lines of a CSV or NDJSON file: fields, quotes, bytes, line ends."""

import gzip
import json
from codecs import BOM_UTF8, BOM_UTF16_BE
from collections.abc import Callable
from random import Random

from damages import NotHereError, clean_row, damage, fields, one_of
from drawn_values import MISSING, Cell, Text
from log_truth import Field, Log, Row
from written import encoded

PLAIN = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}  # how a line of them is encoded
MARK = "tQZQZ"  # stands in a text cell until the line's bytes are written, then gives way to the damage


def free_text(log: Log) -> list[Field]:
    """Text columns that may hold anything, and whose value makes no label."""
    return [one for one in fields(log, "string") if isinstance(one.kind, Text) and not one.kind.options]


def marked(rng: Random, log: Log) -> tuple[Row, Field]:
    """A clean row whose cell of a text column holds MARK."""
    field = one_of(rng, free_text(log))
    row = clean_row(rng, log)
    row.cells[field.cell_names[0]] = Cell(MARK, MARK)
    return row, field


def exchange(log: Log, data: bytes) -> Callable[[bytes], bytes]:
    mark = encoded(MARK, log.source["encoding"])
    return lambda line: line.replace(mark, data)


def as_text(log: Log, row: Row, text: str) -> None:
    """Write a text instead of MARK without quoting it."""
    row.mangle = exchange(log, encoded(text, log.source["encoding"]))


@damage(format="csv")
def short_row(rng: Random, log: Log) -> None:
    row = clean_row(rng, log)
    left = rng.randrange(1, len(log.files[0].columns))
    row.shape = lambda fields: ["x", *fields[1:left]]
    row.refuse("^line: ")


@damage(format="csv")
def long_row(rng: Random, log: Log) -> None:
    row = clean_row(rng, log)
    extra = ["x", "7", None][: 1 + rng.randrange(2)]
    row.shape = lambda fields: [*fields, *extra]
    row.refuse("^line: ")


@damage(format="csv", quote=True, plain=True)
def unclosed_quote(rng: Random, log: Log) -> None:
    row, _ = marked(rng, log)
    as_text(log, row, log.source["quote"] + "tea")
    row.refuse("^line: ")


@damage(format="csv", quote=True, plain=True)
def stray_quote(rng: Random, log: Log) -> None:
    """A quote inside a value that has none around it: its own text, or refused."""
    row, field = marked(rng, log)
    value = f"te{log.source['quote']}a"
    as_text(log, row, value)
    row.values[field.name] = value
    row.refuse("^line: ", "kept")


@damage(format="csv", quote=True, plain=True)
def text_after_quote(rng: Random, log: Log) -> None:
    row, _ = marked(rng, log)
    quote = log.source["quote"]
    as_text(log, row, f"{quote}tea{quote}time")
    row.refuse("^line: ")


@damage(format="csv", quote=True)
def line_break_in_quotes(rng: Random, log: Log) -> None:
    row, field = marked(rng, log)
    value = rng.choice(["te\na", "te\r\na", "te\n\n\na", "te\n,;|\ta", f"te\n{log.source['quote']}a"])
    row.values[field.name], row.cells[field.cell_names[0]] = value, Cell(value, value)


@damage(format="csv")
def nul_byte(rng: Random, log: Log) -> None:
    row, field = marked(rng, log)
    as_text(log, row, "te\0a")
    row.values[field.name] = "te\0a"
    row.refuse(f"^(line|{field.name}): ", "kept")


@damage(format="csv", coding="utf-8")
def invalid_bytes(rng: Random, log: Log) -> None:
    field = one_of(rng, [one for one in fields(log, "")])
    row = clean_row(rng, log)
    row.cells[rng.choice(field.cell_names)] = Cell(MARK)
    broken = rng.choice([b"\xff", b"\xc3(", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\x80", b"\xf8"])
    row.mangle = exchange(log, b"t" + broken)
    row.refuse("^line: ")


BROKEN = {
    "utf-16": [b"\x00\xd8", b"\x00\xdc"], "shift_jis": [b"\xff", b"\x81 "], "gb18030": [b"\xff", b"\x81\x20"],
    "big5": [b"\xff"], "euc_jp": [b"\xff"], "euc_kr": [b"\xff"], "cp1252": [b"\x81"], "utf-32": [b"\xff\xff\xff\xff"],
}  # fmt: skip


@damage(format="csv")
def invalid_in_another_encoding(rng: Random, log: Log) -> None:
    broken = one_of(rng, BROKEN.get(log.source["encoding"], []))
    row, _ = marked(rng, log)
    row.mangle = exchange(log, broken)
    row.refuse("^line: ")


@damage(format="ndjson", coding="utf-8")
def invalid_bytes_in_json(rng: Random, log: Log) -> None:
    row, _ = marked(rng, log)
    row.mangle = exchange(log, rng.choice([b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\x80"]))
    row.refuse("^line: ")


@damage(format="csv")
def mixed_line_ends(rng: Random, log: Log) -> None:
    mixed = [("\n", "\r\n"), ("\r\n", "\n", "\n"), ("\r\n", "\r\n", "\n"), ("\n", "\n", "\n", "\r\n")]
    log.files[0].newlines = rng.choice(mixed)


@damage(format="ndjson")
def mixed_line_ends_in_json(rng: Random, log: Log) -> None:
    mixed_line_ends(rng, log)


@damage(format="csv")
def old_mac_line_ends(rng: Random, log: Log) -> None:
    log.files[0].newlines = ("\r",)


@damage(format="csv")
def blank_lines(rng: Random, log: Log) -> None:
    file = log.files[0]
    for _ in range(1 + rng.randrange(3)):
        file.gaps[rng.randrange(-1 if log.source["header"] else 0, len(file.rows))] = [""] * (1 + rng.randrange(2))


@damage(format="ndjson")
def blank_lines_in_json(rng: Random, log: Log) -> None:
    file = log.files[0]
    for _ in range(1 + rng.randrange(3)):
        file.gaps[rng.randrange(len(file.rows))] = [rng.choice(["", "  ", "\t"])] * (1 + rng.randrange(2))


@damage(format="csv")
def no_last_line_end(rng: Random, log: Log) -> None:
    log.files[0].last_newline = False
    log.files[0].newlines = (rng.choice(["\n", "\r\n"]),)


@damage(format="ndjson")
def no_last_line_end_in_json(rng: Random, log: Log) -> None:
    log.files[0].last_newline = False


@damage()
def very_long_value(rng: Random, log: Log) -> None:
    field = one_of(rng, free_text(log))
    row = clean_row(rng, log)
    value = "t" + "ab,c"[rng.randrange(4)] * rng.choice([70_000, 400_000, 1_900_000, 2_300_000])
    if log.source["format"] == "csv" and not log.source["quote"]:
        value = value.replace(",", "c")
    row.values[field.name], row.cells[field.cell_names[0]] = value, Cell(value, value)
    row.refuse("^line: ", "kept")


@damage(format="csv", header=True)
def header_again(rng: Random, log: Log) -> None:
    file = log.files[0]
    row = Row({}, {name: Cell(name) for name in file.columns})
    row.refuse(f"^{log.role('time').name}: not a timestamp")
    file.rows.insert(rng.randrange(len(file.rows) + 1), row)


@damage(format="csv", compression="")
def cut_in_a_line(rng: Random, log: Log) -> None:
    """The file ends inside its last record."""
    file = log.files[0]
    row = file.rows[-1]
    if row.fates != ("kept",):
        raise NotHereError
    left = rng.randrange(1, len(file.columns))
    row.shape = lambda fields: ["x", *fields[1:left]]
    row.refuse("^line: ")
    file.last_newline = False


@damage(format="csv", quote=True)
def all_quoted(rng: Random, log: Log) -> None:
    for file in log.files:
        file.quote_all = True


@damage(format="csv", coding="utf-8", compression="")
def byte_order_mark(rng: Random, log: Log) -> None:
    """A mark at the start of UTF-8 is no part of the first name or value."""
    log.files[0].tamper = lambda data: BOM_UTF8 + data


@damage(format="csv", coding="utf-8", compression=".gz")
def byte_order_mark_compressed(rng: Random, log: Log) -> None:
    log.files[0].tamper = lambda data: gzip.compress(BOM_UTF8 + gzip.decompress(data))


@damage(format="csv", coding="utf-16", compression="")
def other_byte_order(rng: Random, log: Log) -> None:
    """Big-endian with its mark, little-endian without one."""
    big = rng.randrange(2)

    def turned(data: bytes) -> bytes:
        text = data.decode("utf-16")
        return BOM_UTF16_BE + text.encode("utf-16-be") if big else text.encode("utf-16-le")

    log.files[0].tamper = turned


# --- NDJSON -----------------------------------------------------------------------------------------------------------


def as_line(log: Log, row: Row, change: Callable[[str], str]) -> None:
    """Change the text of a JSON line."""
    codec = log.source["encoding"]
    row.mangle = lambda line: encoded(change(line.decode(PLAIN.get(codec, codec))), codec)


@damage(format="ndjson")
def broken_object(rng: Random, log: Log) -> None:
    row = clean_row(rng, log)
    change = rng.choice(
        [lambda text: text[: len(text) // 2], lambda text: text[1:], lambda text: text.replace(": ", " ", 1),
         lambda text: text + "}", lambda text: text.replace('"', "'"),
         lambda text: text[:-1] + ',"x": 01}', lambda text: text + text]
    )  # fmt: skip
    as_line(log, row, change)
    row.refuse("^line: ")


@damage(format="ndjson")
def not_quite_json(rng: Random, log: Log) -> None:
    """What many writers write though the standard has no such thing: the row as it is meant, or refused."""
    row = clean_row(rng, log)
    end = rng.choice([',"x": NaN}', ",}", ',"x": -Infinity}'])
    as_line(log, row, lambda text: text[:-1] + end)
    row.refuse("^line: ", "kept")


@damage(format="ndjson")
def no_object(rng: Random, log: Log) -> None:
    """An array, a number, a word, null: valid JSON, but no record."""
    row = clean_row(rng, log)
    text = rng.choice(["[]", '["a", 1]', "7", '"text"', "null", "true", "{}", "[{}]"])
    as_line(log, row, lambda line: text)
    row.refuse("^line: " if text != "{}" else "missing|^line: ")


@damage(format="ndjson")
def nested_value(rng: Random, log: Log) -> None:
    """An object where a plain value is declared."""
    field = one_of(rng, fields(log, "int", "float", "bool", "timestamp", "date"))
    row = clean_row(rng, log)
    cell = Cell(None, rng.choice([[1], [["x"]], {"a": 1}, {}, []]))
    row.cells[field.cell_names[0]] = cell
    log.text_columns -= set(field.cell_names)
    row.refuse(f"^{field.name}: ")


@damage(format="ndjson")
def key_twice(rng: Random, log: Log) -> None:
    """Which of the two is meant cannot be known; either is taken, or the row refused."""
    field = one_of(rng, [one for one in fields(log, "int") if one.role == "plain" and "max" in one.rules])
    row = clean_row(rng, log)
    name = json.dumps(field.cell_names[0], ensure_ascii=log.source["encoding"] != "utf-8")
    as_line(log, row, lambda line: f'{line[:-1]}, {name}: "99999999"}}')
    row.refuse(f"^({field.name}|line): ", "kept")


@damage(format="ndjson")
def key_missing(rng: Random, log: Log) -> None:
    field = one_of(rng, [one for one in fields(log, "") if one.needed and one.kind.width == 1])
    row = clean_row(rng, log)
    row.cells[field.cell_names[0]] = MISSING
    row.refuse(f"^{field.name}: missing")


@damage(format="ndjson")
def more_keys(rng: Random, log: Log) -> None:
    """What the contract does not name is not read."""
    row = clean_row(rng, log)
    extra = rng.choice(['"zzz": 1', '"zzz": {"user": 1}', '"zzz": [1, [2]]', '"": null', '"zzz\\u0000": 1'])
    as_line(log, row, lambda line: f"{line[:-1]}, {extra}}}")


@damage(format="ndjson")
def all_as_text(rng: Random, log: Log) -> None:
    """Numbers, times and lists written as strings mean the same."""
    log.text_columns |= set(log.files[0].columns)


@damage(format="ndjson", compression="")
def cut_in_an_object(rng: Random, log: Log) -> None:
    file = log.files[0]
    row = file.rows[-1]
    if row.fates != ("kept",):
        raise NotHereError
    as_line(log, row, lambda line: line[: rng.randrange(1, len(line))])
    row.refuse("^line: ")
    file.last_newline = False

