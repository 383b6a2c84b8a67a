"""Models as of a day -> metrics on the days from it on."""

from datetime import date

import dagster as dg

from hinet_core.contract import Contract
from orchestration.partitions import days_of, reads, same_day
from orchestration.records import as_of_result
from orchestration.reporting import OWNERS, RETRY, key_of, plain_failures
from orchestration.resources import Home


def evaluation_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    models = [same_day(key_of(contract, name)) for name in contract.models]

    @dg.asset(
        key=key_of(contract, "eval_metrics"),
        deps=[*models, reads(key_of(contract, "examples"), 0, contract.split.judged_days - 1)],
        partitions_def=days_of(contract),
        group_name="evaluation",
        kinds={"scikitlearn", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description="One row is one metric of one model as of a day, for one task and one scenario (or pooled, or the "
        f"mean of scenarios), with its 95 % interval, on the {contract.split.judged_days} days from the as_of day.",
    )
    def eval_metrics(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
        from hinet_core.evaluation.run import STEP, evaluate

        lake, paths, as_of = home.lake(contract), home.paths(contract), date.fromisoformat(context.partition_key)
        with plain_failures():
            evaluate(contract, lake, paths.models, as_of)
            lake.rebuild_catalog(paths.catalog)
        return as_of_result(contract, lake, "eval_metrics", STEP, as_of)

    return [eval_metrics]
