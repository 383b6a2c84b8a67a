"""A log's own propensities -> what other policies would have been worth, where the log can carry it."""

import dagster as dg

from hinet_core.contract import Contract
from orchestration.records import version_of
from orchestration.reporting import OWNERS, RETRY, Metadata, column_schema, key_of, plain_failures
from orchestration.resources import Home

TABLE = "off_policy"


def off_policy_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    """None for a log without propensities: there is nothing to ask it."""
    if not contract.questions:
        return []

    @dg.asset(
        key=key_of(contract, TABLE),
        deps=[key_of(contract, "impressions")],
        group_name="lift",
        kinds={"scikitlearn", "parquet"},
        owners=OWNERS,
        retry_policy=RETRY,
        description="One row is what a policy would have been worth, or its lift, by one estimator from the log's "
        "propensities, in one scenario or pooled; refused, with the reason, where the log cannot carry it.",
    )
    def off_policy(home: Home) -> dg.MaterializeResult:
        from hinet_core.lift.off_policy.inputs import STEP
        from hinet_core.lift.off_policy.run import GATES, commit_estimates

        lake, paths = home.lake(contract), home.paths(contract)
        with plain_failures():
            rows = commit_estimates(contract, lake)
            lake.rebuild_catalog(paths.catalog)
        manifest = lake.manifest(STEP, rows[0]["day"])
        if manifest is None:
            return dg.MaterializeResult()
        metadata: Metadata = {
            "dagster/row_count": manifest.rows[TABLE],
            "dagster/column_schema": column_schema(contract, lake, TABLE, manifest),
            "through": rows[0]["day"].isoformat(),
            "refused": sum(row["status"] == "refused" for row in rows),
            "gates": manifest.rows[GATES],
            "content_hash": manifest.hash_of(TABLE),
        }
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version_of(TABLE, manifest)))

    return [off_policy]
