"""What a column holds: its type as keys of a contract, what is missing, what does not fit, its bounds and values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from hinet_core.contract import Column
from hinet_core.draft import shapes
from hinet_core.draft.shapes import Keys
from hinet_core.ingest.casts import cast, present
from hinet_core.lake import quote_identifier, quote_literal

TEXTS_SHAPED = 500  # values from which a type is proposed
VALUES_KEPT = 60  # the values of a column with more are not listed
FITS = 0.98  # a type may leave a few damaged values over
FITS_A_TIME = 0.9  # nothing else looks like a time, so more of them
OWN_TYPES = {
    "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64", "UTINYINT": "int16",
    "USMALLINT": "int32", "UINTEGER": "int64", "UBIGINT": "int64", "HUGEINT": "int64", "FLOAT": "float32",
    "DOUBLE": "float64", "BOOLEAN": "bool", "DATE": "date", "VARCHAR": "string", "VARCHAR[]": "list<string>",
    "TINYINT[]": "list<int64>", "SMALLINT[]": "list<int64>", "INTEGER[]": "list<int64>", "BIGINT[]": "list<int64>",
}  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """One column of a file as it looks in the sample. `top`: values (of a list its items) and rows, most frequent
    first."""

    raw: str
    keys: Keys
    rows: int
    missing: int
    distinct: int
    bad: int = 0
    bad_example: str = ""
    low: Any = None
    high: Any = None
    top: list[tuple[str, int]] = field(default_factory=list)
    epoch: str | None = None
    usual: tuple[Any, Any] = (None, None)  # of whole numbers: between these are all but 2 % at either end
    items: tuple[int, int, int] | None = None  # of a list: different items, fewest and most of a value

    @property
    def type(self) -> str:
        return self.keys["type"]

    @property
    def is_number(self) -> bool:
        return self.type.startswith(("int", "float"))

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else 0.0

    @property
    def is_binary(self) -> bool:
        """0 and 1, true and false, and nothing else."""
        return self.type == "bool" or (self.is_number and {self.low, self.high} <= {0, 1} and self.distinct <= 2)

    def column(self, **more: Any) -> Column:
        """As a column of a contract, under a name of its own."""
        return Column.model_validate({"name": "value", **self.keys, **more})


def guess(
    con: duckdb.DuckDBPyConnection, table: str, raw: str, kind: str, null_values: Sequence[str] = ()
) -> Guess | None:
    """Look at the column `raw.<raw>` of a table; None when its kind cannot be read (a struct, a map, bytes)."""
    value = present(quote_identifier(f"raw.{raw}"), kind, tuple(null_values))
    con.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT {value} AS v, count(*) AS n FROM {table} GROUP BY v")
    rows, missing, distinct = con.execute(
        "SELECT sum(n), coalesce(sum(n) FILTER (v IS NULL), 0), count(v) FROM found"
    ).fetchall()[0]
    keys = _own_type(con, kind) if kind != "VARCHAR" else _best(con)
    if keys is None:
        return None
    return _measured(con, raw, kind, keys, int(rows), int(missing), distinct)


def _own_type(con: duckdb.DuckDBPyConnection, kind: str) -> Keys | None:
    """The type of a Parquet column; whole and binary numbers kept as fractions are told apart."""
    if kind.startswith("TIMESTAMP"):
        return {"type": "timestamp"}
    if kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")) and "[" not in kind:
        whole, binary = con.execute(
            "SELECT coalesce(bool_and(v = floor(v) AND abs(v) < 1e15), false), coalesce(bool_and(v IN (0, 1)), false) "
            "FROM found WHERE v IS NOT NULL AND isfinite(CAST(v AS DOUBLE))"
        ).fetchall()[0]
        return {"type": "int8" if binary else "int64" if whole else "float64"}
    if kind.endswith("INT") or kind == "INTEGER":
        binary = con.execute("SELECT coalesce(bool_and(v IN (0, 1)), false) FROM found WHERE v IS NOT NULL").fetchall()
        return {"type": "int8" if binary[0][0] else OWN_TYPES[kind]}
    return {"type": OWN_TYPES[kind]} if kind in OWN_TYPES else None


def _best(con: duckdb.DuckDBPyConnection) -> Keys:
    """The first proposed type that ingest's own cast gives to nearly all values; codes that are not all numbers stay
    text, and of day/month and month/day the order that fits more, then the one that spans fewer days."""
    before = "sum(n) OVER (ORDER BY n DESC, hash(v)) - n"
    seen = con.execute(
        f"SELECT v, {before} > {FITS} * sum(n) OVER () FROM found WHERE v IS NOT NULL ORDER BY hash(v) "
        f"LIMIT {TEXTS_SHAPED}"
    ).fetchall()
    fitting: list[tuple[float, int, Keys]] = []
    for keys in shapes.proposals([text for text, rare in seen if not rare], [text for text, rare in seen if rare]):
        if keys["type"] == "string":
            break
        typed = f"(SELECT n, {_typed(keys, 'VARCHAR')} AS t FROM found WHERE v IS NOT NULL)"
        share, span = con.execute(
            f"SELECT coalesce(sum(n) FILTER (t IS NOT NULL) / sum(n), 0), {_span(keys)} FROM {typed}"
        ).fetchall()[0]
        is_time = keys["type"] in ("timestamp", "date")
        is_time = is_time or (keys["type"] == "int64" and shapes.epoch_of(*_usual(con, typed)) is not None)
        if share >= (FITS_A_TIME if is_time else FITS):
            fitting.append((share, span or 0, keys))
        if fitting and keys["type"] not in ("timestamp", "date"):
            break
    if not fitting:
        return {"type": "string"}
    kind = fitting[0][2]["type"]
    same = [one for one in fitting if one[2]["type"] == kind]
    return max(same, key=lambda one: (round(one[0], 3), -one[1]))[2] if kind in ("timestamp", "date") else same[0][2]


def _span(keys: Keys) -> str:
    return "date_diff('day', min(t), max(t))" if keys["type"] in ("timestamp", "date") else "0"


def _typed(keys: Keys, kind: str) -> str:
    return cast(Column.model_validate({"name": "value", **keys}), ["v"], [kind])


def _measured(
    con: duckdb.DuckDBPyConnection, raw: str, kind: str, keys: Keys, rows: int, missing: int, distinct: int
) -> Guess:
    typed = _typed(keys, kind)
    con.execute(f"CREATE OR REPLACE TEMP TABLE typed AS SELECT v, n, {typed} AS t FROM found WHERE v IS NOT NULL")
    bad, example = con.execute(
        "SELECT coalesce(sum(n) FILTER (t IS NULL), 0), any_value(CAST(v AS VARCHAR)) FILTER (t IS NULL) FROM typed"
    ).fetchall()[0]
    items = _items(con) if keys["type"].startswith("list") and rows > missing else None
    ordered = keys["type"].startswith(("int", "float", "timestamp", "date"))
    low, high = con.execute("SELECT min(t), max(t) FROM typed").fetchall()[0] if ordered else (None, None)
    limit = VALUES_KEPT if distinct <= VALUES_KEPT else 5
    each = "unnest(t)" if items else "t"
    top = con.execute(
        f"SELECT CAST(one AS VARCHAR) AS said, CAST(sum(n) AS BIGINT) AS count "
        f"FROM (SELECT {each} AS one, n FROM typed WHERE t IS NOT NULL) "
        f"GROUP BY said ORDER BY count DESC, said LIMIT {limit}"
    ).fetchall()
    if keys["type"] != "string" and not keys["type"].startswith("list"):
        distinct = con.execute("SELECT count(DISTINCT t) FROM typed").fetchall()[0][0]
    usual = _usual(con, "typed") if keys["type"].startswith("int") else (None, None)
    epoch = shapes.epoch_of(*usual)
    return Guess(raw, keys, rows, missing, distinct, int(bad), example or "", low, high, top, epoch, usual, items)


def _items(con: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    different = "SELECT count(DISTINCT one) FROM (SELECT unnest(t) AS one FROM typed)"
    found = con.execute(f"SELECT ({different}), coalesce(min(len(t)), 0), coalesce(max(len(t)), 0) FROM typed")
    return found.fetchall()[0]


def _usual(con: duckdb.DuckDBPyConnection, typed: str) -> tuple[Any, Any]:
    """The bounds of nearly all rows: a clock that is wrong leaves the rest what they are."""
    found = con.execute(f"SELECT quantile_disc(t, 0.02), quantile_disc(t, 0.98) FROM {typed}").fetchall()
    return found[0]


def null_spellings(con: duckdb.DuckDBPyConnection, table: str, raws: Sequence[str]) -> list[str]:
    """Texts that mean 'missing' in these text columns: sure ones wherever they stand, others where only they keep
    a column from being a number or a time."""
    surely = _listed(shapes.SURELY_NULL)
    perhaps = _listed(shapes.PERHAPS_NULL)
    found: dict[str, None] = {}
    for raw in raws:
        text = f"trim({quote_identifier(f'raw.{raw}')})"
        known = [one for (one,) in con.execute(
            f"SELECT DISTINCT {text} FROM {table} WHERE {text} IN ({surely}) ORDER BY ALL").fetchall()]  # fmt: skip
        found |= dict.fromkeys(known)
        maybe = [one for (one,) in con.execute(
            f"SELECT DISTINCT {text} FROM {table} WHERE {text} IN ({perhaps}) ORDER BY ALL").fetchall()]  # fmt: skip
        if maybe:
            without = guess(con, table, raw, "VARCHAR", [*known, *maybe])
            if without is not None and without.type not in ("string", "bool") and without.distinct > 2:
                found |= dict.fromkeys(maybe)
    return list(found)


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(quote_literal(text) for text in texts)
