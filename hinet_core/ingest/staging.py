"""A landed file's records as rows of the contract, in two queries.

`typed_rows` reads a file once: all that the log alone says of an exposure, the day whose books it is in, and every
reason to refuse it (a row is accepted when it has none). `exposures` is over rows so typed, with their side tables.
"""

from collections.abc import Collection, Iterable
from datetime import date, timedelta

from hinet_core.contract import Column, Contract, Source, Task, known_day_column, known_us_column, label_column
from hinet_core.ingest import rules
from hinet_core.ingest.cells import is_given, may_be_given, typed_cells, value
from hinet_core.ingest.clock import DAY, to_local
from hinet_core.ingest.readers import FileReader
from hinet_core.lake import quote_identifier, quote_literal

MICROSECOND = timedelta(microseconds=1)
# Names with a point cannot be those of a contract: the place of a row among all that are staged, and its wall time.
PLACE_NAME = "row.place"
PLACE, LOCAL = quote_identifier(PLACE_NAME), quote_identifier("row.local")
# The clocks of a contract without a last day are looked up for this long.
YEARS = timedelta(days=40 * 366)


def placed_days(contract: Contract, reader: FileReader) -> str:
    """Rows per usable day (NULL: no readable time, or outside the contract's days)."""
    time = next(one for one in contract.columns if one.role == "time")
    day = f"CASE WHEN {_in_contract(contract, 'd')} THEN d END"
    scan = reader.scan(numbered=needs_number(contract))
    return (
        f"SELECT {day} AS day, count(*) FROM (SELECT CAST({local_time(contract, 't')} AS DATE) AS d "
        f"FROM (SELECT {value(contract, time, reader)} AS t FROM ({scan}))) GROUP BY 1"
    )


def needs_number(contract: Contract) -> bool:
    """Whether a column of the log is made of the record's number."""
    return any("record:number" in column.found_in for column in contract.columns_of(contract.log))


def typed_columns(contract: Contract) -> list[str]:
    """The columns of `typed_rows`, without the number of the record."""
    sides = [source for source in contract.sources if source.kind == "side"]
    joined = {quote_identifier(one.name) for source in sides for one in contract.columns_of(source)}
    added = {PLACE, '"source_file"', '"record_number"', *map(matched_column, sides)}
    return [name for name in staged_columns(contract) if name not in joined | added]


def typed_rows(
    contract: Contract, reader: FileReader, span: tuple[date, date], days: Collection[date] | None, numbered: bool
) -> str:
    """Every record of a log file, or those in the books of `days`, typed and judged. `span`: its first and last day."""
    own = contract.columns_of(reader.source)
    typed = ", ".join(f"{value(contract, one, reader)} AS {quote_identifier(one.name)}" for one in own)
    query = f"SELECT *, {typed} FROM ({reader.scan(numbered)})"
    query = _derived(contract, query)
    if late := _late(contract):
        query = f"SELECT *, {', '.join(late)} FROM ({query})"
    query = f"SELECT *, {_placed(contract, span)} AS placed_day FROM ({query})"
    if days is not None:
        wanted = ", ".join(f"DATE {quote_literal(day.isoformat())}" for day in sorted(days))
        query = f"SELECT * FROM ({query}) WHERE placed_day IN ({wanted})"
    query = f"SELECT *, {_reasons(contract, reader, own, span[1])} AS reasons FROM ({query})"
    query = f"SELECT *, CASE WHEN len(reasons) > 0 THEN {reader.record} END AS raw FROM ({query})"
    query = with_labels(contract, query)
    number = ", record_number" if numbered or reader.stream else ""
    return f"SELECT {', '.join(typed_columns(contract))}{number} FROM ({query})"


def exposures(contract: Contract, rows: str) -> str:
    """`staged_columns` of typed rows; these have source_file, record_number and their place as well."""
    query, counts = rows, counted_groups(contract)
    known = {one.name for one in contract.columns_of(contract.log)}
    for source in [contract.log, *(one for one in contract.sources if one.kind == "side")]:
        if source.kind == "side":
            query = _join_side(contract, query, source)
            known |= {one.name for one in contract.columns_of(source) if not one.is_of_lists}
        # As early as their key is there: a join hands on every column, and lists cost more than numbers.
        for group in [one for one in counts if one[0].counted_by in known]:
            counts.remove(group)
            query = _join_counts(contract, query, group)
    for column in contract.columns:
        if column.alike_to:
            query = _join_alike(contract, query, column)
    return f"SELECT {', '.join(staged_columns(contract))} FROM ({query})"


def impression_columns(contract: Contract) -> list[str]:
    """The columns of `impressions` in order, quoted."""
    return list(map(quote_identifier, impression_names(contract)))


def impression_names(contract: Contract) -> list[str]:
    """The columns of `impressions` in order."""
    names = [one.name for one in contract.columns]
    names += ["day", "day_number", "hour", "exposed_us", "scenario_id"]
    for task in contract.tasks:
        names += [label_column(task.name), known_us_column(task.name), known_day_column(task.name)]
    return [*names, "source_file", "record_number"]


def staged_columns(contract: Contract) -> list[str]:
    """What is judged: impressions, the place of a row among all staged rows, and what the counters need."""
    claims = [rules.claimed(task.name) for task in contract.tasks]
    matched = [matched_column(source) for source in contract.sources if source.kind == "side"]
    own = [PLACE, "placed_day", "scenario_value", "reasons", "raw"]
    return [*impression_columns(contract), *own, *claims, *matched]


def matched_column(source: Source) -> str:
    """How many rows of the side table have the row's key."""
    return quote_identifier(f"matched_{source.name}")


def _scenario_value(contract: Contract) -> str:
    """The log's scenario as text; several columns are joined by '|'."""
    parts = [f"CAST({quote_identifier(one.name)} AS VARCHAR)" for one in contract.columns_with("scenario")]
    return parts[0] if len(parts) == 1 else " || '|' || ".join(parts)


def local_time(contract: Contract, naive_utc: str) -> str:
    """A naive UTC timestamp as wall time of the contract's zone; quick for all times near the contract's days."""
    last = contract.last_day or min(contract.first_day + YEARS, date(9000, 1, 1))
    reach = max(task.matures_after for task in contract.tasks) + 2 * DAY
    return to_local(contract.time_zone, naive_utc, contract.first_day - 2 * DAY, last + reach)


def _in_contract(contract: Contract, day: str) -> str:
    first = f"{day} >= DATE {quote_literal(contract.first_day.isoformat())}"
    if contract.last_day is None:
        return first
    return f"{first} AND {day} <= DATE {quote_literal(contract.last_day.isoformat())}"


def _derived(contract: Contract, query: str) -> str:
    """With what follows from a row's own columns: scenario, moment, local day and hour, what the log claims."""
    pairs = " ".join(
        f"WHEN {quote_literal(value)} THEN {quote_literal(one.id)}"
        for one in contract.scenarios
        for value in one.log_values
    )
    exposed = quote_identifier(contract.name_of("time"))
    by_name = {one.name: one for one in contract.columns}
    claims = [
        f"{rules.claim(task.label, by_name)} AS {rules.claimed(task.name)}"
        for task in contract.tasks
        if not contract.late_source(task)
    ]
    first = f"{_scenario_value(contract)} AS scenario_value, {local_time(contract, exposed)} AS {LOCAL}"
    second = [
        f"CASE scenario_value {pairs} END AS scenario_id",
        f"epoch_us({exposed}) AS exposed_us",
        f"CAST({LOCAL} AS DATE) AS day",
        f"CAST(CAST({LOCAL} AS DATE) - DATE '1970-01-01' AS INTEGER) AS day_number",
        f"CAST(hour({LOCAL}) AS TINYINT) AS hour",
        *claims,
    ]
    return f"SELECT *, {', '.join(second)} FROM (SELECT *, {first} FROM ({query}))"


def _late(contract: Contract) -> list[str]:
    """Until `outcomes` has joined the rows that came later, nothing has happened."""
    late = [task for task in contract.tasks if contract.late_source(task)]
    found = [f"CAST(0 AS TINYINT) AS {rules.claimed(task.name)}" for task in late]
    found += [f"CAST(NULL AS TIMESTAMP) AS {reported_at(contract, task)}" for task in late if task.known_at]
    return found + [f"CAST(NULL AS {one.duckdb_type}) AS {quote_identifier(one.name)}" for one in contract.late_columns]


def _placed(contract: Contract, span: tuple[date, date]) -> str:
    """The day whose books a row is in: its own, or the file's first day when it has none that can be used."""
    first, last = (f"DATE {quote_literal(one.isoformat())}" for one in span)
    return f"CASE WHEN {_in_contract(contract, 'day')} AND day <= {last} THEN day ELSE {first} END"


def reported_at(contract: Contract, task: Task) -> str | None:
    """The column that says when an outcome happened: the log's own, or what its late rows say together."""
    if task.known_at and contract.late_source(task):
        return quote_identifier(f"reported_{task.name}")
    return quote_identifier(task.known_at) if task.known_at else None


def with_labels(contract: Contract, query: str) -> str:
    """Labels inside their window and clipped to the funnel, with the time at which each is known (design: time)."""
    for task in contract.tasks:
        label, claimed = quote_identifier(label_column(task.name)), rules.claimed(task.name)
        window, settled = task.window // MICROSECOND, task.matures_after // MICROSECOND
        value = claimed
        reported = reported_at(contract, task)
        if reported:
            known = f"epoch_us({reported})"
            value = f"CASE WHEN {known} > exposed_us + {window} THEN 0 ELSE {claimed} END"
        if task.after:
            earlier = quote_identifier(label_column(task.after))
            value = f"CASE WHEN {claimed} IS NULL THEN NULL WHEN {earlier} = 0 THEN 0 ELSE {value} END"
        query = f"SELECT *, CAST({value} AS TINYINT) AS {label} FROM ({query})"
        known_us = f"exposed_us + {settled}"
        if reported:
            # greatest() skips NULL, so a time that is missing is caught before it.
            known_us = (
                f"CASE WHEN {label} = 1 AND {reported} IS NOT NULL "
                f"THEN greatest(epoch_us({reported}), exposed_us) ELSE {known_us} END"
            )
        query = f"SELECT *, {known_us} AS {quote_identifier(known_us_column(task.name))} FROM ({query})"
        local = local_time(contract, f"make_timestamp({quote_identifier(known_us_column(task.name))})")
        number = f"CAST(CAST({local} AS DATE) - DATE '1970-01-01' AS INTEGER)"
        query = f"SELECT *, {number} AS {quote_identifier(known_day_column(task.name))} FROM ({query})"
    return query


def _reasons(contract: Contract, reader: FileReader, own: Iterable[Column], last_day: date) -> str:
    inside, in_file = _in_contract(contract, "day"), f"day <= DATE {quote_literal(last_day.isoformat())}"
    table = [(reason, condition.replace("day_in_contract", f"({inside})").replace("day_in_file", f"({in_file})"))
             for reason, condition in rules.table_rules(contract)]  # fmt: skip
    doubts = [doubt for column in own for doubt in rules.doubts(column, may_be_given(column, reader))]
    doubts += [condition for _, condition in table]
    return rules.reasons(own_rules(own, reader) + table, reader.fault, doubts)


def own_rules(columns: Iterable[Column], reader: FileReader) -> list[rules.Rule]:
    """The rules of typed columns, with what the file gave for each."""
    return [rule for column in columns for rule in rules.column_rules(column, is_given(column, reader))]


def side_table(source: Source) -> str:
    """The temporary table of a side table's records; the first of a key is the one that is joined."""
    return quote_identifier(f"side.{source.name}")


def _join_side(contract: Contract, query: str, source: Source) -> str:
    # The day inside of the equation: as a condition of its own beside it, it makes the join many times as slow.
    shown = "row.{}" if source.as_of is None else f"CASE WHEN {_was_known(source)} THEN row.{{}} END"
    on = " AND ".join(f"{shown.format(quote_identifier(key))} = side.{matched_key(key)}" for key in source.join)
    own = [one for one in contract.columns_of(source) if not one.is_of_lists]
    added = "".join(f", side.{quote_identifier(one.name)}" for one in own)
    return (
        f"SELECT row.*{added}, coalesce(side.matched_rows, 0) AS {matched_column(source)} "
        f"FROM ({query}) AS row LEFT JOIN {side_table(source)} AS side ON {on} AND side.matched_nth = 1"
    )


def counted_groups(contract: Contract) -> list[list[Column]]:
    """The columns that count items of a side table's lists, those of one table and key together."""
    groups: dict[tuple[str | None, ...], list[Column]] = {}
    for column in contract.columns:
        if column.counted_by:
            groups.setdefault((column.source, column.counted_by, column.through), []).append(column)
    return list(groups.values())


def counts_table(group: list[Column]) -> str:
    """The temporary table of a group: a key and, per column, how many items are of it."""
    return quote_identifier(f"counts.{group[0].name}")


def _join_counts(contract: Contract, query: str, group: list[Column]) -> str:
    """A key that no list holds counts 0; a missing one has no count, and neither has a day before the table's."""
    key = f"row.{quote_identifier(str(group[0].counted_by))}"
    known = f"{key} IS NOT NULL AND {_was_known(contract.source_of(group[0]))}"
    names = [quote_identifier(one.name) for one in group]
    counts = ", ".join(f"CASE WHEN {known} THEN coalesce(counted.{name}, 0) END AS {name}" for name in names)
    table = counts_table(group)
    return f"SELECT row.*, {counts} FROM ({query}) AS row LEFT JOIN {table} AS counted ON {key} = counted.matched_key"


def held_table(column: Column) -> str:
    """The temporary table of a column that compares: the records' keys and items."""
    return quote_identifier(f"held.{column.name}")


def pairs_table(column: Column) -> str:
    """The temporary table of a column that compares: two items and how alike they are, in millionths."""
    return quote_identifier(f"pairs.{column.name}")


def _join_alike(contract: Contract, query: str, column: Column) -> str:
    """The mean over the items of the row's record, without the row's own; missing where there is none."""
    source, own = contract.source_of(column), f"shown.{quote_identifier(str(column.alike_to))}"
    same = " AND ".join(f"held.{matched_key(key)} = shown.{quote_identifier(key)}" for key in source.join)
    compared = f"FROM shown JOIN {held_table(column)} AS held ON {same} AND held.item <> {own}"
    # Few items against many pairs: an inner join, of which DuckDB may hash the few.
    found = f"JOIN {pairs_table(column)} AS pair ON pair.item = held.item AND pair.other = {own}"
    parts = (
        f"SELECT shown.{PLACE}, CAST(NULL AS BIGINT) AS cosine {compared} "
        f"UNION ALL SELECT shown.{PLACE}, pair.cosine {compared} {found}"
    )
    mean = "coalesce(sum(cosine), 0) / (1e6 * count(*) FILTER (cosine IS NULL))"
    means = f"SELECT {PLACE}, {mean} AS alike FROM ({parts}) GROUP BY {PLACE}"
    value = f"CAST(CASE WHEN {_was_known(source)} THEN told.alike END AS {column.duckdb_type})"
    return (
        f"WITH shown AS NOT MATERIALIZED ({query}), told AS ({means}) "
        f"SELECT row.*, {value} AS {quote_identifier(column.name)} FROM shown AS row LEFT JOIN told USING ({PLACE})"
    )


def _was_known(source: Source) -> str:
    """Whether a row was shown when the side table had been made."""
    return "true" if source.as_of is None else f"row.day >= DATE {quote_literal(source.as_of.isoformat())}"


def matched_key(name: str) -> str:
    return quote_identifier(f"matched_key_{name}")  # no column of a contract begins so


def key_value(column: Column, reader: FileReader, name: str) -> str:
    """A joined file's key in the type of the log's column, so that '007' and 7 meet only where both are numbers."""
    return typed_cells(key_cell(column, name), reader)


def key_cell(column: Column, name: str) -> Column:
    """The log's column as a joined file has it: under another name, and as it is."""
    return column.model_copy(update={"from_": (name,), "constant": None, "extract": None, "map": {}, "spread": None})
