"""From what a file holds to what the contract declares: one SQL expression per column.

An expression is NULL where the text is not a value of the type; `rules` tells that apart from a missing value.
DuckDB's own casts are too kind for a contract ('3.7' is 4 for TRY_CAST): whole numbers are matched first.
"""

from hinet_core.contract import Column
from hinet_core.lake import quote_literal

WHOLE = r"[+-]?[0-9]+(\.0+)?"
OFFSET = r".*([zZ]|[+-][0-9]{2}(:?[0-9]{2})?)$"
EPOCH_MICROSECONDS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
TRUE, FALSE = ("1", "true", "t", "yes", "y"), ("0", "false", "f", "no", "n")
INTEGER_TYPES = ("int8", "int16", "int32", "int64")
FLOAT_SOURCES = ("FLOAT", "DOUBLE", "DECIMAL")
# Years that Python's calendar has too, with a day to spare for time zones: not 'infinity', not milliseconds as seconds.
FIRST_DAY, LAST_DAY = "0001-01-02", "9999-12-30"


def present(raw: str, kind: str, null_values: tuple[str, ...]) -> str:
    """The raw value, NULL where the file means 'nothing'."""
    if kind != "VARCHAR":
        return raw
    nulls = ", ".join(quote_literal(one) for one in (*null_values, ""))
    return f"CASE WHEN trim({raw}) IN ({nulls}) THEN NULL ELSE trim({raw}) END"


def cast(column: Column, values: list[str], kinds: list[str]) -> str:
    """The column's value; `values` are present() expressions of its file columns, `kinds` their DuckDB types."""
    if len(values) > 1 and column.type.startswith("list"):
        return _numbered_list(column, values)
    value, kind = (values[0], kinds[0]) if len(values) == 1 else (f"concat_ws(' ', {', '.join(values)})", "VARCHAR")
    if column.type in INTEGER_TYPES:
        return _integer(column, value, kind)
    if column.type in ("float32", "float64"):
        number = f"TRY_CAST({_plain_number(column, value, kind)} AS {column.duckdb_type})"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if column.type == "bool":
        text = f"lower(CAST({value} AS VARCHAR))"
        return f"CASE WHEN {text} IN {_tuple(TRUE)} THEN true WHEN {text} IN {_tuple(FALSE)} THEN false END"
    if column.type == "timestamp":
        return _in_calendar(_timestamp(column, value, kind))
    if column.type == "date":
        if column.parse and kind == "VARCHAR":
            return f"CAST(try_strptime({value}, {quote_literal(column.parse)}) AS DATE)"
        return _in_calendar(f"TRY_CAST({value} AS DATE)")
    if column.type.startswith("list"):
        return _list(column, value, kind)
    return f"CAST({value} AS VARCHAR)"


def _tuple(words: tuple[str, ...]) -> str:
    return "(" + ", ".join(quote_literal(word) for word in words) + ")"


def _plain_number(column: Column, value: str, kind: str) -> str:
    """A number's text with the locale's marks removed."""
    if kind != "VARCHAR":
        return value
    for mark in column.strip:
        value = f"replace({value}, {quote_literal(mark)}, '')"
    if column.thousands:
        value = f"replace({value}, {quote_literal(column.thousands)}, '')"
    if column.decimal == ",":
        value = f"replace({value}, ',', '.')"
    return f"trim({value})" if column.strip else value


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


def _in_calendar(value: str) -> str:
    return f"CASE WHEN {value} BETWEEN DATE '{FIRST_DAY}' AND DATE '{LAST_DAY}' THEN {value} END"


def _timestamp(column: Column, value: str, kind: str) -> str:
    """A naive TIMESTAMP in UTC."""
    zone = quote_literal(column.zone)
    if column.parse in EPOCH_MICROSECONDS:
        whole = _integer(column.model_copy(update={"type": "int64"}), value, kind)
        return f"TRY(make_timestamp({whole} * {EPOCH_MICROSECONDS[column.parse]}))"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {value})"
    if column.parse and "%" in column.parse and kind == "VARCHAR":
        parsed = f"try_strptime({value}, {quote_literal(column.parse)})"
        if "%z" in column.parse.lower():  # the text carries its own zone
            return f"timezone('UTC', {parsed})"
        return f"timezone('UTC', timezone({zone}, {parsed}))"
    naive = f"timezone('UTC', timezone({zone}, TRY_CAST({value} AS TIMESTAMP)))"
    if kind != "VARCHAR":
        return naive
    # A date's own dashes look like an offset, so only text with a time of day can carry one.
    zoned = f"{value} LIKE '%:%' AND regexp_full_match({value}, {quote_literal(OFFSET)})"
    return f"CASE WHEN {zoned} THEN timezone('UTC', TRY_CAST({value} AS TIMESTAMPTZ)) ELSE {naive} END"


def _list(column: Column, value: str, kind: str) -> str:
    target = column.duckdb_type
    if kind.endswith("[]"):
        return f"TRY_CAST({value} AS {target})"
    text = f"CAST({value} AS VARCHAR)"
    is_json = f"{text} LIKE '[%' AND json_valid({text})"
    split = f"string_split({text}, {quote_literal(column.separator)})"
    raw = f"CASE WHEN {is_json} THEN {text} ->> '$[*]' ELSE {split} END"
    parts = f"list_filter(list_transform({raw}, lambda part: trim(part)), lambda part: part <> '')"
    if column.type == "list<string>":
        return parts
    good = f"list_filter({parts}, lambda part: regexp_full_match(part, {quote_literal(WHOLE)}))"
    items = f"TRY_CAST(list_transform({good}, lambda part: split_part(part, '.', 1)) AS {target})"
    return f"CASE WHEN list_count({items}) = len({parts}) THEN {items} END"  # one bad item spoils the list


def _numbered_list(column: Column, values: list[str]) -> str:
    """hist_1, hist_2, … as one list; what is missing in between is skipped."""
    inner = column.duckdb_type.removesuffix("[]")
    items = ", ".join(f"TRY_CAST({value} AS {inner})" for value in values)
    return f"list_filter([{items}], lambda item: item IS NOT NULL)"
