"""Write, audit, commit: one day of landed files becomes one commit, or is kept out and stays for replay."""

import logging
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.ingest import forgotten, rules
from hinet_core.ingest.attach import attach, matches_query
from hinet_core.ingest.kept import is_joined, kept_rows
from hinet_core.ingest.landing import LandingIndex
from hinet_core.ingest.readers import LandingError
from hinet_core.ingest.stage import Stage, staged
from hinet_core.ingest.staging import PLACE, matched_column
from hinet_core.ingest.touched import record_outcomes
from hinet_core.ingest.verdicts import judge
from hinet_core.lake import Draft, Lake, Manifest, TableFile, quote_literal, spill_folder
from hinet_core.progress import stoppable

log = logging.getLogger("hinet")

STEP = "ingest"
JUDGE_AGAIN = "judge_again"
# Days are staged together up to this many rows, and further where their files would else be read too often.
ROWS_AT_ONCE = 2_000_000
SPILLED_ROW = 500  # bytes of a staged row, rather more than less

COUNTS = ("rows_read", "rows_kept", "rows_duplicate", "rows_quarantined")


class Audit(Protocol):
    """What an auditor says of a day: findings (with `blocks`), tables to commit beside it, the days it was compared
    with, and the landed day from which it can say more."""

    @property
    def findings(self) -> list[Any]: ...
    @property
    def tables(self) -> dict[str, pa.Table]: ...
    @property
    def history(self) -> dict[str, str]: ...
    @property
    def judge_again(self) -> date | None: ...


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
        newest: date,
        quarantine: Path,
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


def is_ripe(lake: Lake, landed: LandingIndex, day: date) -> bool:
    """Whether the committed day was judged before its outcomes were all in, and they are in now."""
    manifest = lake.manifest(STEP, day)
    again = manifest.info.get(JUDGE_AGAIN) if manifest is not None else None
    return again is not None and date.fromisoformat(again) <= landed.days[-1]


def ingest_days(
    contract: Contract, lake: Lake, landed: LandingIndex, days: Iterable[date], auditor: Auditor | None
) -> Iterator[IngestResult]:
    """Ingest several days, in time that grows with the landed rows and not with the days; yields day by day.

    Without an `auditor` (None, to be said) nothing judges the days and none is kept out: for tests of reading.
    """
    for group in day_groups(landed, sorted(set(days))):
        _require_landed(landed, group)
        with staged(contract, landed, group) as stage:
            yield from _ingest_staged(lake, landed, stage, group, auditor)


def day_groups(landed: LandingIndex, days: list[date]) -> Iterator[list[date]]:
    """Consecutive days that are staged together, each group in one scan of its files.

    A group ends at ROWS_AT_ONCE rows, unless the next would then read more rows of the same files again than this one
    has: so nothing is read more than twice, be it one file of a year or a thousand that each hold every day. It ends
    in any case when it would take half of the free disk.
    """
    most = shutil.disk_usage(spill_folder()).free // 2 // SPILLED_ROW
    group: list[date] = []
    opened: dict[str, int] = {}
    rows = 0
    for day in days:
        held = [day - timedelta(days=back) for back in range(landed.contract.dedupe.horizon_days + 1)]
        files = {one.path: sum(one.rows.values()) for each in held for one in landed.files_of(each)}
        size = sum(one.rows[day.isoformat()] for one in landed.files_of(day))
        again = sum(files[path] for path in files if path in opened)
        if group and (rows + size > max(most, ROWS_AT_ONCE) or (rows + size > ROWS_AT_ONCE and again <= rows)):
            yield group
            group, opened, rows = [], {}, 0
        group.append(day)
        opened |= files
        rows += size
    if group:
        yield group


def _require_landed(landed: LandingIndex, days: list[date]) -> None:
    for day in days:
        if not landed.files_of(day):
            said = f"{day}: no landed file has a row of this day"
            if landed.refused:
                raise LandingError(f"{said}, but some cannot be read: {'; '.join(landed.refused.values())}")
            raise LandingError(
                f"{said}; landed days are {landed.days[0]} to {landed.days[-1]}. Put the day's file under "
                f"{landed.root} and run again"
            )


@dataclass(frozen=True)
class _Written:
    """A day of which everything is written, but for the impressions, which are being written in another thread."""

    day: date
    draft: Draft
    impressions: Future[TableFile]
    counts: dict[str, int]
    duplicates: dict[str, int]
    outcomes: dict[str, Any]


def _ingest_staged(
    lake: Lake, landed: LandingIndex, stage: Stage, days: list[date], auditor: Auditor | None
) -> Iterator[IngestResult]:
    """The days one after the other: the impressions of one are written while the next is judged."""
    with ExitStack() as drafts, _in_background(stage) as writer:
        before: _Written | None = None
        for day in [*days, None]:
            written, failed = None, None
            try:
                written = _written(drafts.enter_context(lake.begin(STEP, day)), landed, stage, writer) if day else None
            except Exception as error:  # the day before is whole, and comes first
                failed = error
            if before is not None:
                yield _committed(lake, landed, stage, before, auditor)
            if failed is not None:
                raise failed
            before = written


@contextmanager
def _in_background(stage: Stage) -> Iterator[Executor]:
    """One more thread, which ends where this one is stopped."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool
        except BaseException:
            stage.cursors.interrupt()
            raise


def _written(draft: Draft, landed: LandingIndex, stage: Stage, writer: Executor) -> _Written:
    con, contract, day = stage.con, stage.contract, draft.day
    stoppable(stage.cursors, lambda: _judge(stage, day), f"judging rows of {day}")
    rows = kept_rows(stage, day)
    impressions = writer.submit(draft.write_batches, "impressions", rows, con.cursor())
    if is_joined(contract):  # they come through the connection
        wait([impressions])
    known = forgotten.load(landed.root.parent)
    counts = stoppable(stage.cursors, lambda: _write(stage, draft, day, known), f"writing {day}")
    outcomes = record_outcomes(con, contract, landed, day)
    return _Written(day, draft, impressions, counts, _duplicates(con), outcomes)


def _committed(
    lake: Lake, landed: LandingIndex, stage: Stage, written: _Written, auditor: Auditor | None
) -> IngestResult:
    contract, day, draft, counts = stage.contract, written.day, written.draft, written.counts
    written.impressions.result()
    info = {
        "inputs": landed.fingerprint(day),
        "counts": counts,
        "data_fingerprint": contract.data_fingerprint,
        "full_fingerprint": contract.full_fingerprint,
        **written.outcomes,
    }
    findings = []
    if auditor is not None:
        impressions, newest, sound = draft.path("impressions"), landed.days[-1], without_forgotten(counts)
        audit = auditor.audit(
            stage.con, contract, impressions, day, sound, lake, written.duplicates, newest, draft.path("quarantine")
        )
        for table, rows in audit.tables.items():
            draft.write_rows(table, rows, rows.schema)
        findings, info["history"] = audit.findings, audit.history
        if audit.judge_again is not None:
            info[JUDGE_AGAIN] = audit.judge_again.isoformat()
    result = IngestResult(day, None, counts, findings)
    if result.blocking:
        draft.abandon(keep=True, info=info)
        return result
    return IngestResult(day, draft.commit(info), counts, findings)


def _judge(stage: Stage, day: date) -> None:
    judge(stage, day)
    attach(stage.con, stage.contract)


def without_forgotten(counts: dict[str, int]) -> dict[str, int]:
    """The counts that a day is judged by: a forgotten user's rows are no fault of the log."""
    gone = counts.get("rows_forgotten", 0)
    return counts | {name: counts[name] - gone for name in ("rows_read", "rows_quarantined")}


def _duplicates(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows that repeat a key, per scenario."""
    return dict(con.execute("SELECT scenario_id, rows FROM counted WHERE verdict = 'duplicate'").fetchall())


def _write(stage: Stage, draft: Draft, day: date, known: forgotten.Forgotten) -> dict[str, int]:
    """Write what else is in `judged`, each table in the order of the files; returns what was counted."""
    con, contract = stage.con, stage.contract
    text = forgotten.kept_text(contract, known)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE refused AS "
        f"SELECT placed_day AS day, source_file, record_number, reasons, {text}, scenario_value "
        f"FROM judged WHERE len(reasons) > 0 ORDER BY {PLACE}"
    ).fetchall()
    draft.write("quarantine", "SELECT * EXCLUDE (scenario_value) FROM refused", con)
    rows_of = [f"coalesce(sum(rows) FILTER (verdict = '{name.removeprefix('rows_')}'), 0)" for name in COUNTS[1:]]
    numbers = ", ".join(
        f"CAST({found} AS BIGINT) AS {name}" for name, found in zip(COUNTS, ["sum(rows)", *rows_of], strict=True)
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE books AS SELECT placed_day AS day, {stage.file_name('file_number')} AS "
        f"source_file, {numbers} FROM (SELECT placed_day, file_number, verdict, count(*) AS rows FROM day_verdicts "
        "GROUP BY ALL) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    draft.write("ingest_files", "SELECT * FROM books", con)
    sums = _sums(contract)
    con.execute(f"CREATE OR REPLACE TEMP TABLE counted AS {_counted(sums)}").fetchall()
    draft.write("ingest_counters", _counters(day, list(sums)), con)
    if any(source.kind == "side" for source in contract.sources):
        counts = f"SELECT DATE {quote_literal(day.isoformat())} AS day, * FROM side_counts ORDER BY ALL"
        draft.write("side_counters", counts, con)
    if contract.outcome_sources:
        draft.write("outcome_matches", matches_query(contract, day), con)
    return _counts(con)


def _counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    sums = [f"CAST(coalesce(sum({name}), 0) AS BIGINT)" for name in COUNTS]
    hits = [f"(SELECT count(*) FROM refused WHERE list_contains(reasons, {quote_literal(reason)}))"
            for reason in (rules.UNKNOWN, forgotten.REASON)]  # fmt: skip
    row = con.execute(f"SELECT {', '.join([*sums, *hits])} FROM books").fetchall()[0]
    counts = dict(zip((*COUNTS, "unknown_scenario", "rows_forgotten"), row, strict=True))
    if not counts["rows_forgotten"]:
        del counts["rows_forgotten"]
    return counts


Counter = tuple[str, str]  # what is counted, and of which side table or task


def _sums(contract: Contract) -> dict[Counter, str]:
    """Conditions on rows of `judged`: keys that a side table lacks or has twice, violations of the funnel."""
    sums = {
        (counter, source.name): f"verdict = 'kept' AND {matched_column(source)} {hit}"
        for source in contract.sources
        if source.kind == "side"
        for counter, hit in (("unmatched", "= 0"), ("repeated_key", "> 1"))
    }
    for task in contract.tasks:
        if task.after:
            sums["funnel_violation", task.name] = rules.violation(task)
            sums["funnel_violation_kept", task.name] = f"verdict = 'kept' AND {rules.violation(task)}"
    return sums


def _counted(sums: dict[Counter, str]) -> str:
    """Everything that is counted of `judged`, in one scan: rows by verdict and scenario, and where each sum holds."""
    held = "".join(f", count(*) FILTER ({hit}) AS sum_{nth}" for nth, hit in enumerate(sums.values()))
    return f"SELECT verdict, scenario_id, count(*) AS rows{held} FROM judged GROUP BY verdict, scenario_id"


def _counters(day: date, sums: list[Counter]) -> str:
    """Tidy counts of what happened to rows on their way: violations, keys of side tables, scenarios, reasons."""
    parts = [
        "SELECT 'scenario_rows' AS counter, scenario_id AS detail, rows FROM counted WHERE verdict = 'kept'",
        "SELECT 'unknown_scenario', scenario_value, count(*) FROM refused "
        f"WHERE list_contains(reasons, {quote_literal(rules.UNKNOWN)}) GROUP BY ALL",
        "SELECT 'reason', reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM refused) GROUP BY ALL",
    ]
    parts += [
        f"SELECT {quote_literal(counter)}, {quote_literal(detail)}, CAST(coalesce(sum(sum_{nth}), 0) AS BIGINT) "
        "FROM counted"
        for nth, (counter, detail) in enumerate(sums)
    ]
    query = " UNION ALL ".join(f"({part})" for part in parts)
    return (
        f"SELECT DATE {quote_literal(day.isoformat())} AS day, counter, detail, rows FROM ({query}) "
        "ORDER BY counter, detail"
    )
