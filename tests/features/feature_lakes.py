"""A log's rows as ingested days with every table of features computed, and what can be read from it."""

from collections.abc import Iterable
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from tiny_log import SCHEMA, Row, write_ingest

from hinet_core.contract import Contract, computed_features
from hinet_core.features.examples import examples
from hinet_core.features.tables import day_tables
from hinet_core.lake import Lake

ROW_ID = "record_number"


def built(
    con: duckdb.DuckDBPyConnection, contract: Contract, root: Path, rows: list[Row], upto: str | None = None
) -> Lake:
    """The lake of these rows with all tables, or with those before the table `upto`."""
    lake = write_ingest(root, rows)
    for table in takewhile(lambda one: one.name != upto, day_tables(contract)):
        table.write(con, contract, lake, table.days(contract, lake))
    return lake


def read(con: duckdb.DuckDBPyConnection, lake: Lake, days: list[date] | None = None) -> dict[int, dict[str, Any]]:
    """The examples by their record numbers."""
    found = lake.scan(con, "examples", days).to_arrow_table().to_pylist()
    return {one[ROW_ID]: one for one in found}


def features_of(
    con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, rows: Iterable[Row], day: date
) -> list[dict[str, Any]]:
    """The computed features alone that these rows have on a day."""
    relation = con.from_arrow(pa.Table.from_pylist(list(rows), schema=SCHEMA))
    found = examples(con, contract, relation, day, lake).order(ROW_ID).to_arrow_table()
    return found.select([one.name for one in computed_features(contract)]).to_pylist()


def hashes(contract: Contract, lake: Lake) -> dict[tuple[str, date], str]:
    """Content hash of every table and day."""
    found = {(table.name, day): lake.manifest(table.name, day) for table in day_tables(contract)
             for day in lake.days(table.name)}  # fmt: skip
    return {place: manifest.content_hash for place, manifest in found.items() if manifest is not None}
