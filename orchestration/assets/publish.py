"""The champion's pointer, and the snapshot that the dashboard reads."""

import dagster as dg

from hinet_core import registry
from hinet_core.contract import Contract
from hinet_core.publish.run import publish
from orchestration.assets.off_policy import TABLE as OFF_POLICY
from orchestration.reporting import OWNERS, RETRY, key_of, plain_failures
from orchestration.resources import Home

SHOWN = ("impressions", "drift", "eval_metrics", "lift", "lift_test", "lift_calibration", "champion")


def publish_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    """Neither has partitions: both speak for what is newest."""
    shown = [*SHOWN, *([OFF_POLICY] if contract.questions else [])]

    @dg.asset(
        key=key_of(contract, "champion"),
        deps=[key_of(contract, contract.lift.challenger)],
        group_name="publish",
        kinds={"json"},
        owners=OWNERS,
        retry_policy=RETRY,
        description="The pointer to the model in use. Until a promotion gate exists: the challenger's latest version.",
    )
    def champion(home: Home) -> dg.MaterializeResult:
        with plain_failures():
            found = registry.set_champion(home.paths(contract).models, contract, home.lake(contract))
        shown = {name: str(found[name]) for name in ("model", "version", "as_of", "reason")}
        version = dg.DataVersion(shown["version"])
        return dg.MaterializeResult(metadata={"dagster/row_count": 1, **shown}, data_version=version)

    @dg.asset(
        key=key_of(contract, "snapshot"),
        deps=[key_of(contract, table) for table in shown],
        group_name="publish",
        kinds={"duckdb"},
        owners=OWNERS,
        retry_policy=RETRY,
        description="One immutable DuckDB file with all tables that the dashboard shows; a pointer names the newest.",
    )
    def snapshot(home: Home) -> dg.MaterializeResult:
        paths, lake = home.paths(contract), home.lake(contract)
        with plain_failures():
            now = registry.champion(paths.models)
            path = publish(contract, lake, paths, champion=now, dagster_url=home.dagster_url or None)
            lake.rebuild_catalog(paths.catalog)
            lake.sweep()
        return dg.MaterializeResult(metadata={"file": dg.MetadataValue.path(str(path))})

    return [champion, snapshot]
