"""From what a file holds to what the contract declares: one SQL expression per column.

An expression is NULL where the text is not a value of the type; `rules` tells that apart from a missing value.
DuckDB's own casts are too kind for a contract ('3.7' is 4 for TRY_CAST): whole numbers are matched first.
"""

import re

from hinet_core.contract import Column
from hinet_core.contract.values import BLANKS, THOUSANDS, is_number
from hinet_core.ingest.clock import to_utc
from hinet_core.lake import quote_literal

WHOLE = r"[+-]?([0-9]+|[0-9]{1,15}\.0+)"  # a longer one with a point was a float, which has not so many digits
# A time of day with a zone behind it, and one that there is: offsets from UTC are less than 16 hours (tz database).
ZONED = r".*:.*([zZ]|[+-][0-9:]+|UTC|GMT)"
OFFSET = r".*:.*[0-9] ?([zZ]|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?|UTC|GMT)"
BEFORE_16H = r".*[+-](0[0-9]|1[0-5])(:?[0-5][0-9]){0,2}"  # what %z takes, and no more of it
# A date, which may have a time of day; with a zone it may be another date. DuckDB takes any tail, and 'epoch'.
DATE = r"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([T ][0-9]{2}:[0-9:.]+)?"
# What DuckDB does not read as it is: names of UTC, a blank before an offset, a time of day without seconds.
REWRITTEN = ((" ?(UTC|GMT|z)$", "Z"), (" ([+-])", r"\1"), ("([T ][0-9]{2}:[0-9]{2})([zZ+-])", r"\1:00\2"))
EPOCH_MICROSECONDS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
TRUE, FALSE = ("1", "true", "t", "yes", "y"), ("0", "false", "f", "no", "n")
INTEGER_TYPES = ("int8", "int16", "int32", "int64")
FLOAT_SOURCES = ("FLOAT", "DOUBLE", "DECIMAL")
NUMBERS = (*FLOAT_SOURCES, "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
           "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip
# Years of four digits, so that 04-03-26 is no day of the year 4, with a day to spare for time zones: not 'infinity',
# not milliseconds as seconds.
FIRST_DAY, LAST_DAY = "1000-01-02", "9999-12-30"


def present(raw: str, kind: str, null_values: tuple[str, ...]) -> str:
    """The raw value, NULL where the file means 'nothing'; numbers are compared as numbers."""
    if kind == "VARCHAR":
        return f"CASE WHEN trim({raw}) IN {_tuple((*null_values, ''))} THEN NULL ELSE trim({raw}) END"
    if kind.startswith(NUMBERS) and not kind.endswith("[]"):
        nulls = [f"CAST({quote_literal(one)} AS DOUBLE)" for one in null_values if is_number(one)]
        return f"CASE WHEN {raw} NOT IN ({', '.join(nulls)}) THEN {raw} END" if nulls else raw
    return raw


def cast(column: Column, values: list[str], kinds: list[str]) -> str:
    """The column's value; `values` are present() expressions of its file columns, `kinds` their DuckDB types."""
    if len(values) > 1 and column.type.startswith("list"):
        return _numbered_list(column, values, kinds)
    value, kind = values[0], kinds[0]
    if len(values) > 1:
        value, kind = f"concat_ws(' ', {', '.join(map(as_text, values, kinds))})", "VARCHAR"
    if column.type in INTEGER_TYPES:
        return _integer(column, value, kind)
    if column.type in ("float32", "float64"):
        return _float(column, value, kind)
    if column.type == "bool":
        text = f"lower({as_text(value, kind)})"
        return f"CASE WHEN {text} IN {_tuple(TRUE)} THEN true WHEN {text} IN {_tuple(FALSE)} THEN false END"
    if column.type == "timestamp":
        return _in_calendar(_timestamp(column, value, kind))
    if column.type == "date":
        return _in_calendar(_date(column, value, kind))
    if column.type.startswith("list"):
        return _list(column, value, kind)
    return as_text(value, kind)


def as_text(value: str, kind: str) -> str:
    """A value of the file as text: a whole number as one, since a missing id makes floats of all ids in pandas."""
    text = f"CAST({value} AS VARCHAR)"
    if not kind.startswith(FLOAT_SOURCES) or kind.endswith("[]"):
        return text
    # From 2^53 on a float stands for several whole numbers.
    exact = "true" if kind.startswith("DECIMAL") else f"abs({value}) < {2**53}"
    whole = f"CASE WHEN {exact} THEN CAST(CAST({value} AS HUGEINT) AS VARCHAR) END"
    return f"CASE WHEN {value} = floor({value}) THEN {whole} ELSE {text} END"


def _tuple(words: tuple[str, ...]) -> str:
    return "(" + ", ".join(quote_literal(word) for word in words) + ")"


def _plain_number(column: Column, value: str, kind: str) -> str:
    """A number's text without the locale's marks, NULL where a mark stands where no number has it."""
    if kind != "VARCHAR":
        return value
    if column.strip:
        around = f"[{re.escape(column.strip)}{BLANKS}]*"
        ends = quote_literal(f"^([+-]?){around}([+-]?)(.*?){around}$")
        value = f"regexp_replace({value}, {ends}, '\\1\\2\\3')"
    if column.thousands:
        mark = f"[{re.escape(THOUSANDS[column.thousands])}]"
        # Groups of three, or of two before the last as in India: '1,5' is not 15.
        grouped = f"[+-]?[0-9]{{1,3}}({mark}[0-9]{{2,3}})*{mark}[0-9]{{3}}([{column.decimal}eE][^{mark[1:]}*)?"
        form = quote_literal(f"({grouped}|[^{mark[1:]}*)")
        value = (
            f"CASE WHEN regexp_full_match({value}, {form}) "
            f"THEN regexp_replace({value}, {quote_literal(mark)}, '', 'g') END"
        )
    if column.decimal == ",":
        value = f"CASE WHEN NOT contains({value}, '.') THEN replace({value}, ',', '.') END"
    return value


def _integer(column: Column, value: str, kind: str) -> str:
    target = column.duckdb_type
    if kind == "VARCHAR":
        text = _plain_number(column, value, kind)
        return (
            f"CASE WHEN regexp_full_match({text}, {quote_literal(WHOLE)}) "
            f"THEN TRY_CAST(split_part({text}, '.', 1) AS {target}) END"
        )
    if kind.startswith(FLOAT_SOURCES):
        return f"CASE WHEN {value} = floor({value}) THEN TRY_CAST({value} AS {target}) END"
    return f"TRY_CAST({value} AS {target})"


def _float(column: Column, value: str, kind: str) -> str:
    text = _plain_number(column, value, kind)
    number = f"TRY_CAST({text} AS {column.duckdb_type})"
    plain = f"isfinite({number})" + (f" AND {no_oddity(text)}" if kind == "VARCHAR" else "")
    return f"CASE WHEN {plain} THEN {number} END"


def no_oddity(text: str) -> str:
    """What DuckDB takes for a number and nobody writes as one: 1_000 is a thousand to it, +-1 is -1."""
    return f"NOT contains({text}, '_') AND NOT contains({text}, '+-')"


def _in_calendar(value: str) -> str:
    return f"CASE WHEN {value} BETWEEN DATE '{FIRST_DAY}' AND DATE '{LAST_DAY}' THEN {value} END"


def _date(column: Column, value: str, kind: str) -> str:
    if kind == "VARCHAR" and column.parse:
        return f"CAST(try_strptime({value}, {quote_literal(column.parse)}) AS DATE)"
    day = f"TRY_CAST({value} AS DATE)"
    return f"CASE WHEN regexp_full_match({value}, {quote_literal(DATE)}) THEN {day} END" if kind == "VARCHAR" else day


def _timestamp(column: Column, value: str, kind: str) -> str:
    """A naive TIMESTAMP in UTC."""
    if column.parse in EPOCH_MICROSECONDS:
        return _epoch(column, value, kind, EPOCH_MICROSECONDS[column.parse])
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {value})"
    if column.parse and "%" in column.parse and kind == "VARCHAR":
        parsed = f"try_strptime({value}, {quote_literal(column.parse)})"
        if column.parse.endswith("%z"):
            parsed = f"CASE WHEN regexp_full_match({value}, {quote_literal(BEFORE_16H)}) THEN {parsed} END"
        if "%z" in column.parse.lower():  # the text carries its own zone
            return f"timezone('UTC', {parsed})"
        return to_utc(column.zone, parsed)
    naive = to_utc(column.zone, f"TRY_CAST({value} AS TIMESTAMP)")
    if kind != "VARCHAR":
        return naive
    # A date's own dashes look like an offset, so only text with a time of day can carry one.
    text = value
    for found, instead in REWRITTEN:
        text = f"regexp_replace({text}, {quote_literal(found)}, {quote_literal(instead)})"
    zoned, known = (f"regexp_full_match({value}, {quote_literal(one)})" for one in (ZONED, OFFSET))
    moment = f"CASE WHEN {known} THEN timezone('UTC', TRY_CAST({text} AS TIMESTAMPTZ)) END"
    plain = f"CASE WHEN {value} <> 'epoch' THEN {naive} END"
    return f"CASE WHEN {value} LIKE '%:%' AND {zoned} THEN {moment} ELSE {plain} END"


def _epoch(column: Column, value: str, kind: str, factor: int) -> str:
    """A count since 1970, of whole units exactly; a fraction to the nearest microsecond."""
    whole = _integer(column.model_copy(update={"type": "int64"}), value, kind)
    fraction = "NULL"
    if kind == "VARCHAR":
        fraction = f"CASE WHEN regexp_full_match({value}, '[+-]?[0-9]+[.][0-9]+') THEN TRY_CAST({value} AS DOUBLE) END"
    elif kind.startswith(FLOAT_SOURCES):
        fraction = value
    return f"TRY(make_timestamp(coalesce({whole} * {factor}, CAST(round({fraction} * {factor}) AS BIGINT))))"


def _list(column: Column, value: str, kind: str) -> str:
    """The items of one cell; null spellings are no items, and one bad item or an object spoils the list."""
    if kind.startswith(("STRUCT", "MAP")) or kind.endswith("[][]"):
        return f"CAST(NULL AS {column.duckdb_type})"
    inner = column.model_copy(update={"type": column.type[5:-1]})
    if kind.endswith("[]"):
        parts, kind = f"list_filter({value}, lambda part: part IS NOT NULL)", kind.removesuffix("[]")
    else:
        text = as_text(value, kind)
        text = f"CASE WHEN NOT ({text} LIKE '{{%' AND json_valid({text})) THEN {text} END"
        is_json = f"{text} LIKE '[%' AND json_valid({text})"
        split = f"string_split({text}, {quote_literal(column.separator)})"
        raw = f"CASE WHEN {is_json} THEN {text} ->> '$[*]' ELSE {split} END"
        parts = f"list_filter(list_transform({raw}, lambda part: trim(part)), lambda part: part <> '')"
        kind = "VARCHAR"
    if column.null_values:
        parts = f"list_filter({parts}, lambda part: {present('part', kind, column.null_values)} IS NOT NULL)"
    if column.type == "list<string>" and kind == "VARCHAR":
        return parts
    items = f"list_transform({parts}, lambda part: {cast(inner, ['part'], [kind])})"
    return f"CASE WHEN list_count({items}) = list_count({parts}) THEN {items} END"


def _numbered_list(column: Column, values: list[str], kinds: list[str]) -> str:
    """hist_1, hist_2, … as one list; what is missing in between is skipped, and one bad item spoils the list."""
    inner = column.model_copy(update={"type": column.type[5:-1]})
    items = ", ".join(cast(inner, [value], [kind]) for value, kind in zip(values, kinds, strict=True))
    given = ", ".join(f"({value}) IS NOT NULL" for value in values)
    good = f"list_filter([{items}], lambda item: item IS NOT NULL)"
    return f"CASE WHEN len({good}) = list_count(list_filter([{given}], lambda one: one)) THEN {good} END"
