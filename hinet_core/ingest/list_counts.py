"""How often a value stands in a column of lists, over all records of a side table: by itself, or through another table.

`counted_by = "item"` counts the items of the file's lists and gives a row the count of its item. With `through`, the
items are values of that column, and each counts for what its side table says of it: videos of histories, by author.
With `also_in`, only items that the same record has in that other list count: videos that were watched and also liked.
"""

import duckdb

from hinet_core.contract import Column, Contract, Source
from hinet_core.ingest.staging import counted_groups, counts_table, matched_key, side_table
from hinet_core.lake import quote_identifier


def stage_counts(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """A temporary table of keys and their counts for each group of columns that count, from staged side tables."""
    for group in counted_groups(contract):
        con.execute(f"CREATE TEMP TABLE {counts_table(group)} AS {_counts(contract, group)}").fetchall()


def _counts(contract: Contract, group: list[Column]) -> str:
    """`matched_key` and how many items of each column's lists are of it, or of what leads to it."""
    first, by_name, source = group[0], {one.name: one for one in contract.columns}, contract.source_of(group[0])
    key, through = by_name[str(first.counted_by)], by_name.get(first.through or "")
    kind = (through or key).duckdb_type
    records = f"{side_table(source)} WHERE {used(source)}"
    parts = (f"SELECT item, {place} AS place FROM ({_items(one, kind, records)})" for place, one in enumerate(group))
    counted = f"SELECT item, place, count(*) AS n FROM ({' UNION ALL '.join(parts)}) GROUP BY item, place"
    if through is None:
        keyed = f"SELECT TRY_CAST(item AS {kind}) AS matched_key, place, n FROM ({counted})"
    else:
        told = contract.source_of(key)
        same = f"{matched_key(through.name)} = TRY_CAST(item AS {kind}) AND {used(told)}"
        name = quote_identifier(key.name)
        keyed = f"SELECT {name} AS matched_key, place, n FROM ({counted}) JOIN {side_table(told)} ON {same}"
    sums = ", ".join(
        f"CAST(coalesce(sum(n) FILTER (place = {place}), 0) AS {column.duckdb_type}) AS {quote_identifier(column.name)}"
        for place, column in enumerate(group)
    )
    return f"SELECT matched_key, {sums} FROM ({keyed}) WHERE matched_key IS NOT NULL GROUP BY matched_key"


def _items(column: Column, kind: str, records: str) -> str:
    """The items of the records that count, one a row. In two lists an item is the same where it is so in its type."""
    items = quote_identifier(column.name)
    if column.also_in is None:
        return f"SELECT unnest({items}) AS item FROM {records}"
    others = quote_identifier(column.also_in)
    # Typed below the function: inside of it every list would be cast again for each of its items.
    typed = f"SELECT TRY_CAST({items} AS {kind}[]) AS items, TRY_CAST({others} AS {kind}[]) AS others FROM {records}"
    return f"SELECT unnest(list_filter(items, lambda nth: list_contains(others, nth))) AS item FROM ({typed})"


def used(source: Source) -> str:
    """The records that are joined to exposures: the first of each key that is not missing."""
    return " AND ".join([*(f"{matched_key(key)} IS NOT NULL" for key in source.join), "matched_nth = 1"])
