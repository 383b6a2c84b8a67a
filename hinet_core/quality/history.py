"""What the days before say: pooled shares, same weekdays, values seen. Read from stored profiles, never from rows.

Only committed days before the judged one count, so a verdict depends on which of them are committed when the day is
judged; the day's manifest names them (`history`). The rows of the day do not depend on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import duckdb

from hinet_core.contract import Contract
from hinet_core.lake import Lake, quote_literal
from hinet_core.quality.profile import CATEGORIES, PROFILE, Cell


@dataclass(frozen=True)
class Past:
    """A share pooled over `days` days."""

    part: int
    whole: int
    days: int


@dataclass(frozen=True)
class History:
    """`shares` of the trailing days by scenario, measure and column; `weekday_rows` of the same weekdays by scenario;
    `seen` values by column with the number of days that listed them. `hashes`: day -> hash of its profile."""

    shares: Mapping[Cell, Past] = field(default_factory=dict)
    weekday_rows: Mapping[str, list[int]] = field(default_factory=dict)
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    listed_days: Mapping[str, int] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)


def trailing_days(contract: Contract, day: date) -> list[date]:
    return [day - timedelta(days=back) for back in range(contract.quality.history.days, 0, -1)]


def same_weekdays(contract: Contract, day: date) -> list[date]:
    return [day - timedelta(weeks=back) for back in range(contract.quality.history.weeks, 0, -1)]


def read_history(con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake, day: date) -> History:
    """The history of a day from what is committed now."""
    trailing, weekdays = trailing_days(contract, day), same_weekdays(contract, day)
    hashes = profile_hashes(lake, {*trailing, *weekdays})
    known = {date.fromisoformat(one) for one in hashes}
    if not known:
        return History()
    profiles = lake.scan(con, PROFILE, known)
    shares = {
        (scenario, measure, column): Past(part, whole, days)
        for scenario, measure, column, part, whole, days in profiles.filter(among(trailing))
        .aggregate(
            "scenario_id, measure, column_name, sum(part)::BIGINT, sum(whole)::BIGINT, count(DISTINCT day)",
            "scenario_id, measure, column_name",
        )
        .fetchall()
    }
    rows: dict[str, list[int]] = {}
    on_weekdays = profiles.filter(f"measure = 'rows' AND {among(weekdays)}").order("day")
    for scenario, count in on_weekdays.project("scenario_id, part").fetchall():
        rows.setdefault(scenario, []).append(count)
    seen: dict[str, set[str]] = {}
    recent = known.intersection(trailing)
    if recent:
        values = lake.scan(con, CATEGORIES, recent).project("column_name, value").distinct().fetchall()
        for column, value in values:
            seen.setdefault(column, set()).add(value)
    listed = {column: past.days for (_, measure, column), past in shares.items() if measure == "listed"}
    return History(shares, rows, {name: frozenset(values) for name, values in seen.items()}, listed, hashes)


def among(days: Iterable[date]) -> str:
    return f"day IN ({', '.join(f'DATE {quote_literal(one.isoformat())}' for one in days)})"


def profile_hashes(lake: Lake, days: Iterable[date]) -> dict[str, str]:
    """The committed days that have a profile, with its hash."""
    found = ((day, lake.manifest("ingest", day)) for day in sorted(days))
    return {
        day.isoformat(): manifest.hash_of(PROFILE, CATEGORIES)
        for day, manifest in found
        if manifest is not None and PROFILE in manifest.tables
    }
