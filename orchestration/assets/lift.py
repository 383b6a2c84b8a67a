"""Two models as of a day -> how many more orders one ranking is worth than the other, where that can be known; what a
test of both would have shown; and how often such tests hold a known truth."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from pydantic import Field

from hinet_core.contract import Contract
from hinet_core.lake import Lake
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
    a, b = contract.lift.baseline, contract.lift.challenger
    return [
        as_of_asset(
            contract, "lift", commit_lift,
            f"One row is the lift in orders per request of {b}'s ranking over {a}'s, in one scenario or pooled; where "
            "no truth is known, the reason instead.",
        ),
        as_of_asset(
            contract, "lift_test", commit_lift_test,
            f"One row is the lift of {b} over {a} as a paired replay (L2) or an online test (L3) in the simulated "
            "world would have seen it, beside its truth; with the tables lift_guardrails, lift_days and lift_splits of "
            "the same replay and test.",
        ),
        lift_calibration_asset(contract),
    ]  # fmt: skip


def commit_lift(contract: Contract, lake: Lake, models_root: Path, as_of: date) -> None:
    from hinet_core.lift.run import estimate

    estimate(contract, lake, models_root, as_of)


def commit_lift_test(contract: Contract, lake: Lake, models_root: Path, as_of: date) -> None:
    from hinet_core.lift.ab_test.run import commit_test

    commit_test(contract, lake, models_root, as_of)


def deps_of(contract: Contract) -> list[dg.AssetDep]:
    """The two models as of the day, and what features of the judged days look back on."""
    compared = sorted({contract.lift.baseline, contract.lift.challenger})
    models = (same_day(key_of(contract, name)) for name in compared)
    return [*models, *history_deps(contract, last=contract.split.judged_days - 2)]


def as_of_asset(
    contract: Contract, table: str, commit: Callable[[Contract, Lake, Path, date], None], description: str
) -> dg.AssetsDefinition:
    """What is said of the two models as of a day; the step that commits it is called like its table."""

    @dg.asset(
        key=key_of(contract, table),
        deps=deps_of(contract),
        partitions_def=days_of(contract),
        group_name="lift",
        kinds={"python", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description=description,
    )
    def as_of_day(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
        lake, paths, as_of = home.lake(contract), home.paths(contract), date.fromisoformat(context.partition_key)
        with plain_failures():
            commit(contract, lake, paths.models, as_of)
            lake.rebuild_catalog(paths.catalog)
        return as_of_result(contract, lake, table, table, as_of)

    return as_of_day


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
