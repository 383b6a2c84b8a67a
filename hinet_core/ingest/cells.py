"""What a column reads of a record, as text or as the file's own type: file columns, the path, the record's number.

Between the file and the cast stand, in this order: null spellings, `extract`, several columns joined, `map`.
"""

import re

from hinet_core.contract import Column, Contract, Spread
from hinet_core.ingest import json_values
from hinet_core.ingest.casts import as_text, cast, present
from hinet_core.ingest.readers import FileReader, names_in
from hinet_core.ingest.shortcuts import Shortcut, shortcut
from hinet_core.lake import quote_literal

Cells = tuple[list[str], list[str]]  # expressions, NULL where the file says nothing, and their DuckDB types


def value(contract: Contract, column: Column, reader: FileReader) -> str:
    """The typed value of a column in a record of the file."""
    typed = typed_cells(column, reader)
    if column.spread is not None:
        return _dealt(contract, column.spread, typed, reader)
    quick = _shortcut(column, reader)
    return typed if quick is None else f"CASE WHEN {quick[0]} THEN {quick[1]} ELSE {typed} END"


def typed_cells(column: Column, reader: FileReader) -> str:
    """The typed value of what a column reads; '' where it reads nothing."""
    values, kinds = cells(column, reader)
    if not values:
        return ""
    typed = cast(column, values, kinds)
    name = _one_cell(column, reader)
    if name is None or column.extract or not json_values.is_judged(column, reader):
        return typed
    return f"CASE WHEN NOT ({json_values.no_text(name, reader)}) THEN {typed} END"


def _shortcut(column: Column, reader: FileReader) -> Shortcut | None:
    name = _one_cell(column, reader)
    if name is None or reader.columns[name] != "VARCHAR":
        return None
    quick = shortcut(column, reader.source, reader.raw(name))
    if quick is None or not json_values.is_judged(column, reader):
        return quick
    return f"{quick[0]} AND NOT {json_values.may_be_other(reader.raw(name))}", quick[1]


def is_given(column: Column, reader: FileReader) -> str:
    """Whether the record holds something for the column, whatever its type."""
    values, _ = cells(column, reader)
    if not values or (column.type.startswith("list") and len(values) > 1):
        return "true"
    return " AND ".join(f"({one}) IS NOT NULL" for one in values)


def may_be_given(column: Column, reader: FileReader) -> str:
    """Holds wherever `is_given` does, and costs nothing to ask."""
    name = _one_cell(column, reader)
    return "true" if name is None else f"{reader.raw(name)} IS NOT NULL"


def _one_cell(column: Column, reader: FileReader) -> str | None:
    """The file's column that a column is, as it stands; None where it is made of more or less than one."""
    names = names_in(column, reader.columns)
    if column.constant is not None or column.map or column.spread or len(names) != 1:
        return None
    return names[0] if names[0] in reader.columns else None


def cells(column: Column, reader: FileReader) -> Cells:
    """What a column reads, before it is typed."""
    if column.constant is not None:
        return [quote_literal(column.constant)], ["VARCHAR"]
    found = [_cell(column, name, reader) for name in names_in(column, reader.columns)]
    values, kinds = [one for one, _ in found], [kind for _, kind in found]
    if not column.map:
        return values, kinds
    return [_mapped(column, list(map(as_text, values, kinds)))], ["VARCHAR"]


def _cell(column: Column, name: str, reader: FileReader) -> tuple[str, str]:
    if name == "record:number":
        raw, kind = "record_number", "BIGINT"
    elif name.startswith("path:"):
        raw, kind = _path_group(reader, name.removeprefix("path:")), "VARCHAR"
    elif column.optional and name not in reader.columns:
        raw, kind = "CAST(NULL AS VARCHAR)", "VARCHAR"
    else:
        raw, kind = reader.raw(name), reader.columns[name]
    if json_values.is_judged(column, reader) and name in reader.columns:
        raw = json_values.plain_text(name, reader)
    shown = present(raw, kind, reader.source.null_values + column.null_values)
    if column.extract is None:
        return shown, kind
    text, pattern = as_text(shown, kind), quote_literal(column.extract)
    if column.type.startswith("list"):
        return f"nullif(regexp_extract_all({text}, {pattern}, 1), [])", "VARCHAR[]"
    return f"nullif(regexp_extract({text}, {pattern}, 1), '')", "VARCHAR"


def _path_group(reader: FileReader, group: str) -> str:
    pattern = reader.source.path_pattern or ""
    names = ", ".join(quote_literal(one) for one in re.compile(pattern).groupindex)
    unnamed = quote_literal(re.sub(r"\(\?P<[^>]+>", "(", pattern))  # the names are given to DuckDB apart
    return f"regexp_extract({quote_literal(reader.relative)}, {unnamed}, [{names}])[{quote_literal(group)}]"


def _mapped(column: Column, texts: list[str]) -> str:
    """The text after renaming; '' stands for a missing value on both sides, and what is not named stays."""
    joined = texts[0] if len(texts) == 1 else " || ' ' || ".join(texts)  # NULL where one of them is
    pairs = " ".join(f"WHEN {quote_literal(old)} THEN {quote_literal(new)}" for old, new in column.map.items())
    return f"nullif(CASE coalesce({joined}, '') {pairs} ELSE {joined} END, '')"


def _dealt(contract: Contract, spread: Spread, base: str, reader: FileReader) -> str:
    """The base time, or the first day, moved by whole local days: the first 32 bits of the MD5 of the columns `by`."""
    zone = quote_literal(contract.time_zone)
    by_name = {one.name: one for one in contract.columns}
    texts = [f"CAST({value(contract, by_name[name], reader)} AS VARCHAR)" for name in spread.by]
    key = " || '|' || ".join(f"coalesce({one}, '')" for one in texts)
    days = f"CAST(CAST('0x' || substr(md5({key}), 1, 8) AS BIGINT) % {spread.over_days} AS INTEGER)"
    first = f"TIMESTAMP {quote_literal(contract.first_day.isoformat())}"
    local = f"timezone({zone}, timezone('UTC', {base}))" if base else first
    return f"timezone('UTC', timezone({zone}, {local} + to_days({days})))"
