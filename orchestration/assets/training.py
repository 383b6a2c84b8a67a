"""One asset per file of hinet_core/models: the model as of a day, trained on the days before it."""

from datetime import date

import dagster as dg
from pydantic import Field

from hinet_core.contract import Contract
from orchestration.partitions import days_of, reads
from orchestration.reporting import OWNERS, RETRY, Metadata, column_schema, key_of, plain_failures
from orchestration.resources import Home


class TrainingConfig(dg.Config):
    """What a person may choose for one training."""

    preset: str = Field(default="quick", description="Size of model and training: quick or paper.")
    warm_start: str = Field(default="", description="Version whose weights the training begins with; empty for none.")
    seed: int = Field(default=0, description="Seed of the initial weights and of the order of the batches.")


def training_assets(contract: Contract) -> list[dg.AssetsDefinition]:
    return [training_asset(contract, name) for name in contract.models]


def training_asset(contract: Contract, name: str) -> dg.AssetsDefinition:
    """As of D: W days before the validation day V = D-m-1, V itself, and the days since with what has settled."""
    oldest = contract.split.train_days + contract.maturity_days + 1

    @dg.asset(
        key=key_of(contract, name),
        deps=[reads(key_of(contract, "examples"), -oldest, -1)],
        partitions_def=days_of(contract),
        group_name="training",
        kinds={"pytorch"},
        owners=OWNERS,
        retry_policy=RETRY,
        description=f"Model {name} as of a day: trained on examples of the {contract.split.train_days} days before its "
        "validation day, with labels as they were known at 00:00 of the as_of day.",
    )
    def model(context: dg.AssetExecutionContext, config: TrainingConfig, home: Home) -> dg.MaterializeResult:
        from hinet_core.training.run import train

        lake, paths, as_of = home.lake(contract), home.paths(contract), date.fromisoformat(context.partition_key)
        with plain_failures():
            trained = train(
                contract, lake, paths.models, as_of, name, config.preset, config.seed, home.device,
                config.warm_start or None,
            )  # fmt: skip
            lake.rebuild_catalog(paths.catalog)
        manifest = lake.manifest(f"train/{name}", as_of)
        days = trained.window
        metadata: Metadata = {
            "dagster/partition_row_count": trained.n_train,
            "version": trained.version,
            "folder": dg.MetadataValue.path(str(trained.folder)),
            "reused": trained.reused,
            "parameters": trained.n_params,
            "best_epoch": trained.best_epoch,
            "training_s": trained.duration_s,
            "train_days": dg.MetadataValue.json([day.isoformat() for day in days.fitted_days]),
            "valid_day": days.valid_day.isoformat(),
            "missing_days": dg.MetadataValue.json([day.isoformat() for day in days.missing_days]),
        }
        if manifest is not None:
            metadata["dagster/column_schema"] = column_schema(contract, lake, "runs", manifest)
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(trained.version))

    return model
