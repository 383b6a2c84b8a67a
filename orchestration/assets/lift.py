"""Two models as of a day -> how many more orders one ranking is worth than the other, where that can be known."""

from datetime import date

import dagster as dg

from hinet_core.contract import Contract
from orchestration.assets.features import history_deps
from orchestration.partitions import days_of, same_day
from orchestration.records import as_of_result
from orchestration.reporting import OWNERS, RETRY, key_of, plain_failures
from orchestration.resources import Home


def lift_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    compared = {contract.lift.baseline, contract.lift.challenger}
    judged = contract.split.judged_days

    @dg.asset(
        key=key_of(contract, "lift"),
        deps=[
            *(same_day(key_of(contract, name)) for name in sorted(compared)),
            *history_deps(contract, last=judged - 2),
        ],
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

    return [lift]
