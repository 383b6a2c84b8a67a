"""Tokens to ids: 0 padding, 1 unseen, then the training window's tokens by falling count, ties by token.

A missing value is a token of its own (NULL), never the unseen one. Lists have no such token: they are empty.

L list length, N rows, V entries of all lists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hinet_core.lake import quote_identifier, quote_literal

FIRST_ID = 2
UNSEEN = 1
SCHEMA = pa.schema([("field", pa.string()), ("token", pa.string()), ("id", pa.int32()), ("count", pa.int64())])


def fit(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    fields: Mapping[str, str],
    lists: Sequence[str],
    min_count: Mapping[str, int],
) -> pa.Table:
    """The vocabulary of a view of examples: a pure function of its rows, whatever their order.

    `fields` gives the SQL of each field's token. Tokens seen fewer than `min_count` times share the unseen id, which
    so learns what rare tokens have in common.
    """
    parts = [field_sql(rows, name, token, min_count[name]) for name, token in fields.items()]
    parts += [field_sql(f"(SELECT UNNEST({quote_identifier(name)}) AS item FROM {rows}) AS u", name,
                        "CAST(item AS VARCHAR)", min_count[name], missing=False) for name in lists]  # fmt: skip
    if not parts:
        return SCHEMA.empty_table()
    tables = [con.sql(part).to_arrow_table() for part in parts]
    return pa.concat_tables([table.cast(SCHEMA) for table in tables]).combine_chunks()


def field_sql(source: str, field: str, token: str, min_count: int, missing: bool = True) -> str:
    kept = f"count >= {int(min_count)} OR token IS NULL" if missing else f"count >= {int(min_count)}"
    known = "" if missing else "WHERE token IS NOT NULL"
    return f"""
        SELECT {quote_literal(field)} AS field, token,
            ROW_NUMBER() OVER (ORDER BY count DESC, token NULLS LAST) + {FIRST_ID - 1} AS id, count
        FROM (SELECT token, COUNT(*) AS count FROM (SELECT {token} AS token FROM {source}) {known} GROUP BY token)
        WHERE {kept}
        ORDER BY id"""


@dataclass(frozen=True)
class Words:
    """The tokens of one field and their ids; `ids` has the unseen id at its end."""

    tokens: pa.Array
    ids: NDArray[np.int32]

    @property
    def width(self) -> int:
        """Vocabulary size, padding and unseen counted."""
        return int(self.ids.max()) + 1

    def lookup(self, tokens: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """The ids of a column of tokens; NULL finds the token NULL, and what the vocabulary lacks is unseen.

        One hash lookup in Arrow: a quarter of the processor time of a join per field (docs/log.md).
        """
        place = pc.fill_null(pc.index_in(tokens, value_set=self.tokens), len(self.tokens))
        return self.ids[place.to_numpy(zero_copy_only=False)]

    def lookup_lists(self, lists: pa.Array, max_length: int) -> NDArray[np.int32]:
        """A column of token lists as ids (N, L): the first `max_length` tokens of each, padded with 0."""
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        tokens = lists.flatten()
        row_V = np.repeat(np.arange(len(lists)), lengths)
        present_V = pc.is_valid(tokens).to_numpy(zero_copy_only=False).astype(bool)
        ids_V = self.lookup(tokens.filter(pa.array(present_V)))
        row_V = row_V[present_V]
        slot_V = np.arange(len(row_V)) - np.searchsorted(row_V, row_V)
        kept_V = slot_V < max_length
        ids_NL = np.zeros((len(lists), max_length), np.int32)
        ids_NL[row_V[kept_V], slot_V[kept_V]] = ids_V[kept_V]
        return ids_NL


def by_field(vocabulary: pa.Table, names: Sequence[str]) -> dict[str, Words]:
    """The vocabulary field by field; a field without a token knows the unseen id alone."""
    tables = {name: vocabulary.filter(pc.equal(vocabulary["field"], name)) for name in names}
    return {
        name: Words(one["token"].combine_chunks(), np.append(one["id"].to_numpy(), np.int32(UNSEEN)))
        for name, one in tables.items()
    }
