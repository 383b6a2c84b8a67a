"""Materialize through Dagster what is missing or out of date, in this process; problems are collected, not raised."""

import logging
from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from hinet_core import registry
from hinet_core.contract import Contract
from hinet_core.features.tables import day_tables
from hinet_core.ingest.landing import index
from hinet_core.ingest.outcome_books import pending_books
from hinet_core.ingest.pending import gaps, pending_days
from hinet_core.lake import LakeError
from hinet_core.quality import drift
from orchestration import pending
from orchestration.assets.ingest import OUTCOME_BOOKS
from orchestration.assets.off_policy import TABLE as OFF_POLICY
from orchestration.graph import assets_of
from orchestration.instance import LAUNCHED
from orchestration.interruptible import interruptible
from orchestration.reporting import key_of
from orchestration.resources import Home
from orchestration.schedules import RANGE_END, RANGE_START

log = logging.getLogger("hinet")


class Materializer:
    """The whole graph of one contract. `problems` holds one sentence for each thing that did not work."""

    def __init__(
        self, contract: Contract, home: Home, instance: dg.DagsterInstance, preset: str = "quick", seed: int = 0
    ) -> None:
        self.contract, self.home, self.instance = contract, home, instance
        self.preset, self.seed = preset, seed
        self.lake, self.paths = home.lake(contract), home.paths(contract)
        self.assets = assets_of(contract)
        self.problems: list[str] = []

    def everything(self) -> date | None:
        """Days, then models, then the snapshot; returns the as_of that was worked on, None when days are too few."""
        self.days()
        as_of = self.newest_as_of()
        if as_of is not None:
            self.models(as_of)
            self.judgement(as_of)
        self.log_estimates()
        self.champion()
        self.snapshot()
        return as_of

    def days(self) -> None:
        """Ingest and features of landed days. A day that is kept out does not hold the others up."""
        landed = index(self.contract, self.paths)
        self.problems += landed.refused.values()
        if not landed.refused:  # else the file that the gap needs was named already
            self.problems += gaps(landed.days, self.lake.days("ingest"))
        self.ranges("impressions", pending_days(self.lake, landed))
        if self.contract.outcome_sources and pending_books(self.lake, landed):
            self.run([OUTCOME_BOOKS])
        for table in day_tables(self.contract):
            self.ranges(table.name, table.pending(self.contract, self.lake))

    def newest_as_of(self) -> date | None:
        committed = self.lake.days("examples")
        as_of = pending.newest_as_of(self.contract, committed)
        if as_of is None and not (self.problems and not committed):  # else the cause was told already
            through = f"{len(committed)} days through {committed[-1]}" if committed else "no day"
            self.problems.append(
                f"{self.contract.name}: {through} committed; judging a model needs {self.contract.split.judged_days} "
                f"days in a row, settled for {self.contract.maturity_days} more. Land more days and run again"
            )
        return as_of

    def models(self, as_of: date) -> None:
        try:
            missing = [name for name in self.contract.models if not self._is_trained(name, as_of)]
        except (ValueError, LakeError) as error:
            self.problems.append(str(error))
            return
        if missing:
            log.info("%s: training %s as of %s", self.contract.name, ", ".join(missing), as_of)
            settings = {"config": {"preset": self.preset, "seed": self.seed}}
            ops = {f"{self.contract.name}__{name}": settings for name in missing}
            self.run(missing, partition_key=as_of.isoformat(), config={"ops": ops})

    def _is_trained(self, name: str, as_of: date) -> bool:
        return pending.is_trained(self.contract, self.lake, self.paths, as_of, name, self.preset, self.seed)

    def judgement(self, as_of: date) -> None:
        """Metrics, lift and its simulated test as of the day, where there are models to judge."""
        if not pending.versions_as_of(self.lake, as_of):
            return
        stale = [] if pending.is_evaluated(self.contract, self.lake, as_of) else ["eval_metrics"]
        stale += [] if pending.is_lifted(self.contract, self.lake, as_of) else ["lift"]
        stale += [] if pending.is_tested(self.contract, self.lake, as_of) else ["lift_test"]
        if stale:
            log.info("%s: judging as of %s (%s)", self.contract.name, as_of, ", ".join(stale))
            self.run(stale, partition_key=as_of.isoformat())

    def log_estimates(self) -> None:
        """What other policies would have been worth, of a log with propensities."""
        if not pending.is_estimated(self.contract, self.lake):
            log.info("%s: estimates from logged propensities", self.contract.name)
            self.run([OFF_POLICY])

    def champion(self) -> None:
        """Point at the newest model, then compare the days with what it learned from: in this order, so that a second
        run finds nothing to do."""
        if registry.versions(self.paths.models, self.lake, self.contract.lift.challenger):
            before = registry.champion(self.paths.models)
            newest = registry.versions(self.paths.models, self.lake, self.contract.lift.challenger)[-1]
            if before is None or before["version"] != newest["version"]:
                self.run(["champion"])
        if self.lake.days("ingest"):
            learned = registry.champion_reference(self.paths.models)
            self.ranges(drift.STEP, drift.pending_days(self.contract, self.lake, learned))

    def snapshot(self) -> None:
        """Publish, when anything was committed since the last publish."""
        if not pending.is_published(self.contract, self.lake, self.paths, self.home.dagster_url):
            log.info("%s: publishing the snapshot", self.contract.name)
            self.run(["snapshot"])
        # A run that was killed after its last commit left the views of the commit before.
        self.lake.rebuild_catalog(self.paths.catalog)

    def ranges(self, table: str, days: Sequence[date]) -> None:
        """One run per stretch of consecutive days."""
        for first, last in pending.spans(days):
            log.info("%s: %s of %s to %s", self.contract.name, table, first, last)
            self.run([table], tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat()})

    def run(
        self,
        tables: Sequence[str],
        partition_key: str | None = None,
        tags: dict[str, str] | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        """One Dagster run of some assets of the contract."""
        # Dagster's lines go to its event log; what failed is told below in one sentence.
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        keys = [key_of(self.contract, table) for table in tables]
        result = interruptible(
            lambda: dg.materialize(
                self.assets,
                selection=keys,
                instance=self.instance,
                resources={"home": self.home},
                partition_key=partition_key,
                run_config=quiet | (config or {}),
                tags={LAUNCHED: self.contract.name, **(tags or {})},
                raise_on_error=False,
            )
        )
        self.problems += [sentence_of(event) for event in result.all_events if event.is_step_failure]


def sentence_of(event: dg.DagsterEvent) -> str:
    """A failed step in one sentence: its own words, or for a defect the error and where its traceback is."""
    data = event.step_failure_data
    if data.error is not None:
        log.debug("%s failed: %s", event.step_key, data.error.to_string())
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    cause = data.error.cause or data.error if data.error is not None else None
    first = cause.message.strip().splitlines()[0] if cause is not None and cause.message.strip() else "unknown error"
    return (
        f"{event.step_key}: unexpected {first}; this is a defect. Its traceback is in hinet.log of Dagster's home; "
        "what was committed before is unharmed"
    )
