"""Which days a day is made from, what they held, and what is said when they are missing."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hinet_core.contract import Contract
from hinet_core.lake import Lake
from hinet_core.progress import track

EPOCH = date(1970, 1, 1)
# What a commit was made from: `data_fingerprint` and `inputs`; it is current while these are the same.
Lineage = dict[str, Any]


class HistoryError(ValueError):
    """A day cannot be computed from what is committed; the message says what is missing."""


def require_counted(contract: Contract, lake: Lake, day: date, table: str) -> None:
    """Refuse a day on which nothing was shown and no outcome of the days around it can become known."""
    if day not in counted_days(contract, lake):
        raise HistoryError(
            f"{table} of {day}: the day has no committed impressions; ingest it first, or leave it as a gap"
        )


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def days_before(day: date, n_days: int) -> list[date]:
    """The n days before a day, oldest first."""
    return [day - timedelta(days=back) for back in range(n_days, 0, -1)]


def source_days(contract: Contract, day: date) -> list[date]:
    """The impression days whose outcomes may become known on `day`, that day included.

    One day more than the maturity: across a clock change 24 hours can touch three dates.
    """
    return [*days_before(day, contract.maturity_days + 1), day]


def with_gaps(contract: Contract, ingested: Iterable[date]) -> list[date]:
    """The ingested days and, between them, the days without impressions on which their outcomes may become known.

    A day after the last one is not among them: nothing looks back on it before a later day is there.
    """
    days = sorted(ingested)
    reach = contract.maturity_days + 1 if contract.maturity_days else 0
    gaps = (
        day + timedelta(days=step)
        for day, following in pairwise(days)
        for step in range(1, min(reach + 1, (following - day).days))
    )
    return sorted([*days, *gaps])


def counted_days(contract: Contract, lake: Lake) -> list[date]:
    """The days that have counts, lists and running counters."""
    return with_gaps(contract, lake.days("ingest"))


def history_days(contract: Contract, day: date) -> list[date]:
    """The days that the longest window of `day` looks at, oldest first."""
    return days_before(day, max(contract.features.windows_days))


def each_day(days: Iterable[date], label: str) -> Iterator[date]:
    """Every day once, oldest first, with progress."""
    return track(sorted(set(days)), label)


def lineage_of(contract: Contract, inputs: dict[str, Any]) -> Lineage:
    return {"data_fingerprint": contract.data_fingerprint, "inputs": inputs}


def step_hashes(lake: Lake, step: str, days: Iterable[date]) -> dict[str, str]:
    """Day to content hash of the table that others read of a step: what a later run compares to know it is current.

    Of ingest that is `impressions`: a new finding, counter or book beside the same rows makes nothing stale.
    """
    table = "impressions" if step == "ingest" else step
    found = ((day, lake.manifest(step, day)) for day in days)
    return {day.isoformat(): manifest.hash_of(table) for day, manifest in found if manifest is not None}
