"""The tables that DuckDB computes day by day from impressions, in the order in which they are computed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import duckdb

from hinet_core.contract import Contract
from hinet_core.features import daily, examples
from hinet_core.features.history import source_days, step_hashes
from hinet_core.lake import Lake, Manifest


@dataclass(frozen=True)
class DayTable:
    """`pending`: ingested days whose rows are not those of the present inputs. `write`: compute and commit days."""

    name: str
    pending: Callable[[Contract, Lake], list[date]]
    write: Callable[[duckdb.DuckDBPyConnection, Contract, Lake, Iterable[date]], list[Manifest]]


def pending_daily(contract: Contract, lake: Lake) -> list[date]:
    """Ingested days whose aggregates are not those of the present impressions."""
    return [
        day
        for day in lake.days("ingest")
        if not lake.made_from(
            daily.STEP,
            day,
            data_fingerprint=contract.data_fingerprint,
            inputs=step_hashes(lake, "ingest", source_days(contract, day)),
        )
    ]


def pending_examples(contract: Contract, lake: Lake) -> list[date]:
    """Ingested days whose examples are not those of the present impressions and aggregates."""
    stale = []
    for day in lake.days("ingest"):
        now = examples.lineage(contract, lake, day)
        if not lake.made_from(examples.STEP, day, data_fingerprint=now["data_fingerprint"], inputs=now["inputs"]):
            stale.append(day)
    return stale


DAY_TABLES = (
    DayTable(daily.STEP, pending_daily, daily.write_daily_range),
    DayTable(examples.STEP, pending_examples, examples.write_examples_range),
)
