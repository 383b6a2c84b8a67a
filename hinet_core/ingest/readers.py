"""One landed file as an SQL query: its own columns as `raw.<place>`, and the number of each record in the file.

CSV and NDJSON arrive as text and Parquet with its own types; what the text means is decided by `casts`. DuckDB reads
text in which every line is a record, which the index has checked; `streams` reads the rest.
"""

import itertools
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from hinet_core.contract import Column, Contract, Source
from hinet_core.ingest import records
from hinet_core.ingest.plain import MARK, is_utf8, mistaken, no_names, open_text, packing
from hinet_core.ingest.streams import Stream
from hinet_core.lake import file_literal, first_line, quote_identifier, quote_literal


class LandingError(ValueError):
    """A landed file cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class FileReader:
    """How to read one file: `columns` maps the file's column names to DuckDB types, `relative` is its landing path.

    `stream` names the Arrow stream of a file that is read line by line; None where DuckDB reads it. `nested` are the
    columns that are fields of Parquet's own structs, `binary` those that it has as bytes without a mark of text.
    """

    source: Source
    path: Path
    columns: dict[str, str]
    relative: str
    stream: str | None = None
    nested: frozenset[str] = frozenset()
    binary: frozenset[str] = frozenset()

    def raw(self, name: str) -> str:
        """The expression of a file's column inside `query`."""
        return quote_identifier(f"raw.{list(self.columns).index(name)}")

    def json_type(self, name: str) -> str:
        """What the value of a key is in its line, as an expression over `query`; an error where the line is none."""
        kinds = [f"nullif(json_type({WHOLE_LINE}, {quote_literal(place)}), 'NULL')" for place in json_places(name)]
        return f"coalesce({', '.join(kinds)})"

    @property
    def fault(self) -> str | None:
        """Why a record could not be read, as an expression over `query`; None where every record could."""
        return FAULT if self.stream or self.binary or self.source.format == "ndjson" else None

    @property
    def record(self) -> str:
        """The whole record as text, as an expression over `query`: what quarantine keeps."""
        if self.source.format == "ndjson":
            return WHOLE_LINE
        pairs = ", ".join(f"{quote_literal(name.split(AGAIN)[0])}, {self.raw(name)}"
            for name in self.columns if name not in self.nested)  # fmt: skip
        text = f"CAST(json_object({pairs}) AS VARCHAR)"
        return f"coalesce({WHOLE_LINE}, {text})" if self.stream else text

    @property
    def query(self) -> str:
        """SELECT of every column of the file as `raw.<place>`, plus `record_number` from 1."""
        return self.scan(numbered=True)

    def scan(self, numbered: bool) -> str:
        """`query`, or without its `record_number` where that keeps DuckDB from reading with all threads."""
        if self.source.format == "parquet":
            return self._parquet()
        return self._ndjson(numbered) if self.source.format == "ndjson" else self._csv(numbered)

    def _parquet(self) -> str:
        path = file_literal(self.path)
        found = {name: nested_field(name) if name in self.nested else quote_identifier(name) for name in self.columns}
        texts = {name: f"TRY(decode({found[name]}))" for name in self.binary}
        broken = " OR ".join(f"({found[name]} IS NOT NULL AND {text} IS NULL)" for name, text in texts.items())
        found |= {name: f"coalesce({text}, CAST({found[name]} AS VARCHAR))" for name, text in texts.items()}
        names = ", ".join(f"{field} AS {self.raw(name)}" for name, field in found.items())
        names += f", CASE WHEN {broken} THEN {quote_literal(records.NO_TEXT)} END AS {FAULT}" if broken else ""
        if any(name.lower() == "file_row_number" for name in self.columns):  # DuckDB's name for it is taken
            scan, number = f"read_parquet({path}, {ONLY_THE_FILE})", "row_number() OVER ()"
        else:
            scan, number = f"read_parquet({path}, file_row_number = true, {ONLY_THE_FILE})", "file_row_number + 1"
        return f"SELECT {names}, {number} AS record_number FROM {scan}"

    def _csv(self, numbered: bool) -> str:
        names = ", ".join(f"c{place} AS {self.raw(name)}" for place, name in enumerate(self.columns))
        if self.stream:
            names += f", {FAULT}, {WHOLE_LINE}"
        return f"SELECT {names}{self._number(numbered)} FROM {self._text(len(self.columns), csv_options(self.source))}"

    def _ndjson(self, numbered: bool) -> str:
        # All keys at once: each call of DuckDB for one key parses the line anew, in megabytes of its own.
        places = list(dict.fromkeys(place for name in self.columns for place in json_places(name)))
        names = ", ".join(f"{json_value(name, places)} AS {self.raw(name)}" for name in self.columns)
        listed = ", ".join(map(quote_literal, places))
        found = f"CASE WHEN {FAULT} IS NULL THEN json_extract_string(line, [{listed}]) END AS found"
        is_object = "CASE WHEN json_valid(c0) THEN json_type(c0) = 'OBJECT' ELSE false END"
        fault = f"CASE WHEN NOT {is_object} THEN 'line: not a JSON object' END"
        fault, whole = (f"coalesce({FAULT}, {fault})", f"coalesce({WHOLE_LINE}, c0)") if self.stream else (fault, "c0")
        scan = self._text(1, LINES)
        lines = f"SELECT c0 AS line, {fault} AS {FAULT}, {whole} AS {WHOLE_LINE}{self._number(numbered)} FROM {scan}"
        number = ", record_number" if numbered or self.stream else ""
        given = f"trim({WHOLE_LINE}, {quote_literal(records.BLANKS)}) <> ''"
        rows = f"SELECT {found}, {WHOLE_LINE}, {FAULT}{number} FROM ({lines}) WHERE {given}"
        return f"SELECT {names}, {WHOLE_LINE}, {FAULT}{number} FROM ({rows})"

    def _number(self, numbered: bool) -> str:
        if self.stream:
            return ", record_number"
        return ", row_number() OVER () AS record_number" if numbered else ""

    def _text(self, width: int, options: str) -> str:
        """The scan of columns c0, c1, … of text."""
        if self.stream:
            return quote_identifier(self.stream)
        typed = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(width))
        packed = quote_literal(packing(self.path))
        return (
            f"read_csv({file_literal(self.path)}, {options}, auto_detect = false, columns = {{{typed}}}, "
            f"compression = {packed}, {ONLY_THE_FILE})"
        )


# The line as it was, and why it is no record; no column of a contract or a file is called so.
WHOLE_LINE, FAULT = quote_identifier(records.TEXT), quote_identifier(records.FAULT)
# A name that a header has twice is called so the second time; no text holds a null byte.
AGAIN = "\0"
PSEUDO = ("path:", "record:")  # what a column reads of a record's place, not of the record
# A folder called key=value is no column, and none of the file's own columns gives way to it.
ONLY_THE_FILE = "hive_partitioning = false"
NAMES_SHOWN, NAME_SHOWN = 40, 60
DECIMAL_DIGITS = 38  # of DuckDB's decimals
# A delimiter that text does not hold, and no quote: each line is one value.
LINES = "header = false, delim = '\x01', quote = '', escape = ''"


def csv_options(source: Source) -> str:
    return (
        f"delim = {quote_literal(source.delimiter)}, quote = {quote_literal(source.quote)}, "
        f"escape = {quote_literal(source.quote)}, header = {str(source.header).lower()}, "
        "nullstr = '', strict_mode = true"
    )


_streams = itertools.count()


def json_places(name: str) -> list[str]:
    """Where a line may hold a key, whatever characters it has (RFC 6901): `a.b` also as the key b in the object a."""
    key = name.replace("~", "~0").replace("/", "~1")
    return list(dict.fromkeys(["/" + key, "/" + key.replace(".", "/")]))


def json_value(name: str, places: list[str]) -> str:
    """The text of a key in the list `found`, which holds what is at `places`."""
    values = [f"found[{places.index(one) + 1}]" for one in json_places(name)]
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def nested_field(name: str) -> str:
    """`a.b` as the field b of the struct a."""
    return ".".join(quote_identifier(part) for part in name.split("."))


def open_file(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: Source, path: Path, relative: str, careful: bool = False
) -> FileReader:
    """Look at a file's columns; a file that cannot be read or lacks a column of the contract is refused.

    `careful` reads text line by line; text that is not UTF-8 always is. The reader belongs to `con`.
    """
    if path.stat().st_size == 0:
        raise LandingError(f"{relative}: the file is empty (0 bytes); deliver it again or remove it from landing")
    try:
        columns = describe(con, contract, source, path)
        nested = fields_of_structs(con, contract, source, path, columns)
    except duckdb.Error as error:
        reason = first_line(error)
        raise LandingError(
            f"{relative}: not readable as {source.format}: {reason}. Deliver the file again, "
            f"or correct format and encoding of source {source.name!r} in the contract"
        ) from error
    columns |= nested
    missing = lacking(contract, source, columns)
    if missing:
        said = None
        if source.format == "csv":
            said = mistaken(path) if is_utf8(source.encoding) else no_names(columns, source.encoding)
        raise LandingError(
            f"{relative}: lacks the column {', '.join(map(repr, missing))} that contract {contract.name!r} names; "
            + (said or f"the file has {shown(columns)}. Correct `from` of that column in the contract, or the file")
        )
    wide = wide_decimals(con, contract, source, path, columns)
    if wide:
        raise LandingError(
            f"{relative}: the column {', '.join(map(repr, wide))} is a decimal of more than {DECIMAL_DIGITS} digits, "
            f"which would be read wrong; deliver it as a decimal of {DECIMAL_DIGITS} digits at most, a float or a text"
        )
    twice = [name for name in single_names(contract, source) if f"{name}{AGAIN}2" in columns]
    if twice:
        raise LandingError(
            f"{relative}: its header has the column {', '.join(map(repr, twice))} more than once, which only a list "
            "may read. Correct the file, or the column's type in the contract"
        )
    stream = None
    if source.format != "parquet" and (careful or not is_utf8(source.encoding)):
        stream = f"stream_{next(_streams)}"
        con.register(stream, Stream(source, path, 1 if source.format == "ndjson" else len(columns)))
    binary = {name for name in read_names(contract, source, columns, optional=True) if columns.get(name) == "BLOB"}
    columns |= dict.fromkeys(binary, "VARCHAR")
    reader = FileReader(source, path, columns, relative, stream, frozenset(nested), frozenset(binary))
    if source.format == "ndjson":
        _require_json(con, reader)
    return reader


def shown(columns: Collection[str]) -> str:
    """The first names of a file, cut, without what a terminal would obey."""
    names = [name.split(AGAIN)[0] for name in itertools.islice(columns, NAMES_SHOWN)]
    cut = ["".join(one if one.isprintable() else "?" for one in name[:NAME_SHOWN]) for name in names]
    return ", ".join(cut) + (f" and {len(columns) - NAMES_SHOWN} more" if len(columns) > NAMES_SHOWN else "")


def _require_json(con: duckdb.DuckDBPyConnection, reader: FileReader) -> None:
    lines = reader.scan(numbered=False)
    found = f"SELECT count(*) FROM (SELECT 1 FROM ({lines}) WHERE {FAULT} IS NULL LIMIT 1)"
    with open_text(reader.path, reader.source.encoding) as file:
        start = file.read(4096).removeprefix(MARK).split(maxsplit=2)
    # `[` alone on the first line, or before the first object of a text without any line that is one.
    in_array = "".join(start).startswith("[{")
    none = con.execute(found).fetchall()[0][0] == 0
    if in_array and (none or start[0] == "["):
        raise LandingError(
            f"{reader.relative}: it is one JSON array, not one object a line; deliver it rewritten, as by "
            "jq -c '.[]' FILE > FILE.ndjson"
        )
    if none:
        raise LandingError(
            f"{reader.relative}: no line is a JSON object; is source {reader.source.name!r} really ndjson?"
        )


def names_in(column: Column, columns: Collection[str]) -> list[str]:
    """The file's columns that a column reads. Of a list, `hist_*` is every column of that form and `tag` every column
    of that name, in the file's order."""
    names: list[str] = []
    for name in column.found_in:
        many = column.reads_list and "*" in name and name not in columns
        like = [one for one in columns if many and fnmatchcase(one, name)]
        names += like or [name]
    if not column.reads_list:
        return names
    return [one for name in names for one in ([name] + [one for one in columns if one.startswith(f"{name}{AGAIN}")])]


def read_names(contract: Contract, source: Source, columns: Collection[str], optional: bool) -> list[str]:
    """The file columns that the contract reads from a source, with or without those that a file may lack."""
    own = [one for one in contract.columns if contract.source_of(one).name == source.name]
    names = [name for one in own if optional or not one.optional for name in names_in(one, columns)]
    names += source.join.values()
    return [name for name in dict.fromkeys(names) if not name.startswith(PSEUDO)]


def single_names(contract: Contract, source: Source) -> list[str]:
    """The file columns of which the contract reads exactly one."""
    own = [one for one in contract.columns_of(source) if not one.reads_list]
    return list(dict.fromkeys([*(name for one in own for name in one.found_in), *source.join.values()]))


def lacking(contract: Contract, source: Source, columns: Collection[str]) -> list[str]:
    """What the contract reads and the file does not have."""
    return [name for name in read_names(contract, source, columns, optional=False) if name not in columns]


def wide_decimals(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: Source, path: Path, columns: Collection[str]
) -> list[str]:
    """Decimals of a Parquet file that the contract reads and that DuckDB, of fewer digits, takes for other numbers."""
    if source.format != "parquet":
        return []
    some = f"SELECT count(*) FROM parquet_schema({file_literal(path)}) WHERE precision > {DECIMAL_DIGITS}"
    if con.execute(some).fetchall()[0][0] == 0:
        return []
    schema = pq.ParquetFile(path).schema
    fields = [schema.column(place) for place in range(len(schema.names))]
    found = [f"{one.path}." for one in fields if getattr(one.logical_type, "type", "") == "DECIMAL"
        and one.precision > DECIMAL_DIGITS]  # fmt: skip
    names = read_names(contract, source, columns, optional=True)
    return [name for name in names if any(place.startswith(f"{name}.") for place in found)]


def describe(con: duckdb.DuckDBPyConnection, contract: Contract, source: Source, path: Path) -> dict[str, str]:
    """The file's column names and DuckDB types, in order."""
    if source.format == "parquet":
        rows = con.execute(f"DESCRIBE SELECT * FROM read_parquet({file_literal(path)}, {ONLY_THE_FILE})").fetchall()
        return {row[0]: row[1] for row in rows}
    wanted = read_names(contract, source, (), optional=True)
    if source.format == "ndjson":
        return dict.fromkeys(wanted, "VARCHAR")
    if not source.header:
        return dict.fromkeys(source.names, "VARCHAR")
    with open_text(path, source.encoding) as file:
        found = records.header_of(file, source)
    as_named = {one.strip(): one for one in wanted}  # blanks around a name of a header are not part of it
    names = [as_named.get(one.strip(), one.strip()) for one in found]
    seen = [names[:place].count(name) for place, name in enumerate(names)]
    return {f"{name}{AGAIN}{again + 1}" if again else name: "VARCHAR" for name, again in zip(names, seen, strict=True)}


def fields_of_structs(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: Source, path: Path, columns: Collection[str]
) -> dict[str, str]:
    """The types of what the contract reads as `a.b` from structs of a Parquet file that has no column of that name."""
    if source.format != "parquet":
        return {}
    found = {}
    for name in read_names(contract, source, columns, optional=True):
        if name not in columns and name.split(".")[0] in columns:
            with suppress(duckdb.BinderException):  # no such field: the column is lacking
                scan = f"read_parquet({file_literal(path)}, {ONLY_THE_FILE})"
                ((_, found[name], *_),) = con.execute(f"DESCRIBE SELECT {nested_field(name)} FROM {scan}").fetchall()
    return found
