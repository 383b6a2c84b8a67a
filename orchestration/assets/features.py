"""Impressions -> daily aggregates and lists per entity -> examples, one for one day after the other."""

from collections.abc import Iterator

import dagster as dg

from hinet_core.contract import Contract
from hinet_core.features import recent, state
from hinet_core.features.history import history_days, source_days
from hinet_core.features.tables import DayTable, day_tables
from hinet_core.lake import connect
from hinet_core.quality.leaks import LEAK_KINDS, write_leaks
from orchestration.checks import check_results, check_specs
from orchestration.partitions import days_of, reads, same_day
from orchestration.records import DayRecords
from orchestration.reporting import OWNERS, RETRY, days_possible, key_of, plain_failures
from orchestration.resources import Home

DESCRIPTIONS = {
    "entity_daily": "One row is one entity (a user, an item, a scenario, …) on one day: what it was shown that day, "
    "and how many of its outcomes became known that day.",
    "entity_recent": "One row is one of the last values (items, categories, …) that an entity met on one day; place 1 "
    "is the newest.",
    "entity_state": "One row is one entity and all that its days through this one add up to.",
    "examples": "One row is one impression of a modelled scenario with what was known of it when its day began, and "
    "its labels with the time when they were known.",
}


def feature_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    return [day_asset(contract, table) for table in day_tables(contract)]


def deps_of(contract: Contract, table: DayTable) -> Iterator[dg.AssetDep]:
    """Which days a day of a table is made from."""
    impressions = key_of(contract, "impressions")
    if table.name == "examples":
        yield same_day(impressions)
        yield from history_deps(contract, last=-1)
    elif table.name == "entity_state":
        yield same_day(key_of(contract, "entity_daily"))
        yield reads(key_of(contract, "entity_state"), -1, -1)
    else:
        yield reads(impressions, 1 - len(source_days(contract, contract.first_day)), 0)


def history_deps(contract: Contract, last: int) -> Iterator[dg.AssetDep]:
    """What the features of a day are made from; `last` is later for what has features of several days."""
    back = {"entity_daily": len(history_days(contract, contract.first_day))}
    if contract.features.recent:
        back["entity_recent"] = len(recent.look_back(contract, contract.first_day))
    if state.kept_entities(contract):
        back["entity_state"] = 1
    for table, days in back.items():
        yield reads(key_of(contract, table), -days, last)


def day_asset(contract: Contract, table: DayTable) -> dg.AssetsDefinition:
    """A table that DuckDB computes day by day, a range of days in one run; `examples` judge the inputs."""
    kinds = LEAK_KINDS if table.name == "examples" else ()

    @dg.asset(
        key=key_of(contract, table.name),
        deps=list(deps_of(contract, table)),
        partitions_def=days_of(contract),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="features",
        code_version=contract.data_fingerprint,
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description=DESCRIPTIONS[table.name],
        check_specs=check_specs(contract, table.name, kinds),
    )
    def compute(
        context: dg.AssetExecutionContext, home: Home
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        lake = home.lake(contract)
        records = DayRecords(context, contract, lake, table.name)
        con = connect()
        try:
            with plain_failures(), records.of_commits(table.name):
                days = days_possible(context, table.days(contract, lake), "the day has no committed impressions")
                table.write(con, contract, lake, days)
                findings = write_leaks(con, contract, lake) if kinds else []
                lake.rebuild_catalog(home.paths(contract).catalog)
        finally:
            con.close()
        yield from check_results(kinds, findings, sorted({one.day for one in findings}))
        yield records.result()

    return compute
