"""Each day against the days before it, and against what the champion learned from."""

from collections.abc import Iterator

import dagster as dg

from hinet_core import registry
from hinet_core.contract import Contract
from hinet_core.lake import connect
from hinet_core.quality.drift import DRIFT_KINDS, STEP, write_drift_range
from orchestration.checks import check_results, check_specs
from orchestration.partitions import days_of, reads
from orchestration.records import DayRecords
from orchestration.reporting import OWNERS, RETRY, days_possible, key_of, plain_failures
from orchestration.resources import Home


def drift_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    window = contract.quality.drift.window_days

    @dg.asset(
        key=key_of(contract, STEP),
        deps=[reads(key_of(contract, "examples"), -window, 0)],
        partitions_def=days_of(contract),
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=check_specs(contract, STEP, DRIFT_KINDS),
        group_name="quality",
        code_version=contract.data_fingerprint,
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description="One row is how far one feature (or the rate of one task) of one scenario is from the "
        f"{window} days before, or from the champion's training days.",
    )
    def drift(
        context: dg.AssetExecutionContext, home: Home
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        lake, paths = home.lake(contract), home.paths(contract)
        records = DayRecords(context, contract, lake, STEP)
        con = connect()
        try:
            with plain_failures(), records.of_commits(STEP):
                days = days_possible(context, lake.days("ingest"), "the day has no committed impressions")
                written = write_drift_range(con, contract, lake, days, registry.champion_reference(paths.models))
                lake.rebuild_catalog(paths.catalog)
        finally:
            con.close()
        failed = sorted((row for _, rows in written for row in rows if row.status == "fail"), key=lambda row: row.order)
        yield from check_results(DRIFT_KINDS, [row.finding() for row in failed], days)
        yield records.result()

    return [drift]
