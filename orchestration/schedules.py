"""One running schedule per log: ingest what has landed, then retrain, judge and publish. Dates come from the data."""

from datetime import date
from typing import Any

import dagster as dg

from hinet_core.contract import Contract
from hinet_core.features.tables import day_tables
from hinet_core.ingest.landing import index
from hinet_core.ingest.outcome_books import pending_books
from hinet_core.ingest.pending import pending_days
from hinet_core.ingest.readers import LandingError
from hinet_core.quality.drift import STEP as DRIFT
from orchestration import pending
from orchestration.assets.ingest import OUTCOME_BOOKS
from orchestration.assets.off_policy import TABLE as OFF_POLICY
from orchestration.reporting import key_of
from orchestration.resources import Home

# The type of what define_asset_job returns has no public name.
AssetJob = Any
# Dagster's own names of the first and last partition of a range.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
# dagster.yaml lets one run per value go at a time, so a model never trains while its days are being ingested.
ONE_AT_A_TIME = "hinet/contract"
DAYS_FIRST = {"dagster/priority": "1"}
PUBLISHED_TABLES = ("champion", "snapshot")


def as_of_tables(contract: Contract) -> list[str]:
    return [*contract.models, "eval_metrics", "lift", "lift_test"]


def tables_by_day(contract: Contract) -> list[str]:
    return ["impressions", *(table.name for table in day_tables(contract))]


def later_tables(contract: Contract) -> list[list[str]]:
    """Aggregates, running counters, examples and drift: in the order in which one is made from the other."""
    *before, last = day_tables(contract)
    return [[one.name for one in before if one.chained == chained] for chained in (False, True)] + [
        [last.name, DRIFT]
    ]


def keys(contract: Contract, tables: tuple[str, ...] | list[str]) -> list[dg.AssetKey]:
    return [key_of(contract, table) for table in tables]


def daily_job(contract: Contract) -> AssetJob:
    of_log = [OUTCOME_BOOKS] if contract.outcome_sources else []
    of_log += [OFF_POLICY] if contract.questions else []
    everything = keys(contract, [*tables_by_day(contract), DRIFT, *of_log, *as_of_tables(contract), *PUBLISHED_TABLES])
    return dg.define_asset_job(
        f"{contract.name}_daily",
        selection=dg.AssetSelection.assets(*everything),
        tags={ONE_AT_A_TIME: contract.name},
        description=f"All of {contract.name}: a day of tables, or models as of a day.",
    )


def retrain_schedule(contract: Contract, job: AssetJob) -> dg.ScheduleDefinition:
    hour, minute = contract.schedule.retrain_at.split(":")

    @dg.schedule(
        name=f"{contract.name}_retrain",
        job=job,
        cron_schedule=f"{int(minute)} {int(hour)} * * *",
        execution_timezone=contract.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Ingests landed days, then trains, judges and publishes as of the latest day that can be judged.",
    )
    def retrain(context: dg.ScheduleEvaluationContext, home: Home) -> dg.SkipReason | list[dg.RunRequest]:
        return requests_now(contract, home)

    return retrain


def requests_now(contract: Contract, home: Home) -> dg.SkipReason | list[dg.RunRequest]:
    """Runs for stretches of days to ingest, for what follows from them, then for the newest as_of; or why for none."""
    lake = home.lake(contract)
    try:
        landed = index(contract, home.paths(contract))
        days = pending_days(lake, landed)
    except LandingError as error:
        return dg.SkipReason(str(error))
    requests = [days_request(contract, [*tables_by_day(contract), DRIFT], *span) for span in pending.spans(days)]
    later_days = pending.later_days(contract, lake.days("ingest"), days)
    for tables, later in zip(later_tables(contract), later_days, strict=True):
        requests += [days_request(contract, tables, *span) for span in pending.spans(later)]
    if contract.outcome_sources and (days or pending_books(lake, landed)):
        requests.append(log_request(contract, "books", OUTCOME_BOOKS))
    if contract.questions and (days or not pending.is_estimated(contract, lake)):
        requests.append(log_request(contract, "off-policy", OFF_POLICY, "snapshot"))
    as_of = pending.newest_as_of(contract, {*lake.days("ingest"), *days})
    if as_of is not None and (days or needs_models(contract, lake.days("ingest"), home, as_of)):
        requests.append(as_of_request(contract, as_of))
    if requests:
        return requests
    if as_of is None:
        return dg.SkipReason(
            f"{contract.name}: nothing new has landed, and the committed days do not reach for judging a model on "
            f"{contract.split.judged_days} days with settled labels. Land more days."
        )
    newest = lake.days("ingest")[-1]
    return dg.SkipReason(f"{contract.name}: all landed days through {newest} are in, and as of {as_of} all is judged.")


def needs_models(contract: Contract, committed: list[date], home: Home, as_of: date) -> bool:
    """Whether the as_of lacks a model, its metrics, its lift or its test, and there is a past to train on."""
    lake = home.lake(contract)
    steps = [*(f"train/{name}" for name in contract.models), "evaluation", "lift", "lift_test"]
    return as_of > committed[0] and any(lake.manifest(step, as_of) is None for step in steps)


def days_request(contract: Contract, tables: list[str], first: date, last: date) -> dg.RunRequest:
    """Some tables of a stretch of days; requests of one priority run in the order in which they are asked for."""
    return dg.RunRequest(
        run_key=f"{'-'.join(tables)}-{first}-{last}",
        asset_selection=keys(contract, tables),
        tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat(), **DAYS_FIRST},
    )


def log_request(contract: Contract, run_key: str, *tables: str) -> dg.RunRequest:
    """What is made of the whole log, after the days are read."""
    return dg.RunRequest(run_key=run_key, asset_selection=keys(contract, tables), tags=DAYS_FIRST)


def as_of_request(contract: Contract, as_of: date) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"as-of-{as_of}",
        asset_selection=keys(contract, [*as_of_tables(contract), *PUBLISHED_TABLES]),
        partition_key=as_of.isoformat(),
    )
