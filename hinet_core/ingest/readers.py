"""One landed file as an SQL query: its own columns as `raw.<name>`, and the number of each record in the file.

CSV and NDJSON arrive as text and Parquet with its own types; what the text means is decided by `casts`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import duckdb

from hinet_core.contract import Column, Contract, Source
from hinet_core.lake import file_literal, first_line, quote_identifier, quote_literal


class LandingError(ValueError):
    """A landed file cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class FileReader:
    """How to read one file: `columns` maps the file's column names to DuckDB types, `relative` is its landing path."""

    source: Source
    path: Path
    columns: dict[str, str]
    relative: str

    def raw(self, name: str) -> str:
        """The expression of a file's column inside `query`."""
        return quote_identifier(f"raw.{name}")

    @property
    def record(self) -> str:
        """The whole record as text, as an expression over `query`: what quarantine keeps."""
        if self.source.format == "ndjson":
            return WHOLE_LINE
        pairs = ", ".join(f"{quote_literal(name)}, {self.raw(name)}" for name in self.columns)
        return f"CAST(json_object({pairs}) AS VARCHAR)"

    @property
    def query(self) -> str:
        """SELECT of every column of the file as `raw.<name>`, plus `record_number` from 1."""
        path = file_literal(self.path)
        if self.source.format == "parquet":
            names = ", ".join(f"{quote_identifier(name)} AS {self.raw(name)}" for name in self.columns)
            if any(name.lower() == "file_row_number" for name in self.columns):  # DuckDB's name for it is taken
                scan, number = f"read_parquet({path}, {ONLY_THE_FILE})", "row_number() OVER ()"
            else:
                scan, number = f"read_parquet({path}, file_row_number = true, {ONLY_THE_FILE})", "file_row_number + 1"
            return f"SELECT {names}, {number} AS record_number FROM {scan}"
        if self.source.format == "ndjson":
            names = ", ".join(
                f"CASE WHEN json_valid(line) THEN line ->> {quote_literal(json_pointer(name))} END AS {self.raw(name)}"
                for name in self.columns
            )
            lines = f"read_csv({path}, {LINES}, {REJECTS}, encoding = {quote_literal(self.source.encoding)})"
            numbered = f"SELECT line, row_number() OVER () AS record_number FROM {lines}"
            return f"SELECT {names}, line AS {WHOLE_LINE}, record_number FROM ({numbered}) WHERE trim(line) <> ''"
        names = ", ".join(f"{quote_identifier(name)} AS {self.raw(name)}" for name in self.columns)
        typed = ", ".join(f"{quote_literal(name)}: 'VARCHAR'" for name in self.columns)
        scan = f"read_csv({path}, {csv_options(self.source)}, auto_detect = false, columns = {{{typed}}}, {REJECTS})"
        return f"SELECT {names}, row_number() OVER () AS record_number FROM {scan}"


# The line as it was; no column of a contract or a file is called so.
WHOLE_LINE = quote_identifier("the line")
PSEUDO = ("path:", "record:")  # what a column reads of a record's place, not of the record
# A folder called key=value is no column, and none of the file's own columns gives way to it.
ONLY_THE_FILE = "hive_partitioning = false"
# A delimiter that text does not hold, and no quote: each line is one value.
LINES = (
    "auto_detect = false, header = false, delim = '\x01', quote = '', escape = '', columns = {'line': 'VARCHAR'}, "
    + ONLY_THE_FILE
)
REJECTS = "store_rejects = true, rejects_table = 'csv_rejects', rejects_scan = 'csv_scans', rejects_limit = 0"


def csv_options(source: Source) -> str:
    return (
        f"delim = {quote_literal(source.delimiter)}, quote = {quote_literal(source.quote)}, "
        f"escape = {quote_literal(source.quote)}, header = {str(source.header).lower()}, "
        f"encoding = {quote_literal(source.encoding)}, nullstr = '', strict_mode = true, {ONLY_THE_FILE}"
    )


def json_pointer(name: str) -> str:
    """The place of an object's key (RFC 6901), whatever characters the key holds."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def open_file(
    con: duckdb.DuckDBPyConnection, contract: Contract, source: Source, path: Path, relative: str
) -> FileReader:
    """Look at a file's columns; a file that cannot be read or lacks a column of the contract is refused."""
    if path.stat().st_size == 0:
        raise LandingError(f"{path.name}: the file is empty (0 bytes); deliver it again or remove it from landing")
    if path.suffix.lower() == ".zip":
        raise LandingError(f"{path.name}: zip archives are not read yet; unpack it, or deliver gzip or zstd")
    try:
        columns = describe(con, contract, source, path)
    except duckdb.Error as error:
        reason = first_line(error)
        raise LandingError(
            f"{path.name}: not readable as {source.format}: {reason}. Deliver the file again, "
            f"or correct format and encoding of source {source.name!r} in the contract"
        ) from error
    missing = lacking(contract, source, columns)
    if missing:
        raise LandingError(
            f"{path.name}: lacks the column {', '.join(map(repr, missing))} that contract {contract.name!r} names; "
            f"the file has {', '.join(columns)}. Correct `from` of that column in the contract, or the file"
        )
    return FileReader(source, path, columns, relative)


def names_in(column: Column, columns: Collection[str]) -> list[str]:
    """The file's columns that a column reads: `hist_*` of a list is every column of that form, in the file's order."""
    names: list[str] = []
    for name in column.found_in:
        many = column.type.startswith("list") and "*" in name and name not in columns
        like = [one for one in columns if many and fnmatchcase(one, name)]
        names += like or [name]
    return names


def read_names(contract: Contract, source: Source, columns: Collection[str], optional: bool) -> list[str]:
    """The file columns that the contract reads from a source, with or without those that a file may lack."""
    own = [one for one in contract.columns if contract.source_of(one).name == source.name]
    names = [name for one in own if optional or not one.optional for name in names_in(one, columns)]
    names += source.join.values()
    return [name for name in dict.fromkeys(names) if not name.startswith(PSEUDO)]


def lacking(contract: Contract, source: Source, columns: Collection[str]) -> list[str]:
    """What the contract reads and the file does not have."""
    return [name for name in read_names(contract, source, columns, optional=False) if name not in columns]


def describe(con: duckdb.DuckDBPyConnection, contract: Contract, source: Source, path: Path) -> dict[str, str]:
    """The file's column names and DuckDB types, in order."""
    name = file_literal(path)
    if source.format == "parquet":
        rows = con.execute(f"DESCRIBE SELECT * FROM read_parquet({name}, {ONLY_THE_FILE})").fetchall()
        return {row[0]: row[1] for row in rows}
    if source.format == "ndjson":
        lines = f"read_csv({name}, {LINES}, {REJECTS}, encoding = {quote_literal(source.encoding)})"
        head = f"SELECT count(*) FROM (SELECT 1 FROM {lines} WHERE json_valid(line) LIMIT 1)"
        if con.execute(head).fetchall()[0][0] == 0:
            raise LandingError(f"{path.name}: no line is a JSON object; is source {source.name!r} really ndjson?")
        return dict.fromkeys(read_names(contract, source, (), optional=True), "VARCHAR")
    if not source.header:
        return dict.fromkeys(source.names, "VARCHAR")
    options = f"{csv_options(source)}, all_varchar = true, ignore_errors = true, sample_size = 100"
    try:
        found = con.execute(f"DESCRIBE SELECT * FROM read_csv({name}, {options})").fetchall()
    except duckdb.InvalidInputException:
        # A bad line among the first: it is refused like any other, so only the header is looked at.
        text = f"read_csv({name}, {LINES}, {REJECTS}, encoding = {quote_literal(source.encoding)})"
        names = con.execute(f"SELECT line FROM {text} LIMIT 1").fetchall()[0][0].split(source.delimiter)
        found = [(one.strip().strip(source.quote),) for one in names]
    wanted = read_names(contract, source, (), optional=True)
    as_named = {one.strip(): one for one in wanted}  # DuckDB trims the names of a header
    return {as_named.get(row[0], row[0]): "VARCHAR" for row in found}
