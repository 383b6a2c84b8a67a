"""The graph of one contract: every asset of every stage, in the order in which data flows."""

import warnings

import dagster as dg

from hinet_core.contract import Contract
from orchestration.assets.drift import drift_assets
from orchestration.assets.evaluation import evaluation_assets
from orchestration.assets.features import feature_assets
from orchestration.assets.ingest import ingest_assets
from orchestration.assets.lift import lift_assets
from orchestration.assets.off_policy import off_policy_assets
from orchestration.assets.publish import publish_assets
from orchestration.assets.training import training_assets

STAGES = (
    ingest_assets, feature_assets, drift_assets, training_assets, evaluation_assets, lift_assets, off_policy_assets,
    publish_assets,
)  # fmt: skip


def assets_of(contract: Contract) -> list[dg.AssetsDefinition]:
    with warnings.catch_warnings():
        # Window mappings and backfill policies are in beta: constraints.txt holds the version they are tested on.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return [asset for stage in STAGES for asset in stage(contract)]
