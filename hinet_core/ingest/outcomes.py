"""Late outcomes: rows of files of their own, joined to the exposures that they belong to.

A row belongs to an exposure when their keys are equal and its time is at most `early` before the exposure and at most
the longest window of the source's tasks after it; a row without a time belongs by its key alone.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import duckdb

from hinet_core.contract import Contract, Source
from hinet_core.ingest import rules
from hinet_core.ingest.cells import is_given, value
from hinet_core.ingest.readers import FileReader
from hinet_core.ingest.staging import (
    MICROSECOND,
    key_cell,
    key_value,
    local_time,
    own_rules,
)
from hinet_core.lake import quote_identifier, quote_literal

if TYPE_CHECKING:
    from hinet_core.ingest.landing import LandingIndex

DAY = timedelta(days=1)
# Names with a point cannot be those of a contract.
FILE_ID, AT_US, KNOWN_DAY = "file.id", quote_identifier("at.us"), quote_identifier("at.day")


def times_of(contract: Contract, source: Source) -> list[str]:
    """The columns that say when a row's outcomes happened."""
    tasks = [task for task in contract.tasks if contract.late_source(task) == source]
    return list(dict.fromkeys(task.known_at for task in tasks if task.known_at))


def reach_of(contract: Contract, source: Source) -> timedelta:
    """How long after an exposure a dated row may still belong to it."""
    tasks = [task for task in contract.tasks if contract.late_source(task) == source]
    return max((task.window for task in tasks if task.known_at), default=timedelta(0))


def known_days(contract: Contract, source: Source, day: date) -> tuple[date, date]:
    """First and last day on which an outcome of a day's exposures may become known.

    One day more on each side than the clock says: across a clock change 24 hours can touch three dates.
    """
    ahead, back = (-(-span // DAY) for span in (reach_of(contract, source), source.early))
    return day - DAY * (back + 1), day + DAY * (ahead + 1)


def count_known_days(con: duckdb.DuckDBPyConnection, contract: Contract, reader: FileReader) -> dict[date | None, int]:
    """Usable rows of an outcome file per day on which they became known; None: they carry no time."""
    rows = outcome_rows(contract, reader)
    return dict(
        con.execute(f"SELECT {KNOWN_DAY}, count(*) FROM ({rows}) WHERE len(reasons) = 0 GROUP BY 1").fetchall()
    )


def table_of(source: Source) -> str:
    """The temporary table of a source's rows."""
    return quote_identifier(f"outcomes.{source.name}")


def key_column(name: str) -> str:
    return quote_identifier(f"key.{name}")


def value_columns(contract: Contract, source: Source) -> dict[str, str]:
    """What an outcome says: its key and the contract's columns, each with its type."""
    by_name = {column.name: column for column in contract.columns}
    keys = {key_column(name): by_name[name].duckdb_type for name in source.join}
    return keys | {quote_identifier(one.name): one.duckdb_type for one in contract.columns_of(source)}


def stage_outcomes(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    source: Source,
    files: Mapping[str, str],
    landed: "LandingIndex",
    keep_raw: bool = False,
) -> None:
    """Fill the source's table with every record of the files (path in landing -> identity), typed and judged.

    `keep_raw` keeps the text of every record, else only refused ones have it.
    """
    types = value_columns(contract, source) | {
        AT_US: "BIGINT", KNOWN_DAY: "DATE", "source_file": "VARCHAR", "record_number": "BIGINT",
        "reasons": "VARCHAR[]", "raw": "VARCHAR",
    }  # fmt: skip
    table, file_id = table_of(source), quote_identifier(FILE_ID)
    columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns}, {file_id} VARCHAR)")
    for path, identity in sorted(files.items()):
        reader = landed.open(con, source, path)
        rows = outcome_rows(contract, reader, keep_raw)
        name = quote_literal(identity)
        con.execute(f"INSERT INTO {table} SELECT {', '.join(types)}, {name} FROM ({rows})").fetchall()


def outcome_rows(contract: Contract, reader: FileReader, keep_raw: bool = False) -> str:
    """Every record of an outcome file: key, values, when it happened, and every reason to refuse it."""
    source = reader.source
    by_name = {column.name: column for column in contract.columns}
    own = contract.columns_of(source)
    typed = [f"{key_value(by_name[key], reader, name)} AS {key_column(key)}" for key, name in source.join.items()]
    typed += [f"{value(contract, one, reader)} AS {quote_identifier(one.name)}" for one in own]
    query = f"SELECT *, {', '.join(typed)} FROM ({reader.query})"
    times = ", ".join(f"epoch_us({quote_identifier(name)})" for name in times_of(contract, source))
    earliest = f"least({times})" if times else "CAST(NULL AS BIGINT)"  # least() skips what is missing
    query = f"SELECT *, {earliest} AS {AT_US} FROM ({query})"
    query = f"SELECT *, CAST({local_time(contract, f'make_timestamp({AT_US})')} AS DATE) AS {KNOWN_DAY} FROM ({query})"
    found = [*_key_rules(contract, reader), *own_rules(own, reader), _time_rule(contract, source)]
    query = f"SELECT *, {rules.reasons(found, reader.fault)} AS reasons FROM ({query})"
    kept = "true" if keep_raw else "len(reasons) > 0"
    raw = f"CASE WHEN {kept} THEN {reader.record} END AS raw"
    return f"SELECT *, {raw}, {quote_literal(reader.relative)} AS source_file FROM ({query})"


def _key_rules(contract: Contract, reader: FileReader) -> list[rules.Rule]:
    by_name = {column.name: column for column in contract.columns}
    found = []
    for key, name in reader.source.join.items():
        given = is_given(key_cell(by_name[key], name), reader)
        found += [
            (f"{key}: missing", f"NOT ({given})"),
            (f"{key}: not a {by_name[key].type}", f"{given} AND {key_column(key)} IS NULL"),
        ]
    return found


def _time_rule(contract: Contract, source: Source) -> rules.Rule:
    """A time that no exposure within the contract's days can have."""
    condition = f"{AT_US} < {_day_starts_us(contract, contract.first_day) - source.early // MICROSECOND}"
    if contract.last_day:
        end = _day_starts_us(contract, contract.last_day + DAY) + reach_of(contract, source) // MICROSECOND
        condition += f" OR {AT_US} >= {end}"
    return "time: outside the contract's days", condition


def _day_starts_us(contract: Contract, day: date) -> int:
    start = datetime.combine(day, time(), contract.zone)
    return (start - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


def belongs(contract: Contract, source: Source, row: str, late: str) -> str:
    """The condition under which a row of the source's table belongs to an exposure (aliases of both)."""
    keys = [f"{row}.{quote_identifier(key)} = {late}.{key_column(key)}" for key in source.join]
    early, reach = source.early // MICROSECOND, reach_of(contract, source) // MICROSECOND
    dated = f"{late}.{AT_US} BETWEEN {row}.exposed_us - {early} AND {row}.exposed_us + {reach}"
    return " AND ".join([*keys, f"len({late}.reasons) = 0", f"({late}.{AT_US} IS NULL OR {dated})"])
