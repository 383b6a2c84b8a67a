"""Dagster's own home: its settings, and what it believes about days that were committed without it looking."""

import os
from importlib import resources
from pathlib import Path

import dagster as dg

from hinet_core.contract import Contract
from hinet_core.features.tables import day_tables
from hinet_core.lake import Lake
from hinet_core.settings import Settings, SettingsError
from orchestration.assets.training import model_names
from orchestration.reporting import key_of

LAUNCHED = "hinet/make_run"
# Asset -> the step whose manifests are its commits; the tables of features bear the names of their steps.
STEPS = {
    "impressions": "ingest",
    "eval_metrics": "evaluation",
    "lift": "lift",
}
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


def adopt_commits(instance: dg.DagsterInstance, contract: Contract, lake: Lake) -> int:
    """Tell Dagster of days that are committed but that it has no record of (a killed run, a new Dagster home)."""
    adopted = 0
    steps = STEPS | {table.name: table.name for table in day_tables(contract)}
    steps |= {name: f"train/{name}" for name in model_names()}
    for table, step in steps.items():
        known = instance.get_materialized_partitions(key_of(contract, table))
        for day in lake.days(step):
            if day.isoformat() not in known:
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        key_of(contract, table),
                        partition=day.isoformat(),
                        metadata={"origin": "found committed in the lake"},
                    )
                )
                adopted += 1
    return adopted


def forget(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> None:
    """After FRESH=1 nothing of these assets exists any more."""
    instance.wipe_assets(keys)
