"""The tables that DuckDB computes day by day from impressions, in the order in which they are computed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import duckdb

from hinet_core.contract import Contract
from hinet_core.features import daily, examples, recent, state
from hinet_core.features.history import Lineage, counted_days
from hinet_core.lake import Lake, Manifest
from hinet_core.quality import drift


@dataclass(frozen=True)
class DayTable:
    """`lineage`: what a day is made from now. `write`: compute and commit days. `days`: which days it can have.

    A day of a chained table is made from the day before, so one that is stale makes all later ones stale.
    """

    name: str
    lineage: Callable[[Contract, Lake, date], Lineage]
    write: Callable[[duckdb.DuckDBPyConnection, Contract, Lake, Iterable[date]], list[Manifest]]
    chained: bool = False
    days: Callable[[Contract, Lake], list[date]] = counted_days

    def pending(self, contract: Contract, lake: Lake) -> list[date]:
        """Days whose rows are not those of the present inputs."""
        days = self.days(contract, lake)
        stale = [day for day in days if not self.is_current(contract, lake, day)]
        return [day for day in days if day >= stale[0]] if stale and self.chained else stale

    def is_current(self, contract: Contract, lake: Lake, day: date) -> bool:
        return lake.made_from(self.name, day, **self.lineage(contract, lake, day))


def day_tables(contract: Contract) -> list[DayTable]:
    """The tables of a contract; what no feature needs is left out."""
    tables = [DayTable(daily.STEP, daily.lineage, daily.write_daily_range)]
    if contract.features.recent:
        tables.append(DayTable(recent.STEP, recent.lineage, recent.write_recent_range))
    if state.kept_entities(contract):
        tables.append(DayTable(state.STEP, state.lineage, state.write_state_range, chained=True))
    return [*tables, DayTable(examples.STEP, examples.lineage, examples.write_examples_range, days=ingested_days)]


def withdraw_orphans(contract: Contract, lake: Lake) -> None:
    """Take back the days of tables whose impressions were taken back; drift has the days of examples."""
    possible = {table.name: table.days for table in day_tables(contract)} | {drift.STEP: ingested_days}
    for step, days_of in possible.items():
        made = lake.days(step)  # looked at first: another process may be committing more days of both
        for day in sorted(set(made).difference(days_of(contract, lake) if made else [])):
            lake.withdraw(step, day)


def ingested_days(contract: Contract, lake: Lake) -> list[date]:
    return lake.days("ingest")
