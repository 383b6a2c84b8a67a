"""The definition of the features as plain loops over all rows."""

from collections.abc import Callable, Iterator
from typing import Any

from hinet_core.contract import Contract, Entity

Row = dict[str, Any]
Found = tuple[str, Any]

# Every kind of feature at once, for the contract of tests/tiny_log.py.
EVERY_KIND: dict[str, Any] = {
    "windows_days": [1, 3],
    "prior_impressions": 2.0,
    "min_token_count": 1,
    "entities": [
        {"name": "user", "keys": ["user"], "counts": ["impressions", "order"], "days_active": True},
        {"name": "city", "keys": ["city"], "counts": [], "rates": ["order"], "recency": False},
        {"name": "scenario", "keys": ["scenario_id"], "days_active": True},
        {"name": "pair", "keys": ["user", "place"]},
    ],
}


def keys_of(row: Row, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    values = tuple(row[key] for key in keys)
    return None if None in values else values


def known_day(row: Row, task: str) -> int:
    """The day on which an outcome counts; a clock that runs ahead of its impression counts on the day shown."""
    return max(row[f"known_day_{task}"], row["day_number"])


def known(rows: list[Row], task: str, low: int, high: int) -> int:
    """Outcomes that became known on the days low..high."""
    return sum(one[f"label_{task}"] == 1 and low <= known_day(one, task) <= high for one in rows)


def shown(rows: list[Row], low: int, high: int) -> int:
    """Impressions shown on the days low..high."""
    return sum(low <= one["day_number"] <= high for one in rows)


def clip(rate: float) -> float:
    return min(max(rate, 0.0), 1.0)


def smooth(n_known: float, n_shown: float, prior: float, base: float) -> float:
    return clip((n_known + prior * base) / (n_shown + prior))


class Slow:
    """All computed features of the rows of one log, by the definition."""

    def __init__(self, contract: Contract, rows: list[Row]) -> None:
        self.contract, self.rows = contract, rows
        self.prior = contract.features.prior_impressions
        self.tasks = [one.name for one in contract.tasks]

    def features(self, row: Row) -> dict[str, Any]:
        return dict(found for entity in self.contract.features.entities for found in self.of_entity(entity, row))

    def of_entity(self, entity: Entity, row: Row) -> Iterator[Found]:
        mine, day = self.same(entity.keys, row), row["day_number"]
        for window in self.contract.features.windows_days:
            yield from self.in_window(entity, row, mine, f"{window}d", day - window, day - 1)
        if entity.recency:
            days = [one["day_number"] for one in mine if self.longest(day) <= one["day_number"] < day]
            yield f"{entity.name}_recency_days", day - max(days) if days else None

    def in_window(self, entity: Entity, row: Row, mine: list[Row], window: str, low: int, high: int) -> Iterator[Found]:
        name, n_shown = entity.name, shown(mine, low, high)
        for counted in entity.counts:
            if counted == "impressions":
                yield f"{name}_impressions_{window}", n_shown
            else:
                yield f"{name}_{counted}_count_{window}", known(mine, counted, low, high)
        for task in self.tasks if entity.rates is None else entity.rates:
            base = self.base(row, task, low, high, of_all_rows=entity.keys == ("scenario_id",))
            yield f"{name}_{task}_rate_{window}", smooth(known(mine, task, low, high), n_shown, self.prior, base)
        if entity.days_active:
            days = {one["day_number"] for one in mine if low <= one["day_number"] <= high}
            yield f"{name}_active_days_{window}", len(days)

    def same(self, keys: tuple[str, ...], row: Row) -> list[Row]:
        """The rows of the same key; a key with a missing part has none."""
        key = keys_of(row, keys)
        return [one for one in self.rows if key is not None and keys_of(one, keys) == key]

    def base(self, row: Row, task: str, low: int, high: int, of_all_rows: bool) -> float:
        overall = smooth(known(self.rows, task, low, high), shown(self.rows, low, high), 1.0, 0.1)
        if of_all_rows:
            return overall
        mine = self.same(("scenario_id",), row)
        return smooth(known(mine, task, low, high), shown(mine, low, high), self.prior, overall)

    def longest(self, day: int) -> int:
        return day - max(self.contract.features.windows_days)


def slow_features(contract: Contract, rows: list[Row]) -> Callable[[Row], dict[str, Any]]:
    """All computed features of a row of this log."""
    return Slow(contract, rows).features
