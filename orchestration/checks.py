"""Each kind of quality rule as one asset check; the critical kinds keep a day out.

A check of an asset carries no partition of its own, so its metadata names the days.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import dagster as dg

from hinet_core.contract import Contract
from hinet_core.ingest.landing import LandingIndex
from hinet_core.ingest.refused_files import STEP as REFUSED_FILES
from hinet_core.quality import CheckKind, Finding
from hinet_core.quality.docs import page_of
from hinet_core.quality.verdict import sentence_of
from orchestration.pending import spans
from orchestration.reporting import key_of

# Sentences shown per check; a range of many bad days would flood the page.
SHOWN = 20


def check_specs(contract: Contract, table: str, kinds: Sequence[CheckKind]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            kind.name, asset=key_of(contract, table), description=kind.description, blocking=kind.blocking
        )
        for kind in kinds
    ]


def check_results(
    kinds: Sequence[CheckKind], findings: Sequence[Finding], days: Sequence[date], pages: Path | None = None
) -> Iterator[dg.AssetCheckResult]:
    """One result per kind over all judged days of the run, with the page that tells most, if `pages` are written."""
    for kind in kinds:
        failed = [one for one in findings if one.kind == kind.name and one.status == "fail"]
        yield dg.AssetCheckResult(
            check_name=kind.name,
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR if kind.blocking else dg.AssetCheckSeverity.WARN,
            description=first_of([line_of(one) for one in failed]),
            metadata=check_metadata(kind, failed, days, pages),
        )


def line_of(finding: Finding) -> str:
    return f"{finding.day}: {sentence_of(finding)}"


def first_of(lines: Sequence[str]) -> str | None:
    """What stands beside the result: the rest is one click away, among its metadata."""
    more = f" (and {len(lines) - 1} more: see findings)" if len(lines) > 1 else ""
    return lines[0] + more if lines else None


def said_days(days: Sequence[date]) -> str:
    """Stretches of consecutive days in words: a list of days would be hidden behind a click."""
    found = [str(first) if first == last else f"{first} to {last}" for first, last in spans(days)]
    shown = found if len(found) <= SHOWN else [*found[:SHOWN], f"and {len(found) - SHOWN} more stretches"]
    return ", ".join(shown) or "none"


def check_metadata(
    kind: CheckKind, failed: Sequence[Finding], days: Sequence[date], pages: Path | None
) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "days_judged": dg.MetadataValue.text(said_days(sorted(set(days)))),
        "severity": dg.MetadataValue.text(kind.severity),
    }
    if failed:
        lines = [f"- {line_of(one)}" for one in failed[:SHOWN]]
        metadata["days_failed"] = dg.MetadataValue.text(said_days(sorted({one.day for one in failed})))
        metadata["findings"] = dg.MetadataValue.md("\n".join(lines))
    if pages is not None:
        page = page_of(pages, failed[0].day) if failed else pages / "index.html"
        metadata["data_docs"] = dg.MetadataValue.path(str(page))
    return metadata


def refused_files_spec(contract: Contract, table: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        REFUSED_FILES,
        asset=key_of(contract, table),
        description="Every landed file can be read; rows of a refused file are in no day's books.",
        blocking=False,
    )


def refused_files_result(landed: LandingIndex) -> dg.AssetCheckResult:
    """A warning with a sentence for each file that cannot be used: it may have had rows of any day."""
    refused = [one.refused for one in landed.files if one.refused]
    metadata: dict[str, dg.MetadataValue] = {"files": dg.MetadataValue.int(len(refused))}
    if refused:
        metadata["findings"] = dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in refused[:SHOWN]))
    return dg.AssetCheckResult(
        check_name=REFUSED_FILES,
        passed=not refused,
        severity=dg.AssetCheckSeverity.WARN,
        description=first_of(refused),
        metadata=metadata,
    )
