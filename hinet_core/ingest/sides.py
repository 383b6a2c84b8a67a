"""Side tables: what the records of their files say per key, and what became of each record.

Records read = used + repeated (a key that an earlier record has) + refused (no record, or no key). A value that is not
of its type is missing, and counted.
"""

import duckdb

from hinet_core.contract import Column, Contract, Source
from hinet_core.ingest import rules
from hinet_core.ingest.alike import stage_alike
from hinet_core.ingest.cells import is_given, may_be_given, value
from hinet_core.ingest.landing import LandingIndex
from hinet_core.ingest.list_counts import stage_counts
from hinet_core.ingest.readers import FileReader
from hinet_core.ingest.staging import key_cell, key_value, matched_key, side_table
from hinet_core.lake import quote_identifier, quote_literal


def stage_sides(con: duckdb.DuckDBPyConnection, contract: Contract, landed: LandingIndex) -> None:
    """A temporary table for each side table, and `side_counts`: source, counter, detail, rows."""
    con.execute("CREATE TEMP TABLE side_counts (source VARCHAR, counter VARCHAR, detail VARCHAR, rows BIGINT)")
    for source in contract.sources:
        if source.kind == "side":
            readers = [landed.open(con, source, one.path) for one in landed.files_from(source)]
            con.execute(f"CREATE TEMP TABLE {side_table(source)} AS {_records(contract, source, readers)}").fetchall()
            con.execute(f"INSERT INTO side_counts {_counts(source)}").fetchall()
    stage_counts(con, contract)
    stage_alike(con, contract)


def _records(contract: Contract, source: Source, readers: list[FileReader]) -> str:
    """Every record with its key and values, numbered among those of its key in the order of the files."""
    parts = [f"SELECT *, {order} AS matched_order FROM ({_typed(contract, one)})" for order, one in enumerate(readers)]
    keys = ", ".join(map(matched_key, source.join))
    return (
        f"SELECT {_names(contract, source)}, matched_reasons, count(*) OVER (PARTITION BY {keys}) AS matched_rows, "
        f"row_number() OVER (PARTITION BY {keys} ORDER BY matched_order, record_number) AS matched_nth "
        f"FROM ({' UNION ALL '.join(parts)})"
    )


def _typed(contract: Contract, reader: FileReader) -> str:
    """The records of a file: keys, values, and every reason for which one of these is missing."""
    source, by_name = reader.source, {one.name: one for one in contract.columns}
    typed, found, doubts = [], [], []
    for key, name in source.join.items():
        given = is_given(key_cell(by_name[key], name), reader)
        typed.append(f"{key_value(by_name[key], reader, name)} AS {matched_key(key)}")
        found += [(f"{name}: missing", f"NOT ({given})"),
                  (f"{name}: not a {by_name[key].type}", f"{given} AND {matched_key(key)} IS NULL")]  # fmt: skip
        doubts.append(f"{matched_key(key)} IS NULL")
    for column in map(as_read, contract.columns_of(source)):
        own = quote_identifier(column.name)
        typed.append(f"{value(contract, column, reader)} AS {own}")
        found.append((f"{column.name}: not a {column.type}", f"{is_given(column, reader)} AND {own} IS NULL"))
        doubts.append(f"{own} IS NULL AND {may_be_given(column, reader)}")
    query = f"SELECT *, {', '.join(typed)} FROM ({reader.query})"
    reasons = rules.reasons(found, reader.fault, doubts)
    return f"SELECT {_names(contract, source)}, record_number, {reasons} AS matched_reasons FROM ({query})"


def as_read(column: Column) -> Column:
    """Of a number of lists, the lists."""
    return column.model_copy(update={"type": "list<string>"}) if column.is_of_lists else column


def _names(contract: Contract, source: Source) -> str:
    values = [quote_identifier(one.name) for one in contract.columns_of(source)]
    return ", ".join([*map(matched_key, source.join), *values])


def _counts(source: Source) -> str:
    """read = used + repeated + refused, and the reasons of what is refused or missing."""
    keyed = " AND ".join(f"{matched_key(key)} IS NOT NULL" for key in source.join)
    hits = {"read": "true", "used": f"{keyed} AND matched_nth = 1", "repeated": f"{keyed} AND matched_nth > 1",
            "refused": f"NOT ({keyed})"}  # fmt: skip
    listed = ", ".join(
        f"{{'counter': {quote_literal(name)}, 'rows': count(*) FILTER ({hit})}}" for name, hit in hits.items()
    )
    name, table = quote_literal(source.name), side_table(source)
    return (
        f"SELECT {name}, one.counter, '', one.rows FROM (SELECT unnest([{listed}]) AS one FROM {table}) "
        f"UNION ALL SELECT {name}, 'reason', reason, count(*) FROM "
        f"(SELECT unnest(matched_reasons) AS reason FROM {table}) GROUP BY reason"
    )
