"""Damage to single values, in whatever format the log is written."""

import copy
from datetime import datetime, timedelta
from random import Random
from typing import Any

from damages import NotHereError, clean_row, damage, fields, one_of
from drawn_values import INT_BITS, MISSING, Cell, Items, Moment
from encodings_at_hand import holds
from log_truth import Field, Log, Row


def spoil(rng: Random, log: Log, field: Field, texts: list[str], reason: str) -> None:
    """Write something that is no value of the field into one of its cells."""
    row = clean_row(rng, log)
    codec = log.source.get("encoding", "utf-8")
    row.cells[field.cell_names[0]] = Cell(one_of(rng, [one for one in texts if holds(codec, one)]))
    log.text_columns |= set(field.cell_names)  # a typed file could not hold it
    row.refuse(reason)


def respell(rng: Random, row: Row, field: Field, value: Any) -> None:
    """Give the row another value of the field."""
    row.values[field.name] = value
    row.cells |= dict(zip(field.cell_names, field.kind.cells(rng, value), strict=True))


@damage()
def text_in_number(rng: Random, log: Log) -> None:
    field = one_of(rng, fields(log, "int", "float"))
    spoil(rng, log, field, ["abc", "12abc", "--5", "1_000", "0x10", "1e", "+-1", "٣", "5;5"], f"^{field.name}: not a")


@damage()
def number_overflow(rng: Random, log: Log) -> None:
    field = one_of(rng, fields(log, "int"))
    half = 2 ** (INT_BITS[field.kind.type] - 1)
    texts = [str(half), str(-half - 1), str(2**64), "9" * 40]
    spoil(rng, log, field, texts, f"^{field.name}: not a {field.kind.type}")


@damage()
def fraction_in_whole(rng: Random, log: Log) -> None:
    field = one_of(rng, [one for one in fields(log, "int") if one.kind.keys.get("thousands") not in (".", ",")])
    spoil(rng, log, field, ["3.5", "-0.1", "1.0000001", "7,25"], f"^{field.name}: not a")


@damage()
def other_locale(rng: Random, log: Log) -> None:
    """1.234 is another number in each locale: marks in places where none can stand refuse the value."""
    field = one_of(rng, [one for one in fields(log, "int", "float") if one.kind.keys.get("thousands") in (".", ",")])
    mark = field.kind.keys["thousands"]
    spoil(rng, log, field, [f"12{mark}34", f"1{mark}5", f"1234{mark}5", f"1{mark}{mark}000"], f"^{field.name}: not a")


@damage()
def not_finite(rng: Random, log: Log) -> None:
    field = one_of(rng, fields(log, "float"))
    words = [one for one in ("NaN", "nan", "inf", "-Infinity", "1e999", "+INF") if one not in null_words(log)]
    spoil(rng, log, field, words, f"^{field.name}: not a")


def null_words(log: Log) -> list[str]:
    return log.source.get("null_values", [])


@damage()
def out_of_range(rng: Random, log: Log) -> None:
    field = one_of(rng, [one for one in fields(log, "int") if "min" in one.rules])
    row = clean_row(rng, log)
    if "max" in field.rules and rng.randrange(2):
        respell(rng, row, field, field.rules["max"] + rng.choice([1, 77]))
        row.refuse(f"^{field.name}: above")
    else:
        respell(rng, row, field, field.rules["min"] - rng.choice([1, 77]))
        row.refuse(f"^{field.name}: below")


@damage()
def unknown_word(rng: Random, log: Log) -> None:
    """A value that is not among those that the contract allows."""
    field = one_of(rng, [one for one in fields(log, "int", "string") if "values" in one.rules])
    row = clean_row(rng, log)
    respell(rng, row, field, 9 if field.kind.type == "int8" else rng.choice(["Tea", "tea tea", "0"]))
    row.refuse(f"^{field.name}: not an allowed value")


@damage()
def no_time(rng: Random, log: Log) -> None:
    field = log.role("time")
    texts = ["yesterday", "2026-02-30", "31.13.2026", "2026-03-28T25:61:00", "1.5e", "24:00"]
    spoil(rng, log, field, texts, f"^{field.name}: ")


@damage()
def time_outside(rng: Random, log: Log) -> None:
    field, row = log.role("time"), clean_row(rng, log)
    moments = [datetime(1970, 1, 2), datetime(2025, 12, 31, 12)]
    if "last_day" in log.raw:
        moments += [datetime(9999, 12, 1), datetime(2262, 4, 12), datetime(2027, 1, 1)]
    respell(rng, row, field, rng.choice(moments))
    row.refuse("^time: outside")


@damage(has=("epoch",))
def other_unit_of_time(rng: Random, log: Log) -> None:
    """Milliseconds where seconds are declared, and the other way round."""
    field, row = log.role("time"), clean_row(rng, log)
    assert isinstance(field.kind, Moment)
    name = field.cell_names[0]
    number = int(row.cells[name].text or 0)
    number = number // 1000 if field.kind.form == "epoch_us" else number * 1000
    row.cells[name] = Cell(str(number), number)
    row.refuse(f"^({field.name}: not a timestamp|time: outside)")


@damage(has=("date",))
def no_date(rng: Random, log: Log) -> None:
    field = one_of(rng, fields(log, "date"))
    texts = ["2026-02-30", "20261301", "31.02.2026", "tomorrow", "0000-00-00"]
    spoil(rng, log, field, texts, f"^{field.name}: not a date")


@damage()
def empty_required(rng: Random, log: Log) -> None:
    field = one_of(rng, [one for one in required(log) if one.kind.width == 1])
    row = clean_row(rng, log)
    row.cells[field.cell_names[0]] = rng.choice([MISSING, Cell("")])
    log.text_columns |= set(field.cell_names)
    row.refuse(f"^{field.name}: missing")


def required(log: Log) -> list[Field]:
    """Without those whose map says what an empty cell means: nothing is missing there."""
    return [one for one in fields(log, "") if not one.nullable and "" not in one.kind.keys.get("map", {})]


@damage(has=("null_words",))
def null_word_in_required(rng: Random, log: Log) -> None:
    field = one_of(rng, [one for one in required(log) if one.kind.width == 1])
    spoil(rng, log, field, null_words(log), f"^{field.name}: missing")


@damage(has=("split_time",))
def half_a_time(rng: Random, log: Log) -> None:
    """A date without its time of day."""
    field, row = log.role("time"), clean_row(rng, log)
    row.cells[field.cell_names[rng.randrange(2)]] = MISSING
    row.refuse(f"^{field.name}: ")


@damage()
def unknown_scenario(rng: Random, log: Log) -> None:
    field, row = log.role("scenario"), clean_row(rng, log)
    if not field.cell_names:
        raise NotHereError
    respell(rng, row, field, rng.choice(["nowhere", "HOME", "home ;", "3"]))
    row.refuse("^scenario: unknown")


@damage(has=("bool",))
def no_truth(rng: Random, log: Log) -> None:
    field = one_of(rng, fields(log, "bool"))
    spoil(rng, log, field, ["maybe", "2", "-1", "10", "truefalse"], f"^{field.name}: not a bool")


@damage(has=("list",))
def bad_item(rng: Random, log: Log) -> None:
    field = one_of(rng, fields(log, "list<int64>"))
    kind = field.kind
    assert isinstance(kind, Items)
    if kind.form == "json":
        texts = ['[1, "x"]', "[1, 2", '[1, [2]]', '{"a": 1}', "[1.5]"]
    elif kind.form == "numbered":
        texts = ["x", "1.5", "9" * 30]
    else:
        texts = [kind.keys.get("separator", ",").join(one) for one in (["1", "x"], ["7", "1.5"], ["9" * 30, "1"])]
    spoil(rng, log, field, texts, f"^{field.name}: not a list")


def inserted(rng: Random, log: Log, row: Row) -> None:
    """Put a row somewhere into the first or the last file."""
    rows = rng.choice([log.files[0], log.files[-1]]).rows
    rows.insert(rng.randrange(len(rows) + 1), row)


@damage()
def duplicate_row(rng: Random, log: Log) -> None:
    for _ in range(1 + rng.randrange(3)):
        row = clean_row(rng, log)
        if log.role("scenario").found_in == ("path:place",):
            log.files[0].rows.append(copy.copy(row))
        else:
            inserted(rng, log, copy.copy(row))


@damage()
def conflicting_key(rng: Random, log: Log) -> None:
    """The key of another row with other values beside it."""
    row, other = clean_row(rng, log), log.draw_row()
    for field in log.fields:
        if field.name in log.raw["dedupe"]["key"]:
            other.values[field.name] = row.values[field.name]
            other.cells |= {name: row.cells[name] for name in field.cell_names}
    other.values |= {one.name: row.values[one.name] for one in log.fields if one.found_in == ("path:place",)}
    log.files[0].rows.append(other)


@damage()
def same_key_days_later(rng: Random, log: Log) -> None:
    """The same user and item again, some days before or after: a duplicate inside the horizon only."""
    time = log.role("time")
    log.raw["dedupe"] = {"key": [log.role("user").name, log.role("item").name], "horizon_days": rng.randrange(3)}
    for _ in range(1 + rng.randrange(3)):
        row = copy.deepcopy(clean_row(rng, log))
        moved = row.values[time.name] + timedelta(days=rng.choice([-1, 1, 2, 3]), hours=rng.randrange(3))
        first = datetime.combine(log.raw["first_day"] + timedelta(days=1), datetime.min.time())
        last = log.raw.get("last_day")
        if first < moved and (last is None or moved.date() < last):
            respell(rng, row, time, moved)
            log.files[0].rows.append(row)


@damage(has=("funnel",))
def step_without_the_earlier(rng: Random, log: Log) -> None:
    click, order = (one for one in fields(log, "") if one.role == "outcome")
    row = clean_row(rng, log)
    no, yes = (False, True) if click.kind.type == "bool" else (0, 1)
    respell(rng, row, click, no)
    respell(rng, row, order, yes)
    if log.labels[1].on_violation == "quarantine":
        row.refuse("^order: without click")
