"""Each kind of quality rule as one asset check of `impressions`; the critical kinds keep a day out.

A check of an asset carries no partition of its own, so its metadata names the days.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from hinet_core.contract import Contract
from hinet_core.ingest.days import IngestResult
from hinet_core.quality import CheckKind, Finding, check_names
from hinet_core.quality.verdict import sentence_of
from orchestration.reporting import key_of

# Sentences shown per check; a range of many bad days would flood the page.
SHOWN = 20


def check_specs(contract: Contract) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            kind.name, asset=key_of(contract, "impressions"), description=kind.description, blocking=kind.blocking
        )
        for kind in check_names(contract)
    ]


def check_results(contract: Contract, results: Sequence[IngestResult]) -> Iterator[dg.AssetCheckResult]:
    """One result per kind over all days of the run."""
    for kind in check_names(contract):
        failed = [
            finding
            for result in results
            for finding in result.findings
            if finding.kind == kind.name and finding.status == "fail"
        ]
        yield dg.AssetCheckResult(
            check_name=kind.name,
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR if kind.blocking else dg.AssetCheckSeverity.WARN,
            metadata=check_metadata(kind, results, failed),
        )


def check_metadata(
    kind: CheckKind, results: Sequence[IngestResult], failed: Sequence[Finding]
) -> dict[str, dg.MetadataValue]:
    judged = [result.day.isoformat() for result in results]
    metadata: dict[str, dg.MetadataValue] = {
        "days_judged": dg.MetadataValue.json(judged),
        "severity": dg.MetadataValue.text(kind.severity),
    }
    if failed:
        lines = [f"- **{one.day}** {sentence_of(one)}" for one in failed[:SHOWN]]
        metadata["days_failed"] = dg.MetadataValue.json(sorted({one.day.isoformat() for one in failed}))
        metadata["findings"] = dg.MetadataValue.md("\n".join(lines))
    return metadata
