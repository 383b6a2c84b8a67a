"""Impressions -> daily aggregates per entity -> examples, one for one day after the other."""

from collections.abc import Callable, Iterable

import dagster as dg
import duckdb

from hinet_core.contract import Contract
from hinet_core.features.daily import write_daily_range
from hinet_core.features.examples import write_examples_range
from hinet_core.features.history import history_days, source_days
from hinet_core.lake import Lake, Manifest, connect
from orchestration.partitions import days_of, reads, same_day
from orchestration.reporting import OWNERS, RETRY, days_asked, key_of, plain_failures, report_days
from orchestration.resources import Home

WriteRange = Callable[[duckdb.DuckDBPyConnection, Contract, Lake, Iterable], list[Manifest]]


def feature_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    impressions, daily = key_of(contract, "impressions"), key_of(contract, "entity_daily")
    # How many days back a day's outcomes and windows reach.
    outcomes = len(source_days(contract, contract.first_day)) - 1
    history = len(history_days(contract, contract.first_day))
    return [
        day_asset(
            contract,
            "entity_daily",
            write_daily_range,
            [reads(impressions, -outcomes, 0)],
            "One row is one entity (a user, an item, a scenario, …) on one day: what it was shown that day, and how "
            "many of its outcomes became known that day.",
        ),
        day_asset(
            contract,
            "examples",
            write_examples_range,
            [same_day(impressions), reads(daily, -history, -1)],
            "One row is one impression of a modelled scenario with what was known of it when its day began, and its "
            "labels with the time when they were known.",
        ),
    ]


def day_asset(
    contract: Contract, table: str, write: WriteRange, deps: list[dg.AssetDep], description: str
) -> dg.AssetsDefinition:
    """A table that DuckDB computes day by day, a range of days in one run."""

    @dg.asset(
        key=key_of(contract, table),
        deps=deps,
        partitions_def=days_of(contract),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="features",
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description=description,
    )
    def compute(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
        lake = home.lake(contract)
        con = connect()
        try:
            with plain_failures():
                manifests = write(con, contract, lake, days_asked(context))
                lake.rebuild_catalog(home.paths(contract).catalog)
        finally:
            con.close()
        return report_days(context, contract, lake, table, manifests)

    return compute
