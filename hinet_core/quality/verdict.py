"""Which days the audit keeps out, said in one sentence for people."""

from collections.abc import Sequence

from hinet_core.ingest.days import IngestResult
from hinet_core.quality.findings import Finding

CAUSES = ("unknown_scenario_share", "quarantined_share")


def sentence_of(finding: Finding) -> str:
    """'column price: expected …, found …; next step: …'"""
    where = [f"{label} {value}" for label, value in (("column", finding.column_name), ("scenario", finding.scenario_id))
             if value]  # fmt: skip
    return f"{', '.join(where)}: {finding.sentence}" if where else finding.sentence


def kept_out(results: Sequence[IngestResult]) -> str:
    """One sentence on the days that critical checks keep out, days of one cause together; '' when there are none."""
    said: dict[str, list[str]] = {}
    days: dict[str, list[str]] = {}
    for result in results:
        if result.blocking:
            # Rows that were refused explain why others are missing, not the other way round.
            first, *others = sorted(result.blocking, key=lambda one: one.kind not in CAUSES)
            more = f" (failed too: {', '.join(one.check_name for one in others)})" if others else ""
            if result.counts["rows_quarantined"]:
                refused, read = result.counts["rows_quarantined"], result.counts["rows_read"]
                more += f"; {refused} of {read} rows are refused, `hinet quarantine` says why"
            days.setdefault(first.check_name, []).append(result.day.isoformat())
            said.setdefault(first.check_name, []).append(sentence_of(first) + more)
    parts = []
    for check, found in days.items():
        if len(found) == 1:
            parts.append(f"{found[0]} is kept out by check {check}: {said[check][0]}")
        else:
            shown = ", ".join(found) if len(found) <= 5 else f"{len(found)} days from {found[0]} to {found[-1]}"
            parts.append(f"{shown} are kept out by check {check}; of {found[0]}: {said[check][0]}")
    return "; ".join(parts)
