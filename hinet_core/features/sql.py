"""Parts of the room's SQL: keys of entities, numbers, smoothed rates.

All SQL of this room keeps to the subset that Spark runs too: casts, integer days, no bare division, total orders.
"""

import itertools
from collections.abc import Sequence

import duckdb

from hinet_core.contract import Contract
from hinet_core.features.arithmetic import Sql, smoothed
from hinet_core.lake import quote_identifier

# A rate before anything is known, worth one impression: what the rate of all rows starts from.
START_RATE = 0.1
START_IMPRESSIONS = 1.0

_names = itertools.count()


def as_view(con: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, label: str) -> str:
    """A temporary view over a relation; returns its quoted name."""
    name = f"_{label}_{next(_names)}"
    rows.create_view(name, replace=True)
    return quote_identifier(name)


def key_sql(keys: Sequence[str], row: str = "r") -> str:
    """The text key of an entity, NULL when any part is; ('a|b', 'c') and ('a', 'b|c') give different keys."""
    parts = [f"CAST({row}.{quote_identifier(key)} AS STRING)" for key in keys]
    if not parts:
        return "''"
    if len(parts) == 1:
        return parts[0]
    return " || '|' || ".join(f"REPLACE(REPLACE({part}, '~', '~0'), '|', '~1')" for part in parts)


def part_sql(contract: Contract, key: str) -> str:
    """A part of a key as rows are grouped and joined by it, in its own type: texts would cost twice as much."""
    part = f"r.{quote_identifier(key)}"
    floats = {column.name for column in contract.columns if column.type.startswith("float")}
    # 0.0 and -0.0 are one group of numbers, but two texts.
    return f"CAST({part} AS STRING)" if key in floats else part


def smoothed_sql(known: str, impressions: str, prior: float, base: str) -> str:
    """`smoothed` over two counts, which may be NULL, and a rate."""
    n_known, n_shown = (Sql(f"CAST(COALESCE({one}, 0) AS DOUBLE)") for one in (known, impressions))
    return smoothed(n_known, n_shown, prior, Sql(base)).text
