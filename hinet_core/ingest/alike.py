"""How alike a row's item is to the items of the row's own record in a side table, by who else has both.

Two items are as alike as the cosine of the records whose lists hold them, c(i, j) = n_ij / sqrt((n_i + 10) (n_j + 10)):
the 10 records keep two items that one record holds from looking the same. A row gets the mean of c over its record's
items, its own item left out. In whole millionths, so that a sum does not depend on the order of its parts.
"""

import duckdb

from hinet_core.contract import Column, Contract
from hinet_core.ingest.list_counts import used
from hinet_core.ingest.staging import held_table, matched_key, pairs_table, side_table
from hinet_core.lake import quote_identifier

PRIOR_RECORDS = 10.0
MICRO = 1_000_000


def stage_alike(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """For each column that compares, a table of records' items and one of pairs of items, from staged side tables."""
    for column in contract.columns:
        if column.alike_to:
            con.execute(f"CREATE TEMP TABLE {held_table(column)} AS {_held(contract, column)}").fetchall()
            con.execute(f"CREATE TEMP TABLE {pairs_table(column)} AS {_pairs(contract, column)}").fetchall()


def _held(contract: Contract, column: Column) -> str:
    """The keys of a record and each item of its list once, as the compared column has it."""
    source, item = contract.source_of(column), next(one for one in contract.columns if one.name == column.alike_to)
    keys = ", ".join(map(matched_key, source.join))
    items = f"SELECT {keys}, unnest({quote_identifier(column.name)}) AS item FROM {side_table(source)}"
    typed = f"SELECT {keys}, TRY_CAST(item AS {item.duckdb_type}) AS item FROM ({items} WHERE {used(source)})"
    return f"SELECT DISTINCT * FROM ({typed}) WHERE item IS NOT NULL"


def _pairs(contract: Contract, column: Column) -> str:
    """Items that a record has both, and their cosine in millionths."""
    held, keys = held_table(column), ", ".join(map(matched_key, contract.source_of(column).join))
    both = (
        f"SELECT one.item AS item, other.item AS other, count(*) AS n FROM {held} AS one "
        f"JOIN {held} AS other USING ({keys}) WHERE one.item <> other.item GROUP BY one.item, other.item"
    )
    # Whole numbers under the root: the same pair has the same cosine in either order.
    under = f"(held.n + {PRIOR_RECORDS}) * (held_other.n + {PRIOR_RECORDS})"
    return (
        f"WITH counted AS (SELECT item, count(*) AS n FROM {held} GROUP BY item) "
        f"SELECT item, other, CAST(round({MICRO} * both_held.n / sqrt({under})) AS BIGINT) AS cosine "
        f"FROM ({both}) AS both_held JOIN counted AS held USING (item) "
        f"JOIN counted AS held_other ON held_other.item = both_held.other"
    )
