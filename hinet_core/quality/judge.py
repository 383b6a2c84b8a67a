"""Judge the uncommitted day: suite and profile through Great Expectations, findings as rows of `dq_results`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.lake import Lake, parquet_list, quote_identifier
from hinet_core.quality import pushdown
from hinet_core.quality.facts import Fact, Measured, check_counts, measure
from hinet_core.quality.findings import DQ_SCHEMA, Finding, found, with_refused, with_sample
from hinet_core.quality.history import History, read_history
from hinet_core.quality.maturity import settled_on
from hinet_core.quality.profile import column_types, profile
from hinet_core.quality.rule import DAY_VIEW, Rule
from hinet_core.quality.suite import expected_types, rules

Relation = str | duckdb.DuckDBPyRelation | Path | Sequence[Path]


@dataclass(frozen=True)
class Audit:
    """One finding per rule; `tables` are committed with the day; `history` names the days it was compared with;
    `judge_again` is the day with which the last outcomes are in, None when they are."""

    findings: list[Finding]
    tables: dict[str, pa.Table]
    history: dict[str, str]
    judge_again: date | None = None


def audit(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    relation: Relation,
    day: date,
    counts: Mapping[str, int],
    lake: Lake | None = None,
    duplicates: Mapping[str, int] | None = None,
    newest: date | None = None,
    quarantine: Path | None = None,
) -> Audit:
    """Judge a day of `impressions` before it is committed.

    `relation`: name of a table or view of `con`, a relation of `con`, or Parquet files. `counts`: what ingest counted
    for this day: rows_read, rows_kept, rows_duplicate, rows_quarantined and, if any, unknown_scenario; `duplicates`:
    per scenario. `lake` holds the days before. `newest` is the newest landed day, by which late outcomes are in or not
    yet; without it all are in. `quarantine`: Parquet of the day's refused rows, for examples. Rules over a column that
    is missing or of the wrong type are left out: column_type reports it.
    """
    check_counts(counts)
    root = lake.root.parent if lake is not None else None
    history = read_history(con, contract, lake, day) if lake is not None else History()
    unsettled = {name: end for name, end in settled_on(contract, day).items() if newest is not None and newest < end}
    with audited_view(con, relation) as view:
        types = column_types(con, view)
        sound = sound_columns(contract, types)
        suite = [rule for rule in rules(contract, day) if sound.issuperset(rule.needs)]
        measured = profile(con, view, contract, duplicates)
        facts = measure(suite, Measured(contract, types, measured, counts, history, unsettled))
        on_rows = [rule for rule in suite if rule.on == "rows"]
        on_facts = [rule for rule in suite if rule.on == "facts"]
        outcomes = judge_rows(con, view, on_rows) | judge_facts(on_facts, facts)
        findings = []
        for rule in suite:
            fact = facts.get(rule.fact) if rule.on == "facts" else None
            finding = found(rule, outcomes[rule], fact, day, measured.n_rows)
            finding = with_sample(finding, con, view, contract, rule, types, root)
            findings.append(with_refused(finding, con, quarantine))
    results = pa.Table.from_pylist([one.row() for one in findings], schema=DQ_SCHEMA)
    tables = {"dq_results": results, **measured.tables(day)}
    return Audit(findings, tables, dict(history.hashes), max(unsettled.values(), default=None))


@contextmanager
def audited_view(con: duckdb.DuckDBPyConnection, relation: Relation) -> Iterator[str]:
    """A temporary view over whatever was handed in, gone afterwards."""
    con.execute(f"CREATE OR REPLACE TEMP VIEW {DAY_VIEW} AS SELECT * FROM {from_clause(relation)}")
    try:
        yield DAY_VIEW
    finally:
        con.execute(f"DROP VIEW IF EXISTS {DAY_VIEW}")


def from_clause(relation: Relation) -> str:
    if isinstance(relation, str):
        return quote_identifier(relation)
    if isinstance(relation, duckdb.DuckDBPyRelation):
        return f"({relation.sql_query()})"
    files = [relation] if isinstance(relation, Path) else list(relation)
    if not files:
        raise ValueError("a day to judge: expected at least one Parquet file, found none; ingest writes one per day")
    return parquet_list(files)


def sound_columns(contract: Contract, types: Mapping[str, str]) -> set[str]:
    """The columns that are there with the contract's type."""
    return {name for name, kind in expected_types(contract).items() if types.get(name) == kind}


def judge_rows(con: duckdb.DuckDBPyConnection, view: str, suite: list[Rule]) -> dict[Rule, pushdown.Outcome]:
    wanted = [pushdown.Wanted(rule.expectation, rule.arguments, rule.severity) for rule in suite]
    return dict(zip(suite, pushdown.judge(pushdown.table_batch(con, view), wanted), strict=True))


def judge_facts(suite: list[Rule], facts: Mapping[str, Fact]) -> dict[Rule, pushdown.Outcome]:
    """The same library on a small frame: a column per bound, a row per fact under it. A fact that is None passes
    unjudged."""
    import pandas as pd

    judged = [rule for rule in suite if facts[rule.fact].judged is not None]
    groups: dict[str, list[Rule]] = {}
    for rule in judged:
        groups.setdefault(f"{rule.kind} {rule.arguments}", []).append(rule)
    frame = pd.DataFrame(
        {name: pd.Series([facts[rule.fact].judged for rule in group]) for name, group in groups.items()}
    )
    wanted = [
        pushdown.Wanted(group[0].expectation, {"column": name, **group[0].arguments}, group[0].severity)
        for name, group in groups.items()
    ]
    outcomes = {rule: pushdown.Outcome(success=True, severity=rule.severity) for rule in suite}
    for group, outcome in zip(groups.values(), pushdown.judge_values(frame, wanted), strict=True):
        outcomes |= dict(zip(group, outcome, strict=False))  # beyond the group's facts a column is padding
    return outcomes
