"""The profile of a day: what later days are compared with, measured in few scans and stored with the day's commit.

`profile` has one row per scenario, measure and column: `part` of `whole` rows.

    rows        rows of the scenario, of the day's
    duplicates  rows that repeat a key, of those kept or repeating
    missing     rows without the column's value, of the scenario's
    positives   rows with label 1, of those with a label
    listed      values of an id input that `profile_categories` lists, of those rows that have one

`profile_categories` lists the values of id inputs per scenario, with their rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pyarrow as pa

from hinet_core.contract import Contract, label_column
from hinet_core.lake import quote_identifier, quote_literal

PROFILE, CATEGORIES = "profile", "profile_categories"
PROFILE_SCHEMA = pa.schema(
    [("day", pa.date32()), ("scenario_id", pa.string()), ("measure", pa.string()), ("column_name", pa.string()),
     ("part", pa.int64()), ("whole", pa.int64())]
)  # fmt: skip
CATEGORIES_SCHEMA = pa.schema(
    [("day", pa.date32()), ("column_name", pa.string()), ("scenario_id", pa.string()), ("value", pa.string()),
     ("rows", pa.int64())]
)  # fmt: skip
# An id input with more values a day is not listed unless the contract names it.
LISTED_VALUES = 200
# How many rows are looked at to see that a column has far more.
PEEKED_ROWS = 100_000

Cell = tuple[str, str, str]  # scenario, measure, column


@dataclass(frozen=True)
class Profile:
    """`cells`: (part, whole) by scenario, measure and column. `categories`: rows by column, scenario and value."""

    n_rows: int
    cells: Mapping[Cell, tuple[int, int]]
    categories: Mapping[str, Mapping[tuple[str, str], int]] = field(default_factory=dict)

    def cell(self, scenario_id: str, measure: str, column: str = "") -> tuple[int, int] | None:
        return self.cells.get((scenario_id, measure, column))

    def tables(self, day: date) -> dict[str, pa.Table]:
        """The two tables as they are committed, in the order of their keys."""
        cells = [
            {"day": day, "scenario_id": scenario, "measure": measure, "column_name": column, "part": part,
             "whole": whole}
            for (scenario, measure, column), (part, whole) in sorted(self.cells.items())
        ]  # fmt: skip
        values = [
            {"day": day, "column_name": column, "scenario_id": scenario, "value": value, "rows": rows}
            for column, listed in sorted(self.categories.items())
            for (scenario, value), rows in sorted(listed.items())
        ]
        return {
            PROFILE: pa.Table.from_pylist(cells, schema=PROFILE_SCHEMA),
            CATEGORIES: pa.Table.from_pylist(values, schema=CATEGORIES_SCHEMA),
        }


def column_types(con: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    """The columns of a table or view and their DuckDB types."""
    rows = con.execute(f"DESCRIBE {quote_identifier(view)}").fetchall()
    return {str(name): str(kind) for name, kind, *_ in rows}


def profile(
    con: duckdb.DuckDBPyConnection, view: str, contract: Contract, duplicates: Mapping[str, int] | None = None
) -> Profile:
    """Measure a day. Columns that the table lacks are left out; `duplicates` are the scenario's rows as ingest
    counted them, left out when it did not."""
    present = column_types(con, view)
    if "scenario_id" not in present:
        return Profile(_single(con, f"SELECT count(*) FROM {quote_identifier(view)}"), {})
    cells = scenario_cells(con, view, contract, present)
    n_rows = sum(part for (_, measure, _), (part, _) in cells.items() if measure == "rows")
    for scenario in contract.scenarios:
        rows, _ = cells.get((scenario.id, "rows", ""), (0, 0))
        cells[scenario.id, "rows", ""] = rows, n_rows
        if duplicates is not None:
            repeated = duplicates.get(scenario.id, 0)
            cells[scenario.id, "duplicates", ""] = repeated, rows + repeated
    categories = listed_categories(con, view, contract, present)
    for column, listed in categories.items():
        cells["", "listed", column] = len({value for _, value in listed}), sum(listed.values())
    return Profile(n_rows, cells, categories)


def scenario_cells(
    con: duckdb.DuckDBPyConnection, view: str, contract: Contract, present: Mapping[str, str]
) -> dict[Cell, tuple[int, int]]:
    """One scan: rows, missing values and positives of each scenario."""
    missing = [name for name in watched_columns(contract) if name in present]
    labels = [label for task in contract.tasks if (label := label_column(task.name)) in present]
    counted = ["count(*)", *(f"count(*) - count({quote_identifier(name)})" for name in missing)]
    for label in labels:
        name = quote_identifier(label)
        counted += [f"count(*) FILTER ({name} = 1)", f"count({name})"]
    found = con.execute(
        f"SELECT scenario_id, {', '.join(counted)} FROM {quote_identifier(view)} "
        "WHERE scenario_id IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    cells: dict[Cell, tuple[int, int]] = {}
    for scenario, rows, *rest in found:
        cells[scenario, "rows", ""] = rows, rows
        for name, nulls in zip(missing, rest, strict=False):
            cells[scenario, "missing", name] = nulls, rows
        pairs = rest[len(missing) :]
        for label, positives, known in zip(labels, pairs[::2], pairs[1::2], strict=True):
            cells[scenario, "positives", label] = positives, known
    return cells


def watched_columns(contract: Contract) -> list[str]:
    """The columns whose missing values are counted: those that may be missing, and those that the contract bounds."""
    outcomes = {column.name for column in contract.columns if column.role in ("outcome", "known_at")}
    outcomes |= {column.name for column in contract.late_columns}
    nullable = [column.name for column in contract.columns if column.nullable and column.name not in outcomes]
    return list(dict.fromkeys([*nullable, *contract.quality.max_null_share]))


def listed_categories(
    con: duckdb.DuckDBPyConnection, view: str, contract: Contract, present: Mapping[str, str]
) -> dict[str, dict[tuple[str, str], int]]:
    """Rows per scenario and value, of the id inputs with few values and of those that the contract names."""
    named = contract.quality.history.new_shares
    ids = [column.name for column in contract.id_inputs if column.name in present and column.role != "item"]
    few = few_valued(con, view, [name for name in ids if name not in named])
    wanted = [*few, *(name for name in named if name in present)]
    if not wanted:
        return {}
    parts = [
        f"SELECT {quote_literal(name)} AS name, scenario_id, CAST({quote_identifier(name)} AS VARCHAR) AS value, "
        f"count(*) AS rows FROM {quote_identifier(view)} "
        f"WHERE {quote_identifier(name)} IS NOT NULL AND scenario_id IS NOT NULL GROUP BY ALL"
        for name in wanted
    ]
    found: dict[str, dict[tuple[str, str], int]] = {name: {} for name in wanted}
    for name, scenario, value, rows in con.execute(" UNION ALL ".join(parts)).fetchall():
        found[name][scenario, value] = rows
    return {
        name: listed
        for name, listed in found.items()
        if name in named or len({value for _, value in listed}) <= LISTED_VALUES
    }


def few_valued(con: duckdb.DuckDBPyConnection, view: str, names: Sequence[str]) -> list[str]:
    """The columns that do not show far too many values already in the first rows."""
    if not names:
        return []
    counts = ", ".join(f"approx_count_distinct({quote_identifier(name)})" for name in names)
    peeked = f"(SELECT * FROM {quote_identifier(view)} LIMIT {PEEKED_ROWS})"
    found = con.execute(f"SELECT {counts} FROM {peeked}").fetchall()[0]
    return [name for name, count in zip(names, found, strict=True) if count <= 2 * LISTED_VALUES]


def _single(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])
