"""Dagster's own home: its settings, and what it believes about days that were committed without it looking."""

import os
from datetime import date
from importlib import resources
from pathlib import Path

import dagster as dg

from hinet_core.contract import Contract
from hinet_core.features.history import step_hashes
from hinet_core.features.tables import day_tables
from hinet_core.lake import Lake, Manifest
from hinet_core.quality import drift
from hinet_core.settings import Settings, SettingsError
from orchestration.graph import assets_of
from orchestration.records import (
    before_any_record,
    day_event,
    newest_records,
    recorded_versions,
    tags_of,
    upstream_of,
    version_of,
    with_day_before,
)
from orchestration.reporting import day_metadata, key_of

LAUNCHED = "hinet/make_run"
ADOPTED = "found committed in the lake"
UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def named_contracts(contract: str) -> str:
    """HINET_CONTRACTS with this contract in it; a path is made absolute, since servers may run elsewhere."""
    mine = str(Path(contract).expanduser().resolve()) if contract.endswith(".toml") or "/" in contract else contract
    others = [one.strip() for one in os.environ.get("HINET_CONTRACTS", "").split(",") if one.strip()]
    return ",".join(dict.fromkeys([mine, *others]))


def prepare(settings: Settings) -> Path:
    """Make HINET_HOME/dagster with its settings and point this process and its children there, telemetry off."""
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".writable").touch()
        (home / ".writable").unlink()
        target = home / "dagster.yaml"
        if not target.exists():
            target.write_text((resources.files("orchestration") / "dagster.yaml").read_text())
    except OSError as error:
        raise SettingsError(
            f"HINET_HOME={settings.home} cannot be written: {error.strerror}; choose another folder or "
            "correct its rights"
        ) from error
    os.environ["HINET_HOME"] = str(settings.home)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    return home


def end_orphans(instance: dg.DagsterInstance, contract: Contract) -> int:
    """Runs of an earlier `make run` that was killed are marked as failed; call it under the lock only."""
    filters = dg.RunsFilter(tags={LAUNCHED: contract.name}, statuses=UNFINISHED)
    orphans = instance.get_runs(filters)
    for run in orphans:
        instance.report_run_failed(run, "the process was cut off; committed days stay, the rest is done again")
    return len(orphans)


def steps_of(contract: Contract) -> dict[str, str]:
    """Asset -> the step whose manifests are its commits, in the order in which one is made from the other."""
    days = {table.name: table.name for table in day_tables(contract)}
    models = {name: f"train/{name}" for name in contract.models}
    judged = {"eval_metrics": "evaluation", "lift": "lift", "lift_test": "lift_test"}
    return {"impressions": "ingest"} | days | {drift.STEP: drift.STEP} | models | judged


def adopt_commits(instance: dg.DagsterInstance, contract: Contract, lake: Lake) -> int:
    """Tell Dagster of days of whose present rows it has no record (a killed run, a new Dagster home, the command line).

    A day that was made from other rows than its inputs have now is recorded as stale.
    """
    specs = {spec.key: spec for asset in assets_of(contract) for spec in asset.specs}
    adopted = 0
    for table, step in steps_of(contract).items():
        spec, shown = specs[key_of(contract, table)], "runs" if step.startswith("train/") else table
        known, newest = recorded_versions(instance, spec.key), newest_records(instance, upstream_of(spec))
        for manifest in filter(None, (lake.manifest(step, day) for day in lake.days(step))):
            version = version_of(table, manifest)
            if known.get(manifest.day.isoformat()) == version:
                continue
            current = is_current(contract, lake, table, manifest)
            read = with_day_before(instance, spec.key, newest) if current else before_any_record(newest)
            metadata = {"origin": ADOPTED} | day_metadata(contract, lake, shown, manifest)
            tags = tags_of(version, spec.code_version or step, read)
            instance.report_runless_asset_event(day_event(spec.key, manifest, metadata, tags))
            adopted += 1
    return adopted


def is_current(contract: Contract, lake: Lake, table: str, manifest: Manifest) -> bool:
    """Whether a day was made from the rows that its inputs have now, as far as its commit names them."""
    for one in day_tables(contract):
        if one.name == table:
            return one.is_current(contract, lake, manifest.day)
    read = manifest.info.get("examples")  # of a model and of its metrics
    return read is None or read == step_hashes(lake, "examples", [date.fromisoformat(day) for day in read])


def forget(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> None:
    """After FRESH=1 nothing of these assets exists any more."""
    instance.wipe_assets(keys)
