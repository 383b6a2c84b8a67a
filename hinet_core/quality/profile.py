"""The small measured facts about a day: one scan per scenario, the table's types, ingest's counts.

Rates carry their 95 % Wilson interval. A rate is judged by the point of its interval that is nearest to the allowed
band, so a handful of rows cannot fail a bound by chance, and a scenario without rows is not judged at all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from hinet_core.contract import Contract, label_column
from hinet_core.lake import quote_identifier
from hinet_core.quality.rule import Rule

Z95 = 1.959963984540054
COUNTS = ("rows_read", "rows_kept", "rows_duplicate", "rows_quarantined", "unknown_scenario")
PER_READ = {
    "quarantined_share": "rows_quarantined",
    "duplicate_share": "rows_duplicate",
    "unknown_scenario_share": "unknown_scenario",
}


@dataclass(frozen=True)
class Fact:
    """A measured number (or type name): `judged` is what the expectation sees, None when there is nothing to judge;
    `observed` is what is reported, `n` the rows behind it."""

    judged: float | str | None
    observed: float | None
    n: int


def column_types(con: duckdb.DuckDBPyConnection, view: str) -> dict[str, str]:
    """The columns of a table or view and their DuckDB types."""
    rows = con.execute(f"DESCRIBE {quote_identifier(view)}").fetchall()
    return {str(name): str(kind) for name, kind, *_ in rows}


def profile(con: duckdb.DuckDBPyConnection, view: str, contract: Contract) -> list[dict[str, Any]]:
    """One row per scenario in one scan: rows, per task n and positives, per bounded column missing values.

    Keys: scenario_id, rows, n_<label>, positives_<label>, null_<column>. Columns that the table lacks are left out.
    """
    present = column_types(con, view)
    measures = ["count(*) AS rows"]
    for task in contract.tasks:
        label = label_column(task.name)
        if label in present:
            name = quote_identifier(label)
            measures.append(f"count({name}) AS {quote_identifier('n_' + label)}")
            measures.append(f"count(*) FILTER ({name} = 1) AS {quote_identifier('positives_' + label)}")
    for column in contract.quality.max_null_share:
        if column in present:
            name = quote_identifier(column)
            measures.append(f"count(*) FILTER ({name} IS NULL) AS {quote_identifier('null_' + column)}")
    grouped = "scenario_id" if "scenario_id" in present else "CAST(NULL AS VARCHAR)"
    result = con.execute(
        f"SELECT {grouped} AS scenario_id, {', '.join(measures)} FROM {quote_identifier(view)} GROUP BY 1 ORDER BY 1"
    )
    names = [one[0] for one in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def measure(
    rules: list[Rule], types: Mapping[str, str], scenarios: list[dict[str, Any]], counts: Mapping[str, int]
) -> dict[str, Fact]:
    """The fact behind every rule over facts, by `Rule.fact`."""
    n_rows = sum(one["rows"] for one in scenarios)
    by_scenario = {one["scenario_id"]: one for one in scenarios}
    facts: dict[str, Fact] = {}
    for rule in rules:
        if rule.on == "facts":
            facts[rule.fact] = measure_one(rule, types, by_scenario.get(rule.scenario_id, {}), counts, n_rows)
    return facts


def measure_one(
    rule: Rule, types: Mapping[str, str], scenario: Mapping[str, Any], counts: Mapping[str, int], n_rows: int
) -> Fact:
    if rule.kind == "column_type":
        return Fact(types.get(rule.column, "no such column"), None, n_rows)
    if rule.kind == "min_rows":
        return Fact(n_rows or None, n_rows, n_rows)  # an empty day is the business of not_empty
    if rule.kind == "reconciled":
        lost = unaccounted(counts, n_rows)
        return Fact(lost, lost, counts["rows_read"])
    if rule.kind in PER_READ:
        return exact_share(counts.get(PER_READ[rule.kind], 0), counts["rows_read"])
    if rule.kind in ("scenario_volume", "scenario_seen"):
        rows = scenario.get("rows", 0)
        return Fact(rows if n_rows else None, rows, n_rows)
    if rule.kind == "null_share":
        return uncertain_share(rule, scenario.get(f"null_{rule.column}"), scenario.get("rows", 0))
    return uncertain_share(rule, scenario.get(f"positives_{rule.column}"), scenario.get(f"n_{rule.column}", 0))


def unaccounted(counts: Mapping[str, int], n_rows: int) -> int:
    """Rows that were read and are neither kept, duplicate nor quarantined, or kept and not written."""
    unread = counts["rows_read"] - counts["rows_kept"] - counts["rows_duplicate"] - counts["rows_quarantined"]
    return abs(unread) + abs(counts["rows_kept"] - n_rows)


def check_counts(counts: Mapping[str, int]) -> None:
    """`ValueError` unless ingest handed over the counts that the suite needs."""
    missing = [name for name in COUNTS[:4] if name not in counts]
    if missing:
        raise ValueError(
            f"counts of the day: expected {', '.join(COUNTS)}, found {', '.join(counts) or 'none'}; "
            f"hand over {', '.join(missing)} as ingest counted them"
        )


def exact_share(part: int, whole: int) -> Fact:
    share = part / whole if whole else None
    return Fact(share, share, whole)


def uncertain_share(rule: Rule, part: int | None, whole: int) -> Fact:
    """A rate judged by the point of its interval nearest to the rule's band; nothing to judge without rows."""
    if part is None or not whole:
        return Fact(None, None, whole)
    rate = part / whole
    low, high = wilson(part, whole)
    within = min(max(rate, rule.low or 0.0), 1.0 if rule.high is None else rule.high)
    return Fact(min(max(within, low), high), rate, whole)


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share (Wilson 1927); its ends are exact at 0 and 1."""
    share, z2 = part / whole, Z95 * Z95
    centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = Z95 / (1 + z2 / whole) * math.sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    return (0.0 if part == 0 else centre - half), (1.0 if part == whole else centre + half)
