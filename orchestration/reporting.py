"""What an asset tells Dagster: a row count and columns per committed day, and one sentence when it cannot go on."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg
import duckdb
import pyarrow.parquet as pq

from hinet_core.contract import Contract
from hinet_core.ingest.refused_files import recorded
from hinet_core.lake import Lake, LakeError, Manifest, connect, parquet_list, told
from hinet_core.lock import BusyError
from hinet_core.publish.run import PublishError

Metadata = dict[str, Any]
# What people can repair; anything else is a defect and keeps its traceback.
EXPECTED = (
    ValueError, LakeError, PublishError, OSError, BusyError, duckdb.IOException, duckdb.OutOfMemoryException
)  # fmt: skip
OWNERS = ["team:ranking"]
REASONS_SHOWN = 10
RETRY = dg.RetryPolicy(max_retries=1, delay=5)


def key_of(contract: Contract, table: str) -> dg.AssetKey:
    return dg.AssetKey([contract.name, table])


@contextmanager
def plain_failures() -> Iterator[None]:
    """What people can repair fails the step with its sentence, and is not tried again."""
    try:
        yield
    except EXPECTED as error:
        raise dg.Failure(description=told(error), allow_retries=False) from error


def days_asked(context: dg.AssetExecutionContext) -> list[date]:
    """The days of this run: one, or a range."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def days_possible(context: dg.AssetExecutionContext, possible: Collection[date], why: str) -> list[date]:
    """The days of this run that can be made; of a range the others are left out with a word.

    Dagster carries a range downstream through every window, to days that nobody asked for, and a log has gaps. A run
    of which no day can be made keeps its days, to fail with their sentence.
    """
    asked = days_asked(context)
    found = [day for day in asked if day in possible]
    if not found:
        return asked
    for day in sorted({*asked}.difference(found)):
        context.log.warning(f"{day}: {why}; left out")
    return found


def day_metadata(contract: Contract, lake: Lake, table: str, manifest: Manifest) -> Metadata:
    """Rows, columns and content hash of a committed table."""
    metadata: Metadata = {
        "dagster/partition_row_count": manifest.rows.get(table, 0),
        "dagster/column_schema": column_schema(contract, lake, table, manifest),
        "content_hash": manifest.hash_of(table),
    }
    return metadata | books_metadata(lake, manifest)


def books_metadata(lake: Lake, manifest: Manifest) -> Metadata:
    """Of an ingested day: per landed file, and summed, rows read = kept + duplicate + quarantined; what became of the
    side tables' records; and the files that were refused when landing was looked at, whose rows are unknown."""
    rows = rows_of(lake, manifest, "ingest_files")
    if not rows:
        return {}
    sums: Metadata = {name: sum(row[name] for row in rows) for name in rows[0] if name.startswith("rows_")}
    if "outcome_matches" in manifest.tables:
        sums["late_outcomes"] = manifest.rows["outcome_matches"]
    refused = [{"file": one.file, "reason": one.reason} for one in recorded(lake)]
    reasons, sides = quarantine_reasons(lake, manifest), rows_of(lake, manifest, "side_counters")
    tables = {"books": rows, "quarantine": reasons, "side_tables": sides, "refused_files": refused}
    return sums | {name: table_of(records) for name, records in tables.items() if records}


def quarantine_reasons(lake: Lake, manifest: Manifest) -> list[dict[str, Any]]:
    """Why rows were refused, most frequent first, each with the place of one: the first thing that is asked of a day
    with refused rows. A row may have several reasons."""
    paths = [lake.root / one.path for one in manifest.tables.get("quarantine", []) if one.rows]
    if not paths:
        return []
    place = "arg_min(source_file || ' record ' || record_number, record_number)"
    query = (
        f"SELECT reason, count(*) AS rows, {place} AS example FROM (SELECT *, unnest(reasons) AS reason "
        f"FROM {parquet_list(paths)}) GROUP BY reason ORDER BY rows DESC, reason LIMIT {REASONS_SHOWN}"
    )
    con = connect()
    try:
        return con.execute(query).to_arrow_table().to_pylist()
    finally:
        con.close()


def rows_of(lake: Lake, manifest: Manifest, table: str) -> list[dict[str, Any]]:
    """The rows of a small table of a commit; none where the commit has no such table."""
    paths = [lake.root / one.path for one in manifest.tables.get(table, [])]
    return [row | {"day": row["day"].isoformat()} for path in paths for row in pq.read_table(path).to_pylist()]


def table_of(rows: Sequence[dict[str, Any]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows])


def column_schema(contract: Contract, lake: Lake, table: str, manifest: Manifest) -> dg.TableSchema:
    """The columns as they were written, with the contract's words beside those that it names."""
    words = {column.name: column.description or column.unit or None for column in contract.columns}
    schema = pq.read_schema(lake.root / manifest.tables[table][0].path)
    return dg.TableSchema(
        [dg.TableColumn(field.name, str(field.type), description=words.get(field.name)) for field in schema]
    )
