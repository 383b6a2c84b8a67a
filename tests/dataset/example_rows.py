"""Rows of the tiny log as examples of one day, and single columns of what they are encoded to."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
from tiny_log import SCHEMA, Row, midnight_us, row, tiny_contract

from hinet_core.contract import Contract
from hinet_core.dataset import Dataset, Encoder
from hinet_core.features.examples import examples
from hinet_core.lake import Lake

DAY = date(2024, 3, 6)
START = midnight_us(DAY, "UTC")
SETTLED = date(2024, 3, 20)


def plain(**features: object) -> Contract:
    """A contract without computed features, so that every number is one of the log's."""
    return tiny_contract(features={"windows_days": [1], "min_token_count": 2} | features)


def relation_of(
    con: duckdb.DuckDBPyConnection, contract: Contract, root: Path, rows: Iterable[Row]
) -> duckdb.DuckDBPyRelation:
    """The rows as examples of one day, whatever day they were shown."""
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    return examples(con, contract, con.from_arrow(table), DAY, Lake(root))


def shown(n: int, **columns: list[object]) -> list[Row]:
    """n rows of one day, record 0 first, with these values."""
    return [row("UTC", START + i, i, **{name: values[i] for name, values in columns.items()}) for i in range(n)]


def field(encoder: Encoder, dataset: Dataset, name: str) -> list[int]:
    index = [one.name for one in encoder.spec.fields].index(name)
    return dataset.fields_NF[:, index].tolist()


def number(encoder: Encoder, dataset: Dataset, name: str) -> list[float]:
    index = [one.name for one in encoder.spec.numbers].index(name)
    return dataset.numbers_NK[:, index].tolist()
