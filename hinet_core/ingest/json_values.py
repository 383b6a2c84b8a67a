"""What a text of NDJSON was in its line: DuckDB gives the number 12.0 and the text "12.0" as the same text.

Few texts can be meant; only of these is the line asked, which is dear.
"""

from hinet_core.contract import Column
from hinet_core.ingest.casts import as_text
from hinet_core.ingest.readers import FileReader


def is_judged(column: Column, reader: FileReader) -> bool:
    """Whether what a value was in JSON matters: a number of any other type says so itself."""
    return reader.source.format == "ndjson" and column.type == "string"


def may_be_other(raw: str) -> str:
    """Holds wherever a text may be of a float, an object, a list, true or false; costs little."""
    return f"({_may_be_float(raw)} OR left({raw}, 1) IN ('{{', '[') OR {raw} IN ('true', 'false'))"


def plain_text(name: str, reader: FileReader) -> str:
    """The text of a key, of a float as of Parquet's: pandas writes 12.0 for an id where another one is missing."""
    raw = reader.raw(name)
    number = as_text(f"TRY_CAST({raw} AS DOUBLE)", "DOUBLE")
    is_float = f"CASE WHEN {_may_be_float(raw)} THEN {reader.json_type(name)} = 'DOUBLE' ELSE false END"
    return f"CASE WHEN {is_float} THEN coalesce({number}, {raw}) ELSE {raw} END"


def no_text(name: str, reader: FileReader) -> str:
    """Whether a key holds what no text is made of: an object, a list, true, false, a float that stands for several."""
    raw, kind = reader.raw(name), reader.json_type(name)
    wide = f"coalesce(abs(TRY_CAST({raw} AS DOUBLE)) >= {2**53}, true)"
    other = f"{kind} IN ('OBJECT', 'ARRAY', 'BOOLEAN') OR ({kind} = 'DOUBLE' AND {wide})"
    return f"CASE WHEN {may_be_other(raw)} THEN {other} ELSE false END"


def _may_be_float(raw: str) -> str:
    return f"({raw} < ':' AND regexp_matches({raw}, '[.eE]'))"
