"""The examples of an ingested day in batches: what is in memory does not grow with the day."""

from collections.abc import Iterator
from datetime import date

import duckdb
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.features.by_key import FeaturesByKey
from hinet_core.features.day_sums import DaySums
from hinet_core.features.own_columns import check_columns, key_columns, label_sql, leading_sql
from hinet_core.features.sql import part_sql
from hinet_core.lake import Lake, quote_identifier, quote_literal

# Four of DuckDB's row groups.
ROWS_A_BATCH = 4 * 122_880


def example_batches(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date, sums: DaySums
) -> Iterator[pa.Table]:
    """The rows of modelled scenarios by scenario, user, time, file and record; one empty batch where there are none."""
    features, keys = FeaturesByKey(con, contract, lake, day, sums), key_columns(contract)
    for rows in ordered_rows(con, contract, lake, day):
        columns = list(zip(rows.column_names, rows.columns, strict=True))
        own, parts = columns[: len(columns) - len(keys)], rows.columns[len(columns) - len(keys) :]
        computed = features.of(dict(zip(keys, parts, strict=True)), rows["scenario_id"])
        n_leading = len(own) - 2 * len(contract.tasks)
        yield pa.table(dict([*own[:n_leading], *computed.items(), *own[n_leading:]]))


def ordered_rows(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> Iterator[pa.Table]:
    """The rows' own columns, at their end two of each task, and behind them the parts of keys; at least one table."""
    source = lake.source("impressions", [day])
    present = con.sql(f"FROM {source}").columns
    check_columns(contract, present)
    columns = [*leading_sql(contract, present, day), *label_sql(contract, present)]
    columns += [f"{part_sql(contract, key)} AS {quote_identifier(f'key_{key}')}" for key in key_columns(contract)]
    modelled = ", ".join(quote_literal(one.id) for one in contract.modelled)
    order = ["scenario_id", contract.name_of("user"), "exposed_us", "source_file", "record_number"]
    by = ", ".join(f"r.{quote_identifier(name)} NULLS LAST" for name in order)
    query = f"SELECT {', '.join(columns)} FROM {source} AS r WHERE r.scenario_id IN ({modelled}) ORDER BY {by}"
    # Queries of `con` between two batches would end a stream of its own.
    reading = con.cursor()
    try:
        reader = reading.execute(query).to_arrow_reader(ROWS_A_BATCH)
        first = next(reader, None)
        yield reader.schema.empty_table() if first is None else pa.Table.from_batches([first])
        for batch in reader:
            yield pa.Table.from_batches([batch])
    finally:
        reading.close()
