"""What Dagster records of a committed day: its figures, its rows' content hash as data version, and which records of
the upstream assets it was made after. Dagster calls a day stale once a day upstream of it has other rows.

Left to itself Dagster gives all days of a range one version and records those that were left out as well.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg

from hinet_core.contract import Contract
from hinet_core.lake import Lake, Manifest
from orchestration.reporting import Metadata, day_metadata, days_asked

# Dagster's own names of what it compares; see its documentation on asset versioning.
DATA_VERSION, GIVEN = "dagster/data_version", "dagster/data_version_is_user_provided"
CODE_VERSION = "dagster/code_version"
INPUT_VERSION, INPUT_RECORD = "dagster/input_data_version", "dagster/input_event_pointer"
# Dagster's mark of an output whose records the asset's function has written: it adds none for the partitions asked for.
# `output_required=False` would not do, since Dagster then skips what is downstream in the same run.
WRITTEN: Metadata = {"__source_asset_observation__": True}
NO_RECORD = "NULL"
BEFORE_ANY = "1"

# Upstream asset -> the version and the number of its newest record when a day was made.
Upstream = Mapping[dg.AssetKey, tuple[str, str]]


def version_of(table: str, manifest: Manifest) -> str:
    """The same for the same rows; of a model, its inputs: only they decide what is learned."""
    model = manifest.info["version"] if manifest.step.startswith("train/") else None
    return model or manifest.hash_of(table)


def newest_records(instance: dg.DagsterInstance, upstream: Iterable[dg.AssetKey]) -> Upstream:
    found: dict[dg.AssetKey, tuple[str, str]] = {}
    for key in upstream:
        records = instance.fetch_materializations(key, limit=1).records
        made = records[0].asset_materialization if records else None
        version = (made.tags or {}).get(DATA_VERSION) if made is not None else None
        found[key] = (version or "INITIAL", str(records[0].storage_id) if records else NO_RECORD)
    return found


def recorded_versions(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, str]:
    """Day -> the version of its newest record; a day that was recorded without one is left out."""
    found = instance.event_log_storage.get_latest_tags_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION]
    )
    return {day: tags[DATA_VERSION] for day, tags in found.items() if DATA_VERSION in tags}


def with_day_before(instance: dg.DagsterInstance, key: dg.AssetKey, upstream: Upstream) -> Upstream:
    """Of an asset that goes on from its own day before, the record of that day: it may have been made just now."""
    return {**upstream, **newest_records(instance, [key])} if key in upstream else upstream


def before_any_record(upstream: Iterable[dg.AssetKey]) -> Upstream:
    """What makes a day stale: it was made from other rows than those that upstream assets have now."""
    return dict.fromkeys(upstream, ("INITIAL", BEFORE_ANY))


def tags_of(version: str, code_version: str, upstream: Upstream) -> dict[str, str]:
    tags = {DATA_VERSION: version, GIVEN: "true", CODE_VERSION: code_version}
    for key, (read, record) in upstream.items():
        tags |= {f"{INPUT_VERSION}/{key.to_user_string()}": read, f"{INPUT_RECORD}/{key.to_user_string()}": record}
    return tags


def upstream_of(spec: dg.AssetSpec) -> list[dg.AssetKey]:
    return [dep.asset_key for dep in spec.deps]


class DayRecords:
    """Writes the records of one step. Make it before the lake is read: what changes upstream meanwhile is then newer
    than the days of this step, and makes them stale."""

    def __init__(self, context: dg.AssetExecutionContext, contract: Contract, lake: Lake, table: str) -> None:
        self.context, self.contract, self.lake, self.table = context, contract, lake, table
        self.spec = context.assets_def.get_asset_spec(context.asset_key)
        self.upstream = newest_records(context.instance, upstream_of(self.spec))

    def write(self, manifest: Manifest) -> None:
        """Record one committed day at once, so that it stays recorded if a later day fails."""
        key = self.context.asset_key
        upstream = with_day_before(self.context.instance, key, self.upstream)
        code = self.spec.code_version or self.context.run_id
        self.context.log_event(
            day_event(key, manifest, day_metadata(self.contract, self.lake, self.table, manifest),
                      tags_of(version_of(self.table, manifest), code, upstream))
        )  # fmt: skip

    @contextmanager
    def of_commits(self, step: str) -> Iterator[None]:
        """Record every day that is committed meanwhile, also those before the day on which the step fails."""
        asked = days_asked(self.context)
        before = {day: one.run for day in asked if (one := self.lake.manifest(step, day)) is not None}
        try:
            yield
        finally:
            for manifest in filter(None, (self.lake.manifest(step, day) for day in asked)):
                if manifest.run != before.get(manifest.day):
                    self.write(manifest)

    def result(self) -> dg.MaterializeResult:
        """What a step yields at its end, when all its days are committed and recorded."""
        return dg.MaterializeResult(metadata=WRITTEN)


def day_event(
    key: dg.AssetKey, manifest: Manifest, metadata: Mapping[str, Any], tags: Mapping[str, str]
) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(key, partition=manifest.day.isoformat(), metadata=metadata, tags=tags)


def as_of_result(contract: Contract, lake: Lake, table: str, step: str, as_of: date) -> dg.MaterializeResult:
    """The result of a run of one day alone: Dagster records by itself what it was made after."""
    manifest = lake.manifest(step, as_of)
    if manifest is None:
        return dg.MaterializeResult()
    version = dg.DataVersion(version_of(table, manifest))
    return dg.MaterializeResult(metadata=day_metadata(contract, lake, table, manifest), data_version=version)
