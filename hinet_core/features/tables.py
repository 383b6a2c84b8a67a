"""The tables that DuckDB computes day by day from impressions, in the order in which they are computed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import duckdb

from hinet_core.contract import Contract
from hinet_core.features import daily, examples, recent
from hinet_core.features.history import Lineage
from hinet_core.lake import Lake, Manifest


@dataclass(frozen=True)
class DayTable:
    """`lineage`: what a day is made from now. `write`: compute and commit days."""

    name: str
    lineage: Callable[[Contract, Lake, date], Lineage]
    write: Callable[[duckdb.DuckDBPyConnection, Contract, Lake, Iterable[date]], list[Manifest]]

    def pending(self, contract: Contract, lake: Lake) -> list[date]:
        """Ingested days whose rows are not those of the present inputs."""
        return [day for day in lake.days("ingest") if not self.is_current(contract, lake, day)]

    def is_current(self, contract: Contract, lake: Lake, day: date) -> bool:
        return lake.made_from(self.name, day, **self.lineage(contract, lake, day))


def day_tables(contract: Contract) -> list[DayTable]:
    """The tables of a contract; what no feature needs is left out."""
    tables = [DayTable(daily.STEP, daily.lineage, daily.write_daily_range)]
    if contract.features.recent:
        tables.append(DayTable(recent.STEP, recent.lineage, recent.write_recent_range))
    return [*tables, DayTable(examples.STEP, examples.lineage, examples.write_examples_range)]
