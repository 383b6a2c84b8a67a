"""Write, audit, commit: one day of landed files becomes one commit, or is kept out and stays for replay."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.ingest import forgotten, rules
from hinet_core.ingest.attach import attach, matches_query
from hinet_core.ingest.landing import LandingIndex
from hinet_core.ingest.outcomes import stage_outcomes
from hinet_core.ingest.readers import LandingError, open_file
from hinet_core.ingest.rejects import forget_rejects, insert_rejects
from hinet_core.ingest.staging import impression_columns, matched_column, staged_rows
from hinet_core.ingest.touched import record_outcomes
from hinet_core.lake import Draft, Lake, Manifest, connect, quote_identifier, quote_literal

log = logging.getLogger("hinet")

STEP = "ingest"
# Days are staged together up to this many rows, so that a file with many days is not scanned once for each.
ROWS_AT_ONCE = 2_000_000

FILES_SCHEMA = pa.schema(
    [("day", pa.date32()), ("source_file", pa.string()), ("rows_read", pa.int64()), ("rows_kept", pa.int64()),
     ("rows_duplicate", pa.int64()), ("rows_quarantined", pa.int64())]
)  # fmt: skip


class Audit(Protocol):
    """What an auditor says of a day: findings (with `blocks`), tables to commit beside it, the days it was compared
    with."""

    @property
    def findings(self) -> list[Any]: ...
    @property
    def tables(self) -> dict[str, pa.Table]: ...
    @property
    def history(self) -> dict[str, str]: ...


class Auditor(Protocol):
    """Judges an uncommitted day (hinet_core.quality is one)."""

    def audit(
        self,
        con: duckdb.DuckDBPyConnection,
        contract: Contract,
        relation: Path,
        day: date,
        counts: dict[str, int],
        lake: Lake,
        duplicates: dict[str, int],
        /,
    ) -> Audit: ...


@dataclass(frozen=True)
class IngestResult:
    """`manifest` is None when the day was kept out; `blocking` says why."""

    day: date
    manifest: Manifest | None
    counts: dict[str, int]
    findings: list[Any] = field(default_factory=list)

    @property
    def blocking(self) -> list[Any]:
        return [one for one in self.findings if one.blocks]


def is_current(lake: Lake, landed: LandingIndex, day: date) -> bool:
    """Whether the committed day was read from exactly the log files, side tables and rules that are there now."""
    manifest = lake.manifest(STEP, day)
    return manifest is not None and manifest.info.get("inputs") == landed.fingerprint(day)


def ingest_days(
    contract: Contract, lake: Lake, landed: LandingIndex, days: Iterable[date], auditor: Auditor | None = None
) -> Iterator[IngestResult]:
    """Ingest several days, scanning each landed file as few times as memory allows; yields day by day."""
    for group in day_groups(landed, sorted(set(days))):
        with staged(contract, landed, group) as con:
            for day in group:
                yield _ingest_staged(contract, lake, landed, con, day, auditor)


def day_groups(landed: LandingIndex, days: list[date]) -> Iterator[list[date]]:
    """Consecutive days with at most ROWS_AT_ONCE landed rows together (a larger day stands alone)."""
    group: list[date] = []
    rows = 0
    for day in days:
        size = sum(one.rows[day.isoformat()] for one in landed.files_of(day))
        if group and rows + size > ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(day)
        rows += size
    if group:
        yield group


@contextmanager
def staged(contract: Contract, landed: LandingIndex, days: list[date]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the table `staged`: the landed rows of the days (and of their dedupe horizon)."""
    horizon = contract.dedupe.horizon_days
    wanted = {day - timedelta(days=back) for day in days for back in range(horizon + 1)}
    files = {one.path: one for day in wanted for one in landed.files_of(day)}
    known = forgotten.load(landed.root.parent)
    con = connect()
    try:
        sides = {
            source.name: [
                open_file(con, contract, source, landed.root / one.path, one.path) for one in landed.files_from(source)
            ]
            for source in contract.sources
            if source.kind == "side"
        }
        for number, one in enumerate(files[path] for path in sorted(files)):
            reader = open_file(con, contract, contract.log, landed.root / one.path, one.path)
            rows = staged_rows(contract, reader, one.path, one.first_day or days[0], wanted, sides)
            query = forgotten.unread(contract, known, rows)
            forget_rejects(con)
            verb = "CREATE TEMP TABLE staged AS" if number == 0 else "INSERT INTO staged"
            con.execute(f"{verb} {query}").fetchall()
            # Lines without a day are in the books of the file's first one.
            first = f"DATE {quote_literal(one.first_day.isoformat())}" if one.first_day in wanted else None
            insert_rejects(con, reader, "staged", one.path, {"placed_day": first} if first else None)
        for source in contract.outcome_sources:
            late = {path: name for day in days for path, name in landed.outcome_files(source, day).items()}
            stage_outcomes(con, contract, source, late, landed.root)
        yield con
    finally:
        con.close()


def _ingest_staged(
    contract: Contract,
    lake: Lake,
    landed: LandingIndex,
    con: duckdb.DuckDBPyConnection,
    day: date,
    auditor: Auditor | None,
) -> IngestResult:
    if not landed.files_of(day):
        raise LandingError(
            f"{day}: no landed file has a row of this day; landed days are {landed.days[0]} to {landed.days[-1]}. "
            f"Put the day's file under {landed.root} and run again"
        )
    _split(contract, con, day)
    attach(con, contract)
    counts = _counts(con)
    with lake.begin(STEP, day) as draft:
        _write(contract, con, draft, day, forgotten.load(landed.root.parent))
        info = {
            "inputs": landed.fingerprint(day),
            "counts": counts,
            "data_fingerprint": contract.data_fingerprint,
            "full_fingerprint": contract.full_fingerprint,
            **record_outcomes(con, contract, landed, day),
        }
        findings = []
        if auditor is not None:
            impressions, duplicates = draft.path("impressions"), _duplicates(con)
            audit = auditor.audit(con, contract, impressions, day, without_forgotten(counts), lake, duplicates)
            for table, rows in audit.tables.items():
                draft.write_rows(table, rows, rows.schema)
            findings, info["history"] = audit.findings, audit.history
        result = IngestResult(day, None, counts, findings)
        if result.blocking:
            draft.abandon(keep=True, info=info)
            return result
        return IngestResult(day, draft.commit(info), counts, findings)


def _split(contract: Contract, con: duckdb.DuckDBPyConnection, day: date) -> None:
    """`judged`: the day's rows with their verdict. Among equal keys the earliest in a total order is kept."""
    key = ", ".join(quote_identifier(name) for name in contract.dedupe.key)
    horizon = contract.dedupe.horizon_days
    first = (day - timedelta(days=horizon)).isoformat()
    con.execute("DROP TABLE IF EXISTS judged")
    con.execute(
        f"""
        CREATE TEMP TABLE judged AS
        SELECT *, CASE WHEN len(reasons) > 0 THEN 'quarantined' WHEN nth > 1 THEN 'duplicate' ELSE 'kept' END AS verdict
        FROM (
            SELECT *, row_number() OVER (
                PARTITION BY len(reasons) > 0, {key} ORDER BY exposed_us, source_file, record_number
            ) AS nth
            FROM staged WHERE placed_day BETWEEN DATE {quote_literal(first)} AND DATE {quote_literal(day.isoformat())}
        )
        WHERE placed_day = DATE {quote_literal(day.isoformat())}
        """
    ).fetchall()


def _counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    unknown = "list_contains(reasons, 'scenario: unknown to the contract')"
    gone = f"list_contains(reasons, {quote_literal(forgotten.REASON)})"
    row = con.execute(
        f"""
        SELECT count(*), count(*) FILTER (verdict = 'kept'), count(*) FILTER (verdict = 'duplicate'),
               count(*) FILTER (verdict = 'quarantined'), count(*) FILTER ({unknown}), count(*) FILTER ({gone})
        FROM judged
        """
    ).fetchall()[0]
    names = ("rows_read", "rows_kept", "rows_duplicate", "rows_quarantined", "unknown_scenario", "rows_forgotten")
    counts = dict(zip(names, row, strict=True))
    return counts if counts["rows_forgotten"] else {name: counts[name] for name in names[:-1]}


def without_forgotten(counts: dict[str, int]) -> dict[str, int]:
    """The counts that a day is judged by: a forgotten user's rows are no fault of the log."""
    gone = counts.get("rows_forgotten", 0)
    return counts | {name: counts[name] - gone for name in ("rows_read", "rows_quarantined")}


def _duplicates(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows that repeat a key, per scenario."""
    found = con.execute("SELECT scenario_id, count(*) FROM judged WHERE verdict = 'duplicate' GROUP BY 1")
    return dict(found.fetchall())


def _write(
    contract: Contract, con: duckdb.DuckDBPyConnection, draft: Draft, day: date, known: forgotten.Forgotten
) -> None:
    columns = ", ".join(impression_columns(contract))
    order = ", ".join(
        ["scenario_id", quote_identifier(contract.name_of("user")), "exposed_us",
         quote_identifier(contract.name_of("item")), "source_file", "record_number"]
    )  # fmt: skip
    draft.write("impressions", f"SELECT {columns} FROM judged WHERE verdict = 'kept' ORDER BY {order}", con)
    draft.write(
        "quarantine",
        f"SELECT placed_day AS day, source_file, record_number, reasons, {forgotten.kept_text(contract, known)} "
        "FROM judged "
        "WHERE verdict = 'quarantined' ORDER BY source_file, record_number",
        con,
    )
    draft.write(
        "ingest_files",
        "SELECT placed_day AS day, source_file, count(*) AS rows_read, "
        "count(*) FILTER (verdict = 'kept') AS rows_kept, count(*) FILTER (verdict = 'duplicate') AS rows_duplicate, "
        "count(*) FILTER (verdict = 'quarantined') AS rows_quarantined FROM judged GROUP BY ALL ORDER BY ALL",
        con,
    )
    draft.write("ingest_counters", _counters(contract), con)
    if contract.outcome_sources:
        draft.write("outcome_matches", matches_query(contract, day), con)


def _counters(contract: Contract) -> str:
    """Tidy counts of what happened to rows on their way: violations, keys of side tables, scenarios, reasons."""
    parts = [
        "SELECT 'scenario_rows' AS counter, scenario_id AS detail, count(*) AS rows FROM judged "
        "WHERE verdict = 'kept' GROUP BY ALL",
        "SELECT 'unknown_scenario', scenario_value, count(*) FROM judged "
        "WHERE list_contains(reasons, 'scenario: unknown to the contract') GROUP BY ALL",
        "SELECT 'reason', reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM judged) GROUP BY ALL",
    ]
    for source in contract.sources:
        if source.kind == "side":
            parts += [
                f"SELECT {quote_literal(counter)}, {quote_literal(source.name)}, "
                f"count(*) FILTER ({matched_column(source)} {hit}) FROM judged WHERE verdict = 'kept'"
                for counter, hit in (("unmatched", "= 0"), ("repeated_key", "> 1"))
            ]
    for task in contract.tasks:
        if task.after:
            hit = rules.violation(task)
            name = quote_literal(task.name)
            parts.append(f"SELECT 'funnel_violation', {name}, count(*) FILTER ({hit}) FROM judged")
            parts.append(
                f"SELECT 'funnel_violation_kept', {name}, count(*) FILTER (verdict = 'kept' AND {hit}) FROM judged"
            )
    day = "(SELECT min(placed_day) FROM judged)"
    return f"SELECT {day} AS day, counter, detail, rows FROM ({' UNION ALL '.join(parts)}) ORDER BY counter, detail"
