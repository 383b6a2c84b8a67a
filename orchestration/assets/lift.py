"""Two models as of a day -> how many more orders one ranking is worth than the other, where that can be known; what a
test of both would have shown; and how often such tests hold a known truth."""

from datetime import UTC, date, datetime

import dagster as dg
from pydantic import Field

from hinet_core.contract import Contract
from orchestration.assets.features import history_deps
from orchestration.partitions import days_of, same_day
from orchestration.records import as_of_result
from orchestration.reporting import OWNERS, RETRY, day_metadata, key_of, plain_failures
from orchestration.resources import Home


class CalibrationConfig(dg.Config):
    """What a person may choose for one calibration."""

    replications: int = Field(default=200, ge=1, description="Simulated tests per figure; make calibrate has 500.")
    seed: int = Field(default=0, description="Seed of all of them.")
    suites: list[str] = Field(
        default=["online", "seeds", "off_policy", "rates"], description="What to calibrate; make calibrate has more."
    )


def lift_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    return [lift_asset(contract), lift_test_asset(contract), lift_calibration_asset(contract)]


def deps_of(contract: Contract) -> list[dg.AssetDep]:
    """The two models as of the day, and what features of the judged days look back on."""
    compared = sorted({contract.lift.baseline, contract.lift.challenger})
    models = (same_day(key_of(contract, name)) for name in compared)
    return [*models, *history_deps(contract, last=contract.split.judged_days - 2)]


def lift_asset(contract: Contract) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(contract, "lift"),
        deps=deps_of(contract),
        partitions_def=days_of(contract),
        group_name="lift",
        kinds={"python", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description=f"One row is the lift in orders per request of {contract.lift.challenger}'s ranking over "
        f"{contract.lift.baseline}'s, in one scenario or pooled; where no truth is known, the reason instead.",
    )
    def lift(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
        from hinet_core.lift.run import STEP, estimate

        lake, paths, as_of = home.lake(contract), home.paths(contract), date.fromisoformat(context.partition_key)
        with plain_failures():
            estimate(contract, lake, paths.models, as_of)
            lake.rebuild_catalog(paths.catalog)
        return as_of_result(contract, lake, "lift", STEP, as_of)

    return lift


def lift_test_asset(contract: Contract) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(contract, "lift_test"),
        deps=deps_of(contract),
        partitions_def=days_of(contract),
        group_name="lift",
        kinds={"python", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description=f"One row is the lift of {contract.lift.challenger} over {contract.lift.baseline} as a paired "
        "replay (L2) or an online test (L3) in the simulated world would have seen it, beside its truth; with the "
        "tables lift_guardrails, lift_days and lift_splits of the same replay and test.",
    )
    def lift_test(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
        from hinet_core.lift.ab_test.run import STEP, commit_test

        lake, paths, as_of = home.lake(contract), home.paths(contract), date.fromisoformat(context.partition_key)
        with plain_failures():
            commit_test(contract, lake, paths.models, as_of)
            lake.rebuild_catalog(paths.catalog)
        return as_of_result(contract, lake, "lift_test", STEP, as_of)

    return lift_test


def lift_calibration_asset(contract: Contract) -> dg.AssetsDefinition:
    """No partition: it is of the code, not of a day of the log. `make run` leaves it alone, since it takes a minute."""

    @dg.asset(
        key=key_of(contract, "lift_calibration"),
        group_name="lift",
        kinds={"python", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description="One row is one figure of the suites of make calibrate on simulated tests whose truth is known, "
        "such as how often a 95 % interval holds it, and the bounds that it must lie between.",
    )
    def lift_calibration(home: Home, config: CalibrationConfig) -> dg.MaterializeResult:
        from hinet_core.lift.calibration.run import STEP, commit_calibration

        lake, paths, today = home.lake(contract), home.paths(contract), datetime.now(UTC).date()
        with plain_failures():
            rows = commit_calibration(lake, today, config.replications, config.seed, config.suites)
            lake.rebuild_catalog(paths.catalog)
        manifest = lake.manifest(STEP, today)
        if manifest is None:
            return dg.MaterializeResult()
        metadata = day_metadata(contract, lake, STEP, manifest) | {"inside": sum(row["inside"] for row in rows)}
        metadata["dagster/row_count"] = metadata.pop("dagster/partition_row_count")
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(manifest.hash_of(STEP)))

    return lift_calibration
