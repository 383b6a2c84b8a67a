"""The code location: the same graph for every contract that HINET_CONTRACTS names."""

import os
import warnings
from collections.abc import Sequence

import dagster as dg

from hinet_core.contract import Contract, ContractError, load_contract
from hinet_core.settings import Settings, load_settings
from orchestration.graph import assets_of
from orchestration.resources import Home
from orchestration.schedules import daily_job, retrain_schedule

# Where snapshots say that Dagster's pages are; `make run` sets it when the usual port is taken.
DAGSTER_URL = os.environ.get("HINET_DAGSTER_URL", "http://127.0.0.1:3000")


# The job holds days, which run as ranges, and models, which do not; no backfill is ever asked of the job itself.
warnings.filterwarnings("ignore", message=r"Asset job .* materializes assets with varying BackfillPolicies")


def build(contracts: Sequence[Contract], settings: Settings) -> dg.Definitions:
    """All assets, jobs and schedules of the contracts; two contracts of one name would write over each other."""
    names = [contract.name for contract in contracts]
    if len(set(names)) < len(names):
        raise ContractError(f"HINET_CONTRACTS: found the names {', '.join(names)}, allowed: each name once")
    jobs = [daily_job(contract) for contract in contracts]
    return dg.Definitions(
        assets=[asset for contract in contracts for asset in assets_of(contract)],
        jobs=jobs,
        schedules=[retrain_schedule(contract, job) for contract, job in zip(contracts, jobs, strict=True)],
        resources={"home": Home.of(settings, DAGSTER_URL)},
        # A step starts a process of its own; more than two at a time only compete for cores.
        executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
    )


SETTINGS = load_settings()
defs = build([load_contract(name) for name in SETTINGS.contracts], SETTINGS)
