"""Judge the uncommitted day: suite and profile through Great Expectations, findings as rows of `dq_results`."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.lake import parquet_list, quote_identifier
from hinet_core.quality import pushdown
from hinet_core.quality.kinds import BY_NAME
from hinet_core.quality.profile import Fact, check_counts, column_types, measure, profile
from hinet_core.quality.rule import DAY_VIEW, Rule
from hinet_core.quality.suite import expected_types, rules

SAMPLE_ROWS = 5
HASHED_ROLES = ("user", "request")
WHERE_FROM = ("source_file", "record_number", "scenario_id")
DQ_SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        ("check_name", pa.string()),
        ("kind", pa.string()),
        ("column_name", pa.string()),
        ("scenario_id", pa.string()),
        ("rule_text", pa.string()),
        ("severity", pa.string()),
        ("status", pa.string()),
        ("observed", pa.float64()),
        ("expected_low", pa.float64()),
        ("expected_high", pa.float64()),
        ("unexpected_count", pa.int64()),
        ("n_rows", pa.int64()),
        ("sample", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of `dq_results`, passed or failed, and a sentence for people.

    `observed` is in the unit of its bounds: for rules over rows the share of offending rows, otherwise the measured
    number; None when nothing could be measured. `sample` is JSON: at most five offending rows, ids hashed.
    """

    day: date
    check_name: str
    kind: str
    column_name: str
    scenario_id: str
    rule_text: str
    severity: str
    status: str
    observed: float | None
    expected_low: float | None
    expected_high: float | None
    unexpected_count: int
    n_rows: int
    sample: str
    sentence: str

    @property
    def blocks(self) -> bool:
        """Whether this finding keeps the day out."""
        return self.status == "fail" and self.severity == "critical"

    def row(self) -> dict[str, Any]:
        """The finding without its sentence: a row of `DQ_SCHEMA`."""
        return {name: value for name, value in asdict(self).items() if name != "sentence"}


Relation = str | duckdb.DuckDBPyRelation | Path | Sequence[Path]


def validate(
    con: duckdb.DuckDBPyConnection, contract: Contract, relation: Relation, day: date, counts: Mapping[str, int]
) -> list[Finding]:
    """Judge a day of `impressions` before it is committed: one finding per rule of the contract's suite.

    `relation`: name of a table or view of `con`, a relation of `con`, or Parquet files. `counts`: what ingest counted
    for this day: rows_read, rows_kept, rows_duplicate, rows_quarantined and, if any, unknown_scenario.
    Rules over a column that is missing or of the wrong type are left out: column_type reports it.
    """
    check_counts(counts)
    with audited_view(con, relation) as view:
        types = column_types(con, view)
        sound = sound_columns(contract, types)
        suite = [rule for rule in rules(contract, day) if sound.issuperset(rule.needs)]
        facts = measure(suite, types, profile(con, view, contract), counts)
        n_rows = con.execute(f"SELECT count(*) FROM {quote_identifier(view)}").fetchall()[0][0]
        on_rows = [rule for rule in suite if rule.on == "rows"]
        on_facts = [rule for rule in suite if rule.on == "facts"]
        outcomes = judge_rows(con, view, on_rows) | judge_facts(on_facts, facts)
        findings = []
        for rule in suite:
            fact = facts.get(rule.fact) if rule.on == "facts" else None
            finding = found(rule, outcomes[rule], fact, day, n_rows)
            findings.append(with_sample(finding, con, view, contract, rule, types))
    return findings


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
    """The same library on a frame of one row, one column per fact; a fact that is None is passed unjudged."""
    import pandas as pd

    judged = [rule for rule in suite if facts[rule.fact].judged is not None]
    frame = pd.DataFrame({rule.fact: [facts[rule.fact].judged] for rule in judged})
    wanted = [
        pushdown.Wanted(rule.expectation, {"column": rule.fact, **rule.arguments}, rule.severity) for rule in judged
    ]
    unjudged = {rule: pushdown.Outcome(success=True, severity=rule.severity) for rule in suite}
    return unjudged | dict(zip(judged, pushdown.judge(pushdown.frame_batch(frame), wanted), strict=True))


def found(rule: Rule, outcome: pushdown.Outcome, fact: Fact | None, day: date, n_rows: int) -> Finding:
    """A rule and its outcome as a finding, still without a sample."""
    if fact is not None:
        observed, unexpected, n_rows = fact.observed, int(not outcome.success), fact.n
    elif rule.kind == "not_empty":
        observed, unexpected = n_rows, int(not outcome.success)
    else:
        unexpected = outcome.unexpected or 0
        observed = unexpected / n_rows if n_rows else None
    return Finding(
        day=day,
        check_name=rule.check_name,
        kind=rule.kind,
        column_name=rule.column,
        scenario_id=rule.scenario_id,
        rule_text=rule.text,
        severity=outcome.severity,
        status="pass" if outcome.success else "fail",
        observed=None if observed is None else float(observed),
        expected_low=None if rule.low is None else float(rule.low),
        expected_high=None if rule.high is None else float(rule.high),
        unexpected_count=unexpected,
        n_rows=n_rows,
        sample="",
        sentence=sentence(rule, outcome, fact, unexpected, n_rows),
    )


def sentence(rule: Rule, outcome: pushdown.Outcome, fact: Fact | None, unexpected: int, n_rows: int) -> str:
    """What was expected, what was found, what to do."""
    next_step = BY_NAME[rule.kind].next_step
    if outcome.error is not None:
        return f"expected {rule.text}, found that it cannot be judged ({outcome.error}); report this as a defect"
    if fact is None and rule.kind != "not_empty":
        text = f"{unexpected} offending of {n_rows} rows"
    elif fact is None:
        text = f"{n_rows} rows"
    elif fact.judged is None:
        return f"expected {rule.text}, found nothing to judge"
    else:
        text = str(fact.judged) if fact.observed is None else f"{fact.observed:g} (n = {fact.n})"
    return f"expected {rule.text}, found {text}" + ("" if outcome.success else f"; next step: {next_step}")


def with_sample(
    finding: Finding,
    con: duckdb.DuckDBPyConnection,
    view: str,
    contract: Contract,
    rule: Rule,
    types: Iterable[str],
) -> Finding:
    """The finding with a few offending rows, when it failed and rows can show why."""
    if finding.status == "pass" or not rule.offending:
        return finding
    roles = {column.name: column.role for column in contract.columns}
    hashed = {name for name, role in roles.items() if role in HASHED_ROLES}
    shown = dict.fromkeys([*WHERE_FROM, *rule.needs, *sorted(hashed)])
    names = [name for name in shown if name in types]
    rows = con.execute(
        f"SELECT {', '.join(map(quote_identifier, names))} FROM {quote_identifier(view)} "
        f"WHERE {rule.offending} ORDER BY ALL LIMIT {SAMPLE_ROWS}"
    ).fetchall()
    samples = [
        {name: redact(contract, value) if name in hashed else value for name, value in zip(names, row, strict=True)}
        for row in rows
    ]
    return Finding(**{**asdict(finding), "sample": json.dumps(samples, default=str)})


def redact(contract: Contract, value: Any) -> str | None:
    """An id as a short hash: equal ids stay equal within a log, the id itself is not shown."""
    if value is None:
        return None
    return hashlib.blake2b(f"{contract.name}:{value}".encode(), digest_size=6).hexdigest()
