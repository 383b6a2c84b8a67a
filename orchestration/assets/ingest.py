"""Landed files -> impressions: written, audited, and committed only when the audit passes."""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg

from hinet_core import quality
from hinet_core.contract import Contract
from hinet_core.ingest.days import IngestResult, ingest_days
from hinet_core.ingest.landing import LandingIndex, index, rules_of
from hinet_core.ingest.outcome_books import STEP as BOOKS
from hinet_core.ingest.outcome_books import total_counts, write_books
from hinet_core.progress import track
from hinet_core.quality.docs import write_docs
from hinet_core.quality.verdict import kept_out
from orchestration.checks import check_results, check_specs, refused_files_result, refused_files_spec
from orchestration.partitions import days_of
from orchestration.records import DayRecords
from orchestration.reporting import OWNERS, RETRY, days_possible, key_of, plain_failures, rows_of, table_of
from orchestration.resources import Home

TABLE, OUTCOME_BOOKS = "impressions", "outcome_files"


def ingest_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    """`impressions` and, in the same commit, quarantine, ingest_files, ingest_counters and dq_results."""

    @dg.asset(
        key=key_of(contract, TABLE),
        partitions_def=days_of(contract),
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[
            *check_specs(contract, TABLE, quality.check_names(contract)),
            refused_files_spec(contract, TABLE),
        ],
        group_name="ingest",
        code_version=rules_of(contract),
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description=f"One row is one exposure of one item to one user in one scenario of {contract.name}.",
    )
    def impressions(
        context: dg.AssetExecutionContext, home: Home
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        records = DayRecords(context, contract, home.lake(contract), TABLE)
        with plain_failures():
            landed = index(contract, home.paths(contract))
            days = days_possible(context, landed.days, "no landed file has a row of this day")
            results = list(ingested(contract, home, landed, days, records))
            home.lake(contract).rebuild_catalog(home.paths(contract).catalog)
            pages = write_docs(contract, home.lake(contract), home.paths(contract).docs, results)
        findings = [finding for result in results for finding in result.findings]
        yield from check_results(quality.check_names(contract), findings, [result.day for result in results], pages)
        yield refused_files_result(landed)
        if problem := kept_out(results):
            raise dg.Failure(description=problem, allow_retries=False)
        yield records.result()

    return [impressions, *([outcome_books(contract)] if contract.outcome_sources else [])]


def outcome_books(contract: Contract) -> dg.AssetsDefinition:
    """The books of outcome files, of all days that changed: a day of theirs is one on which something became known."""

    @dg.asset(
        key=key_of(contract, OUTCOME_BOOKS),
        deps=[key_of(contract, TABLE)],
        group_name="ingest",
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description="Rows of outcome files: read = matched + duplicate + unmatched (waiting) + quarantined.",
    )
    def outcome_files(home: Home) -> dg.MaterializeResult:
        lake = home.lake(contract)
        with plain_failures():
            written = write_books(lake, index(contract, home.paths(contract)))
            lake.rebuild_catalog(home.paths(contract).catalog)
        books = filter(None, (lake.manifest(BOOKS, day) for day in lake.days(BOOKS)))
        counts = {f"rows_{name}": count for name, count in total_counts(books).items()}
        rows = [row for one in written for row in rows_of(lake, one, OUTCOME_BOOKS)]
        days = {"days_written": [one.day.isoformat() for one in written]}
        return dg.MaterializeResult(metadata=counts | days | ({"books": table_of(rows)} if rows else {}))

    return outcome_files


def ingested(
    contract: Contract, home: Home, landed: LandingIndex, days: Sequence[date], records: DayRecords
) -> Iterator[IngestResult]:
    """Ingest days; each that passes is recorded as soon as it is committed."""
    lake = home.lake(contract)
    found = ingest_days(contract, lake, landed, days, auditor=quality)  # type: ignore[arg-type]
    for result in track(found, f"{contract.name}: ingesting days", total=len(days)):
        if result.manifest is not None:
            records.write(result.manifest)
        yield result
