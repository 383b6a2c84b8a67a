"""What late outcomes make of the exposures of a day: labels, when they are known, and what is shown of them.

A label is positive when any row that belongs to the exposure meets the task's conditions inside the task's window, and
is known at the earliest of these rows.
"""

from datetime import date

import duckdb

from hinet_core.contract import Condition, Contract, Source, Task, known_day_column, known_us_column, label_column
from hinet_core.ingest import rules
from hinet_core.ingest.outcomes import AT_US, FILE_ID, belongs, table_of
from hinet_core.ingest.staging import MICROSECOND, reported_at, with_labels
from hinet_core.lake import quote_identifier, quote_literal

# A record of the log, in its rows and in the matches, and why a row is refused; no column of a contract has a dot.
PLACE = "source_file, record_number"
LOG_FILE, LOG_RECORD, REFUSED = (quote_identifier(f"log.{name}") for name in ("file", "record", "refused"))
LOG_PLACE = f"{LOG_FILE}, {LOG_RECORD}"


def attach(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Give the kept rows of the table `judged` their outcomes: columns, labels, and when each label is known.

    Only rows to which an outcome belongs are made anew; the others are already labelled as if nothing had happened.
    """
    if not contract.outcome_sources:
        return
    for source in contract.outcome_sources:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {matches_of(source)} AS {_matches(contract, source)}").fetchall()
    con.execute(f"CREATE OR REPLACE TEMP TABLE claims AS {_with_claims(contract)}").fetchall()
    for source in contract.outcome_sources:
        _refuse(con, contract, source)
    reported = [name for task in late_tasks(contract) if (name := reported_at(contract, task))]
    columns = f"* EXCLUDE ({', '.join(reported)})" if reported else "*"
    query = f"SELECT {columns} FROM ({with_labels(contract, _with_first_rows(contract))})"
    con.execute(f"CREATE OR REPLACE TEMP TABLE claims AS {query}").fetchall()
    con.execute(f"DELETE FROM judged WHERE ({PLACE}) IN (SELECT {PLACE} FROM claims)").fetchall()
    con.execute("INSERT INTO judged BY NAME FROM claims").fetchall()


def late_tasks(contract: Contract) -> list[Task]:
    return [task for task in contract.tasks if contract.late_source(task)]


def matches_of(source: Source) -> str:
    """The temporary table of exposures and the rows that belong to them."""
    return quote_identifier(f"matches.{source.name}")


def _matches(contract: Contract, source: Source) -> str:
    """One line per exposure and row that belongs to it; REFUSED is for what the funnel refuses."""
    values = ", ".join(f"late.{quote_identifier(one.name)}" for one in contract.columns_of(source))
    return (
        f"SELECT row.source_file AS {LOG_FILE}, row.record_number AS {LOG_RECORD}, row.exposed_us, "
        f"late.{quote_identifier(FILE_ID)}, late.record_number, late.{AT_US}, {values}, "
        f"CAST(NULL AS VARCHAR) AS {REFUSED} "
        f"FROM judged AS row JOIN {table_of(source)} AS late ON {belongs(contract, source, 'row', 'late')} "
        "WHERE row.verdict = 'kept'"
    )


def _with_claims(contract: Contract) -> str:
    """Exposures with outcomes, and what these together claim of each task, and when it happened."""
    late = late_tasks(contract)
    gone = [quote_identifier(one.name) for one in contract.late_columns] + [rules.claimed(task.name) for task in late]
    for task in contract.tasks:
        gone += [quote_identifier(name(task.name)) for name in (label_column, known_us_column, known_day_column)]
    columns, joins, places = [f"row.* EXCLUDE ({', '.join(gone)})"], [], []
    for number, source in enumerate(contract.outcome_sources):
        told, sums = f"told_{number}", [LOG_PLACE]
        for task in late:
            if contract.late_source(task) == source:
                sums += _told(contract, task)
                columns.append(f"{_claim(contract, task, f'{told}.{rules.claimed(task.name)}')}")
                columns += [f"{told}.{name}" for name in [reported_at(contract, task)] if name]
        summed = f"SELECT {', '.join(sums)} FROM {matches_of(source)} GROUP BY {LOG_PLACE}"
        joins.append(f"LEFT JOIN ({summed}) AS {told} ON {_same_place('row', told)}")
        places.append(f"SELECT {LOG_PLACE} FROM {matches_of(source)}")
    found = f"WHERE ({PLACE}) IN ({' UNION '.join(places)})"
    return f"SELECT {', '.join(columns)} FROM judged AS row {' '.join(joins)} {found}"


def _same_place(row: str, late: str) -> str:
    return f"{row}.source_file = {late}.{LOG_FILE} AND {row}.record_number = {late}.{LOG_RECORD}"


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
                f"UPDATE {matches_of(source)} AS late SET {REFUSED} = {quote_literal(rules.violation_reason(task))} "
                f"FROM claims WHERE {_same_place('claims', 'late')} AND {REFUSED} IS NULL "
                f"AND {claims_of(contract, task)} AND claims.{rules.claimed(task.after)} = 0"
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
            f"SELECT {LOG_PLACE}, {', '.join(names)}, "
            f"row_number() OVER (PARTITION BY {LOG_PLACE} ORDER BY {order}) AS nth "
            f"FROM {matches_of(source)} WHERE {REFUSED} IS NULL"
        )
        joins.append(f"LEFT JOIN ({numbered}) AS {first} ON {_same_place('row', first)} AND {first}.nth = 1")
    return f"SELECT {', '.join(columns)} FROM claims AS row {' '.join(joins)}"


def matches_query(contract: Contract, day: date) -> str:
    """`outcome_matches`: which row of which outcome file belongs to which exposure of the day, or why it is refused."""
    parts = [
        f"SELECT DATE {quote_literal(day.isoformat())} AS day, {LOG_FILE} AS log_file, {LOG_RECORD} AS log_record, "
        f"{quote_literal(source.name)} AS source, {quote_identifier(FILE_ID)} AS outcome_file, "
        f"record_number AS outcome_record, {REFUSED} AS reason FROM {matches_of(source)}"
        for source in contract.outcome_sources
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY ALL"
