"""Lines that are no record at all (too few or too many values, broken quotes): refused rows with their text."""

from collections.abc import Mapping

import duckdb

from hinet_core.ingest.readers import FileReader
from hinet_core.lake import quote_identifier, quote_literal

FAULT = "'line: ' || lower(replace(CAST(error_type AS VARCHAR), '_', ' '))"


def forget_rejects(con: duckdb.DuckDBPyConnection) -> None:
    """Clear DuckDB's own tables of bad lines before a scan."""
    con.execute("DROP TABLE IF EXISTS csv_rejects")
    con.execute("DROP TABLE IF EXISTS csv_scans")


def insert_rejects(
    con: duckdb.DuckDBPyConnection, reader: FileReader, table: str, source_file: str, fixed: Mapping[str, str] | None
) -> None:
    """Number the file's records in `table` as the file does, and add the lines that the scan before could not read.

    The table has source_file, record_number, raw and reasons; `fixed` are expressions for others of its columns.
    With None the lines are numbered past, but not added.
    """
    if reader.source.format == "parquet":
        return
    header = int(reader.source.format == "csv" and reader.source.header)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE refused AS
        SELECT record_number, raw, reasons, row_number() OVER (ORDER BY record_number) AS nth FROM (
            SELECT CAST(line AS BIGINT) - {header} AS record_number, csv_line AS raw,
                   list_sort(list(DISTINCT {FAULT})) AS reasons
            FROM csv_rejects JOIN csv_scans USING (scan_id, file_id)
            WHERE file_path = {quote_literal(str(reader.path))} GROUP BY ALL
        )
        """
    ).fetchall()
    # The scan numbered the records that it could read; each moves up by the refused ones before it.
    con.execute(
        f"""
        UPDATE {table} AS t SET record_number = t.record_number + step.before FROM (
            SELECT low, before, lead(low) OVER (ORDER BY low) AS high
            FROM (SELECT record_number - nth + 1 AS low, max(nth) AS before FROM refused GROUP BY low)
        ) AS step
        WHERE source_file = {quote_literal(source_file)}
          AND t.record_number >= low AND (high IS NULL OR t.record_number < high)
        """
    ).fetchall()
    if fixed is None:
        return
    values = {name: name for name in ("record_number", "raw", "reasons")} | dict(fixed)
    values["source_file"] = quote_literal(source_file)
    names = ", ".join(quote_identifier(name) for name in values)
    con.execute(f"INSERT INTO {table} ({names}) SELECT {', '.join(values.values())} FROM refused").fetchall()
