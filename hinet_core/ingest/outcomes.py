"""Late outcomes: rows of files of their own, joined to the exposures that they belong to.

A row belongs to an exposure when their keys are equal and its time is at most `early` before the exposure and at most
the longest window of the source's tasks after it; a row without a time belongs by its key alone. A label is positive
when any row that belongs meets the task's conditions inside the task's window, and is known at the earliest of them.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from hinet_core.contract import Condition, Contract, Source, Task, known_day_column, known_us_column, label_column
from hinet_core.ingest import rules
from hinet_core.ingest.cells import is_given, value
from hinet_core.ingest.readers import FileReader, open_file
from hinet_core.ingest.rejects import forget_rejects, insert_rejects
from hinet_core.ingest.staging import (
    MICROSECOND,
    key_cell,
    key_value,
    local_time,
    own_rules,
    reported_at,
    staged_columns,
    with_labels,
)
from hinet_core.lake import quote_identifier, quote_literal

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


def count_known_days(
    con: duckdb.DuckDBPyConnection, contract: Contract, reader: FileReader
) -> tuple[dict[str, int], int]:
    """Usable rows of an outcome file per day on which they became known (ISO), and those that carry no time."""
    rows = outcome_rows(contract, reader)
    counted = con.execute(f"SELECT {KNOWN_DAY}, count(*) FROM ({rows}) WHERE len(reasons) = 0 GROUP BY 1").fetchall()
    dated = {day.isoformat(): count for day, count in sorted(one for one in counted if one[0] is not None)}
    return dated, sum(count for day, count in counted if day is None)


def table_of(source: Source) -> str:
    """The temporary table of a source's rows."""
    return quote_identifier(f"outcomes.{source.name}")


def matches_of(source: Source) -> str:
    """The temporary table of exposures and the rows that belong to them."""
    return quote_identifier(f"matches.{source.name}")


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
    landing: Path,
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
        reader = open_file(con, contract, source, landing / path, path)
        rows = outcome_rows(contract, reader, keep_raw)
        name = quote_literal(identity)
        forget_rejects(con)
        con.execute(f"INSERT INTO {table} SELECT {', '.join(types)}, {name} FROM ({rows})").fetchall()
        insert_rejects(con, reader, table, path, {FILE_ID: name})


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
    query = f"SELECT *, {rules.reasons(found)} AS reasons FROM ({query})"
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


def attach(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Give the kept rows of `judged` their outcomes: columns, labels, and when each label is known."""
    if not contract.outcome_sources:
        return
    for source in contract.outcome_sources:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {matches_of(source)} AS {_matches(contract, source)}").fetchall()
    con.execute(f"CREATE OR REPLACE TEMP TABLE claims AS {_with_claims(contract)}").fetchall()
    for source in contract.outcome_sources:
        _refuse(con, contract, source)
    columns = ", ".join([*staged_columns(contract), "verdict"])
    query = f"SELECT {columns} FROM ({with_labels(contract, _with_first_rows(contract))})"
    con.execute(f"CREATE OR REPLACE TEMP TABLE judged AS {query}").fetchall()
    con.execute("DROP TABLE claims")


def _matches(contract: Contract, source: Source) -> str:
    """One line per exposure and row that belongs to it; `reason` is for what the funnel refuses."""
    values = ", ".join(f"late.{quote_identifier(one.name)}" for one in contract.columns_of(source))
    return (
        "SELECT row.source_file AS log_file, row.record_number AS log_record, row.exposed_us, "
        f"late.{quote_identifier(FILE_ID)}, late.record_number, late.{AT_US}, {values}, "
        "CAST(NULL AS VARCHAR) AS reason "
        f"FROM judged AS row JOIN {table_of(source)} AS late ON {belongs(contract, source, 'row', 'late')} "
        "WHERE row.verdict = 'kept'"
    )


def _with_claims(contract: Contract) -> str:
    """`judged` with what the late rows together claim of each task, and when it happened."""
    late = [task for task in contract.tasks if contract.late_source(task)]
    gone = [quote_identifier(one.name) for one in contract.late_columns] + [rules.claimed(task.name) for task in late]
    for task in contract.tasks:
        gone += [quote_identifier(name(task.name)) for name in (label_column, known_us_column, known_day_column)]
    columns, joins = [f"row.* EXCLUDE ({', '.join(gone)})"], []
    for number, source in enumerate(contract.outcome_sources):
        told, sums = f"told_{number}", ["log_file", "log_record"]
        for task in late:
            if contract.late_source(task) == source:
                sums += _told(contract, task)
                columns.append(f"{_claim(contract, task, f'{told}.{rules.claimed(task.name)}')}")
                columns += [f"{told}.{name}" for name in [reported_at(contract, task)] if name]
        summed = f"SELECT {', '.join(sums)} FROM {matches_of(source)} GROUP BY log_file, log_record"
        joins.append(
            f"LEFT JOIN ({summed}) AS {told} "
            f"ON row.source_file = {told}.log_file AND row.record_number = {told}.log_record"
        )
    return f"SELECT {', '.join(columns)} FROM judged AS row {' '.join(joins)}"


def _told(contract: Contract, task: Task) -> list[str]:
    """Aggregates over an exposure's rows: whether any claims the task, and the earliest time inside the window.

    A claim without a time counts as known when settled, so a time outside the window does not stand in for it.
    """
    claims = claims_of(contract, task)
    sums = [f"bool_or({claims}) AS {rules.claimed(task.name)}"]
    if task.known_at:
        known = quote_identifier(task.known_at)
        earliest = f"min({known}) FILTER ({claims})"
        undated = f"bool_or({claims} AND {known} IS NULL)"
        outside = f"epoch_us({earliest}) > any_value(exposed_us) + {task.window // MICROSECOND}"
        reported = f"CASE WHEN {undated} AND {outside} THEN NULL ELSE {earliest} END"
        sums.append(f"{reported} AS {reported_at(contract, task)}")
    return sums


def claims_of(contract: Contract, task: Task) -> str:
    """Whether one late row meets the task's conditions on its own columns; what is missing meets none."""
    by_name = {column.name: column for column in contract.late_columns}
    held = [f"({rules.holds(part, by_name[part.column])})" for part in task.label if part.column in by_name]
    return f"coalesce({' AND '.join(held)}, false)"


def _claim(contract: Contract, task: Task, told: str) -> str:
    """0 where no row claims the task; else what the log's own conditions say, NULL where they hang on a NULL."""
    by_name = {column.name: column for column in contract.columns_of(contract.log)}
    own: list[Condition] = [part for part in task.label if part.column in by_name]
    positive = rules.claim(own, by_name) if own else "1"
    return f"CAST(CASE WHEN {told} THEN {positive} ELSE 0 END AS TINYINT) AS {rules.claimed(task.name)}"


def _refuse(con: duckdb.DuckDBPyConnection, contract: Contract, source: Source) -> None:
    """A row that claims a later step of the funnel without the earlier one, where the contract quarantines it."""
    for task in contract.tasks:
        if task.after and task.on_violation == "quarantine" and contract.late_source(task) == source:
            con.execute(
                f"UPDATE {matches_of(source)} AS late SET reason = {quote_literal(rules.violation_reason(task))} "
                "FROM claims WHERE claims.source_file = late.log_file AND claims.record_number = late.log_record "
                f"AND reason IS NULL AND {claims_of(contract, task)} AND claims.{rules.claimed(task.after)} = 0"
            ).fetchall()


def _with_first_rows(contract: Contract) -> str:
    """`claims` with the columns of the first row that belongs, in the order of time and then of what rows say.

    So it does not matter which file a row came in, nor how often.
    """
    columns, joins = ["row.*"], []
    for number, source in enumerate(contract.outcome_sources):
        names = [quote_identifier(one.name) for one in contract.columns_of(source)]
        first = f"first_{number}"
        columns += [f"{first}.{name}" for name in names]
        order = ", ".join(f"{name} NULLS LAST" for name in [AT_US, *names])
        numbered = (
            f"SELECT log_file, log_record, {', '.join(names)}, "
            f"row_number() OVER (PARTITION BY log_file, log_record ORDER BY {order}) AS nth "
            f"FROM {matches_of(source)} WHERE reason IS NULL"
        )
        joins.append(
            f"LEFT JOIN ({numbered}) AS {first} ON row.source_file = {first}.log_file "
            f"AND row.record_number = {first}.log_record AND {first}.nth = 1"
        )
    return f"SELECT {', '.join(columns)} FROM claims AS row {' '.join(joins)}"


def matches_query(contract: Contract, day: date) -> str:
    """`outcome_matches`: which row of which outcome file belongs to which exposure of the day, or why it is refused."""
    parts = [
        f"SELECT DATE {quote_literal(day.isoformat())} AS day, log_file, log_record, "
        f"{quote_literal(source.name)} AS source, {quote_identifier(FILE_ID)} AS outcome_file, "
        f"record_number AS outcome_record, reason FROM {matches_of(source)}"
        for source in contract.outcome_sources
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY ALL"
