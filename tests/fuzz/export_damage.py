"""What spreadsheets, other programs and other people's scripts make of a log when they export it."""

import json
from datetime import UTC
from random import Random

import pyarrow as pa
from crash_damage import anywhere, stray_line
from damages import NotHereError, clean_row, damage, fields, one_of
from drawn_values import Cell, Moment
from encodings_at_hand import holds
from line_damage import as_line, free_text
from log_truth import Log, Row

PAGES = [b"<html><body>404 Not Found</body></html>\n", b"<?xml version='1.0'?>\n<log/>\n", b"Access denied\n",
         b"SQLite format 3\0" + bytes(80), b"ID3\x04" + bytes(range(256))]  # fmt: skip
FOOTERS = ["(4 rows)", "# end of file", "-- 4 rows", "Total", "\x1a", "4 rows selected.", "EOF"]


@damage()
def error_page(rng: Random, log: Log) -> None:
    """What a failed download left in the file's place."""
    page = rng.choice(PAGES)
    log.files[0].tamper = lambda data: page
    log.files[0].refuse(".")


@damage(format="csv")
def comment_or_footer(rng: Random, log: Log) -> None:
    stray_line(log, rng.choice(FOOTERS), anywhere(rng, log))


@damage(format="ndjson")
def comment_or_footer_in_json(rng: Random, log: Log) -> None:
    comment_or_footer(rng, log)


@damage(format="csv", header=True)
def title_above_the_header(rng: Random, log: Log) -> None:
    """Spreadsheets write `sep=;`, reports their title: that is no header."""
    first = rng.choice([f"sep={log.source['delimiter']}", "Report of 28.03.2026", "# exported"])
    log.files[0].gaps[-1] = [first]
    log.files[0].refuse("lacks the column")


@damage(format="csv", header=True)
def delimiter_at_every_end(rng: Random, log: Log) -> None:
    """Header and records end in a delimiter: one more column without a name, which nobody reads."""
    file = log.files[0]
    file.columns = [*file.columns, "no name"]
    file.titles["no name"] = ""
    for row in file.rows:
        row.cells["no name"] = Cell(None)


@damage(format="csv", header=True)
def delimiter_at_the_end_of_records(rng: Random, log: Log) -> None:
    """All records end in one, by habit; or a few of them, which have a value too many. (Over several lines such a
    record is a broken quote.)"""
    rows = log.files[0].rows
    lines = [row for row in rows if not any("\n" in (cell.text or "") for cell in row.cells.values())]
    few = rng.sample(lines, min(len(lines), len(rows) // 2))
    some = rows if len(rows) > 1 and rng.randrange(2) else few[: 1 + rng.randrange(4)]
    if not some:
        raise NotHereError
    for row in some:
        row.shape = lambda cells: [*cells, None]
        if some is not rows:
            row.refuse("^line: too many columns")


@damage(format="csv")
def blanks_around(rng: Random, log: Log) -> None:
    """Values padded to the width of a column mean what they mean without."""
    plain = fields(log, "int", "float", "string", "timestamp", "bool")
    field = one_of(rng, [one for one in plain if "map" not in one.kind.keys])
    left, right = " " * rng.randrange(1, 9), " " * rng.randrange(1, 9)
    for row in log.files[0].rows:
        for name in field.cell_names:
            text = row.cells[name].text
            if text and not set(text) & {log.source.get("quote"), "\n", *log.source["delimiter"]}:
                row.cells[name] = Cell(left + text + right)


@damage()
def look_alikes(rng: Random, log: Log) -> None:
    """Ids that differ in a zero, the case of a letter or a composed accent are different ids."""
    field = next(one for one in log.fields if one.role == "user")
    if field.kind.type != "string":
        raise NotHereError
    codec = log.source.get("encoding", "utf-8")
    row = clean_row(rng, log)
    names = ["t7", "t07", "t7.0", "T7", "t 7", "t7a\u0301", "t7\u00e1", "t\uff17", "t7\u200b", "t7,0", "'t7"]
    for name in rng.sample([one for one in names if holds(codec, one)], 4):
        twin = Row(dict(row.values), dict(row.cells))
        if not log.source.get("quote", '"') and set(name) & set(log.source["delimiter"]):
            continue
        twin.values[field.name], twin.cells[field.cell_names[0]] = name, Cell(name, name)
        log.files[0].rows.append(twin)


@damage()
def leading_zeros(rng: Random, log: Log) -> None:
    """007 is the number 7 where a number is declared, and itself where a text is."""
    field = one_of(rng, [one for one in fields(log, "int32", "int64") if not one.kind.keys])
    log.text_columns |= set(field.cell_names)
    for row in log.files[0].rows:
        text = row.cells[field.cell_names[0]].text
        if text and text.isdigit():
            row.cells[field.cell_names[0]] = Cell("000" + text)


@damage()
def spreadsheet_number(rng: Random, log: Log) -> None:
    """What a spreadsheet or another script writes where a whole number was."""
    field = one_of(rng, [one for one in fields(log, "int") if not {"map", "strip"} & set(one.kind.keys)])
    row = clean_row(rng, log)
    codec = log.source.get("encoding", "utf-8")
    texts = ["1.23457E+11", "#N/A", "#REF!", "########", "'5", "=5", "\uff15", "\u22125", "5 %", "½", "0b1", "1.2.3",
             "true", "5L", "9007199254740993.5", "1e3", "12-Mar", "NaT", "<NA>", "[5]", "5;", "5\t6"]  # fmt: skip
    fitting = [one for one in texts if holds(codec, one) and one not in log.source.get("null_values", [])]
    row.cells[field.cell_names[0]] = Cell(rng.choice(fitting))
    log.text_columns |= set(field.cell_names)
    row.refuse(f"^({field.name}: not a|line: )")


@damage()
def odd_separators(rng: Random, log: Log) -> None:
    """Line ends of other alphabets and times are characters of a value, not ends of a record."""
    field, row = one_of(rng, free_text(log)), clean_row(rng, log)
    codec = log.source.get("encoding", "utf-8")
    marks = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\xa0", "\u200b", "\u3000", "\x7f", "\x1b"]
    value = f"te{one_of(rng, [one for one in marks if holds(codec, f'te{one}a')])}a"
    row.values[field.name], row.cells[field.cell_names[0]] = value, Cell(value, value)


@damage()
def odd_time(rng: Random, log: Log) -> None:
    """Times that some clocks write and no calendar has, or in another spelling than the declared one."""
    field, row = log.role("time"), clean_row(rng, log)
    if field.kind.width != 1:
        raise NotHereError
    texts = ["2026-03-28 23:59:60", "2026-03-28 24:00:01", "2026-02-29 10:00:00", "2026-13-01 10:00:00", "1.774692e9",
             "28.03.26 10:00", "Sat Mar 28 10:00:00 2026", "46109.41667", "now", "infinity", "epoch",
             "0000-00-00 00:00:00", "28 März 2026 10:00", "2026-03-28T10:00:00+99:00", "-1"]  # fmt: skip
    codec = log.source.get("encoding", "utf-8")
    row.cells[field.cell_names[0]] = Cell(one_of(rng, [one for one in texts if holds(codec, one)]))
    log.text_columns |= set(field.cell_names)
    row.refuse(f"^({field.name}: not a timestamp|time: outside)")


@damage(format="csv")
def doubled_carriage_returns(rng: Random, log: Log) -> None:
    """Line ends that were converted twice."""
    log.files[0].newlines = ("\r\r\n",)


# --- JSON -------------------------------------------------------------------------------------------------------------


@damage(format="ndjson")
def pretty_printed_object(rng: Random, log: Log) -> None:
    """An object over several lines: each is a line that is no object."""
    at = anywhere(rng, log)
    for line in reversed(json.dumps({"a": 1, "b": "x"}, indent=2).split("\n")):
        stray_line(log, line, at)


@damage(format="ndjson")
def array_of_objects(rng: Random, log: Log) -> None:
    """The whole file as one JSON array, in one line or with a line for each object."""
    rows = log.files[0].rows
    log.files[0].newlines = (rng.choice(["\n", ""]),)
    for place, row in enumerate(rows):
        start, end = "[" if place == 0 else "", "," if place < len(rows) - 1 else "]"
        as_line(log, row, lambda line, start=start, end=end: start + line + end)
    log.files[0].refuse("no line is a JSON object|it is one JSON array")


@damage(format="ndjson")
def lone_surrogate(rng: Random, log: Log) -> None:
    """Half of a character that needs two escapes is no character."""
    field, row = one_of(rng, free_text(log)), clean_row(rng, log)
    row.cells[field.cell_names[0]] = Cell("tQZQZ", "tQZQZ")
    as_line(log, row, lambda line: line.replace("QZQZ", rng.choice(["\\ud83d", "\\ude42x", "\\ud83d\\ud83d"])))
    row.refuse("^line: ")


@damage(format="ndjson")
def escaped_letters(rng: Random, log: Log) -> None:
    """A letter as an escape, or two for one beyond the first plane, is that letter."""
    field, row = one_of(rng, free_text(log)), clean_row(rng, log)
    row.cells[field.cell_names[0]] = Cell("tQZQZ", "tQZQZ")
    spellings = [("\\ud83d\\ude42", "🙂"), ("\\u0041", "A"), ("\\/", "/"), ("\\u00E9", "é"), ("\\ta", "\ta")]
    text, value = rng.choice(spellings)
    as_line(log, row, lambda line: line.replace("QZQZ", text))
    row.values[field.name] = "t" + value


@damage(format="ndjson")
def key_in_another_case(rng: Random, log: Log) -> None:
    """`User` is not `user`."""
    plain = [one for one in fields(log, "") if one.needed and one.kind.width == 1]
    field = one_of(rng, [one for one in plain if one.cell_names[0].isalpha() and one.cell_names[0].isascii()])
    name, row = field.cell_names[0], clean_row(rng, log)
    others = {one for each in log.fields for one in each.cell_names}
    if name.swapcase() in others or f'"{name}"' in str(row.cells[name].text):
        raise NotHereError
    as_line(log, row, lambda line: line.replace(f'"{name}": ', f'"{name.swapcase()}": ', 1))
    row.refuse(f"^{field.name}: missing")


@damage(format="ndjson")
def number_beyond_the_type(rng: Random, log: Log) -> None:
    """Written as a JSON number, which knows no bounds."""
    plain = [one for one in fields(log, "int") if not {"decimal", "thousands", "strip", "map"} & set(one.kind.keys)]
    field, row = one_of(rng, plain), clean_row(rng, log)
    row.cells[field.cell_names[0]] = Cell(None, rng.choice([2**63, -(2**63) - 1, 2**64, 10**30, 1.5, 2**70 + 0.0]))
    log.text_columns -= set(field.cell_names)
    row.refuse(f"^{field.name}: not a")


# --- Parquet ----------------------------------------------------------------------------------------------------------


@damage(format="parquet")
def time_in_another_type(rng: Random, log: Log) -> None:
    """The same moments in nanoseconds, or with a zone, as other writers have them."""
    field = log.role("time")
    if not isinstance(field.kind, Moment) or field.kind.form != "iso":
        raise NotHereError
    name = field.cell_names[0]
    log.text_columns.discard(name)
    if rng.randrange(2):
        log.files[0].arrow[name] = pa.timestamp("ns")
        return
    for row in log.files[0].rows:
        moment = row.values[field.name].replace(tzinfo=UTC)
        row.cells[name] = Cell(row.cells[name].text, moment)
    log.files[0].arrow[name] = pa.timestamp("us", rng.choice(["UTC", "Asia/Tokyo", "America/New_York"]))


@damage(format="parquet")
def not_a_number_in_parquet(rng: Random, log: Log) -> None:
    """NaN where a number should be is none; unless the contract calls it missing."""
    if any(word.lower() == "nan" for word in log.source.get("null_values", [])):
        raise NotHereError
    plain = fields(log, "int8", "int16", "int32", "float")
    field = one_of(rng, [one for one in plain if "map" not in one.kind.keys and len(one.cell_names) == 1])
    name, row = field.cell_names[0], clean_row(rng, log)
    log.text_columns.discard(name)
    for other in log.files[0].rows:
        value = other.values[field.name]
        other.cells[name] = Cell(other.cells[name].text, None if value is None else float(value))
    row.cells[name] = Cell("NaN", float("nan"))
    log.files[0].arrow[name] = pa.float64()
    row.refuse(f"^{field.name}: not a")


@damage(format="parquet")
def column_in_another_case(rng: Random, log: Log) -> None:
    """Whether `USER` may stand for `user`: read exactly, or refused."""
    name = one_of(rng, [one for each in log.fields if each.source == "log" for one in each.cell_names])
    if name.swapcase() == name or name.swapcase() in (one for one in log.files[0].columns):
        raise NotHereError
    log.files[0].titles[name] = name.swapcase()
    log.files[0].refuse("lacks the column", or_read=True)


@damage(format="parquet")
def nested_column(rng: Random, log: Log) -> None:
    """Records and maps where the contract has a plain value: the file's rows are refused, or the file."""
    plain = [one for one in fields(log, "int", "float") if one.role in ("user", "item", "plain")]
    field = one_of(rng, [one for one in plain if len(one.cell_names) == 1])
    name = field.cell_names[0]
    log.text_columns.discard(name)
    for row in log.files[0].rows:
        row.cells[name] = Cell("x", {"a": 1})
        row.refuse(f"^{field.name}: ")
    log.files[0].arrow[name] = pa.struct([("a", pa.int64())])
    log.files[0].refuse(".", or_read=True)
