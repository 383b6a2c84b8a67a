"""What an audit found: a row of `dq_results` per rule, a sentence for people, a few offending rows with hashed ids."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.ingest.forgotten import REASON as FORGOTTEN
from hinet_core.ingest.rules import UNKNOWN
from hinet_core.lake import parquet_list, quote_identifier, quote_literal
from hinet_core.quality.facts import Fact
from hinet_core.quality.hashed_ids import hash_of, key_of
from hinet_core.quality.kinds import BY_NAME
from hinet_core.quality.pushdown import Outcome
from hinet_core.quality.rule import Rule

SAMPLE_ROWS = 5
# Kinds whose offending rows stand in quarantine, and with which reason ('' for any).
REFUSED = {"quarantined_share": "", "unknown_scenario_share": UNKNOWN}
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
        ("note", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of `dq_results`, passed or failed, and a sentence for people.

    `observed` is in the unit of its bounds: for rules over rows the share of offending rows, otherwise the measured
    number; None when nothing could be measured. `sample` is JSON: at most five offending rows, ids hashed. `note` says
    what the number was compared with, or why it was not judged.
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
    note: str
    sentence: str

    @property
    def blocks(self) -> bool:
        """Whether this finding keeps the day out."""
        return self.status == "fail" and self.severity == "critical"

    def row(self) -> dict[str, Any]:
        """The finding without its sentence: a row of `DQ_SCHEMA`."""
        return {name: value for name, value in asdict(self).items() if name != "sentence"}


def found(rule: Rule, outcome: Outcome, fact: Fact | None, day: date, n_rows: int) -> Finding:
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
        note=fact.note if fact is not None else "",
        sentence=sentence(rule, outcome, fact, unexpected, n_rows),
    )


def sentence(rule: Rule, outcome: Outcome, fact: Fact | None, unexpected: int, n_rows: int) -> str:
    """What was expected, what was found, what to do."""
    next_step = BY_NAME[rule.kind].next_step
    if outcome.error is not None:
        return f"expected {rule.text}, found that it cannot be judged ({outcome.error}); report this as a defect"
    if fact is None and rule.kind != "not_empty":
        text = f"{unexpected} offending of {n_rows} rows"
    elif fact is None:
        text = f"{n_rows} rows"
    elif fact.judged is None:
        return f"expected {rule.text}, {fact.note or 'found nothing to judge'}"
    else:
        text = str(fact.judged) if fact.observed is None else f"{fact.observed:.4g} (n = {fact.n})"
        text += f", {fact.note}" if fact.note else ""
    return f"expected {rule.text}, found {text}" + ("" if outcome.success else f"; next step: {next_step}")


def with_sample(
    finding: Finding,
    con: duckdb.DuckDBPyConnection,
    view: str,
    contract: Contract,
    rule: Rule,
    types: Iterable[str],
    root: Path | None,
) -> Finding:
    """The finding with a few offending rows, when it failed and rows can show why; ids by the key of the folder
    `root`."""
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
    key = key_of(root)
    samples = [
        {name: hash_of(key, value) if name in hashed else value for name, value in zip(names, row, strict=True)}
        for row in rows
    ]
    return Finding(**{**asdict(finding), "sample": json.dumps(samples, default=str)})


def with_refused(finding: Finding, con: duckdb.DuckDBPyConnection, quarantine: Path | None) -> Finding:
    """A finding that too many rows are refused, with the places of a few of them and why; they have no typed ids."""
    if quarantine is None or finding.status == "pass" or finding.kind not in REFUSED:
        return finding
    conditions = [f"NOT list_contains(reasons, {quote_literal(FORGOTTEN)})"]
    conditions += [f"list_contains(reasons, {quote_literal(REFUSED[finding.kind])})"] if REFUSED[finding.kind] else []
    rows = con.execute(
        f"SELECT source_file, record_number, reasons FROM {parquet_list([quarantine])} "
        f"WHERE {' AND '.join(conditions)} ORDER BY ALL LIMIT {SAMPLE_ROWS}"
    ).fetchall()
    places = "; ".join(f"{file} record {number} ({', '.join(reasons)})" for file, number, reasons in rows)
    samples = [dict(zip(("source_file", "record_number", "reasons"), row, strict=True)) for row in rows]
    sentence = f"{finding.sentence}; such as {places}" if rows else finding.sentence
    return replace(finding, sample=json.dumps(samples), sentence=sentence)
