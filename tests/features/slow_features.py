"""The definition of the features as plain loops over all rows."""

from collections.abc import Callable, Iterator
from functools import cache
from math import floor
from typing import Any

from hinet_core.contract import Contract, Entity
from hinet_core.contract.grammar import Recent

Row = dict[str, Any]
Found = tuple[str, Any]

# Every kind of feature at once, for the contract of tests/tiny_log.py.
EVERY_KIND: dict[str, Any] = {
    "windows_days": [1, 3],
    "prior_impressions": 2.0,
    "min_token_count": 1,
    "entities": [
        {"name": "user", "keys": ["user"], "counts": ["impressions", "order"], "days_active": True,
         "coec": ["click", "order"], "residual": ["order"], "lifetime": True},
        {"name": "city", "keys": ["city"], "counts": [], "rates": ["order"], "recency": False},
        {"name": "scenario", "keys": ["scenario_id"], "days_active": True, "lifetime": True},
        {"name": "pair", "keys": ["user", "place"], "coec": ["click"], "residual": ["click", "order"]},
    ],
    "recent": [
        {"name": "user_shops", "entity": "user", "of": "shop", "length": 3, "within_days": 3},
        {"name": "user_orders", "entity": "user", "of": "shop", "task": "order", "length": 3, "within_days": 2},
        {"name": "pair_cities", "entity": "pair", "of": "city", "length": 4, "within_days": 1, "distinct": False},
        {"name": "city_places", "entity": "city", "of": "scenario_id", "task": "click", "within_days": 3},
    ],
}  # fmt: skip
# One feature of each kind, for tests that compute many days.
ONE_OF_EACH: dict[str, Any] = {
    "windows_days": [1, 3],
    "entities": [
        {"name": "user", "keys": ["user"], "counts": ["impressions", "order"], "rates": ["order"], "coec": ["order"],
         "residual": ["click"], "days_active": True, "lifetime": True},
    ],
    "recent": [{"name": "orders", "entity": "user", "of": "shop", "task": "order", "within_days": 3}],
}  # fmt: skip


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
    return clip((n_known + prior * base) / (n_shown + prior)) if n_shown else base


class Slow:
    """All computed features of the rows of one log, by the definition."""

    def __init__(self, contract: Contract, rows: list[Row]) -> None:
        self.contract, self.rows = contract, rows
        self.prior = contract.features.prior_impressions
        self.tasks = [one.name for one in contract.tasks]

    def features(self, row: Row) -> dict[str, Any]:
        found = dict(one for entity in self.contract.features.entities for one in self.of_entity(entity, row))
        return found | {one.name: self.last_values(one, row) for one in self.contract.features.recent}

    def last_values(self, recent: Recent, row: Row) -> list[str] | None:
        """Newest first; values met at the same moment in the order of their texts; None where there is none."""
        (keys,) = (one.keys for one in self.contract.features.entities if one.name == recent.entity)
        met = []
        for one in self.same(keys, row):
            us, day = one["exposed_us"], one["day_number"]
            if recent.task is not None:
                us, day = max(us, one[f"known_us_{recent.task}"]), known_day(one, recent.task)
            counts = one[recent.of] is not None and (recent.task is None or one[f"label_{recent.task}"] == 1)
            if counts and row["day_number"] - recent.within_days <= day < row["day_number"]:
                met.append((-us, str(one[recent.of])))
        values = [value for _, value in sorted(met)]
        return (list(dict.fromkeys(values)) if recent.distinct else values)[: recent.length] or None

    def of_entity(self, entity: Entity, row: Row) -> Iterator[Found]:
        mine, day = self.same(entity.keys, row), row["day_number"]
        for window in self.contract.features.windows_days:
            yield from self.in_window(entity, row, mine, f"{window}d", day - window, day - 1)
        if entity.lifetime:
            yield from self.in_window(entity, row, mine, "lifetime", 0, day - 1)
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
        for task in entity.coec:
            prior = self.prior * self.overall(task, low, high)
            expected = self.expected(mine, ("scenario_id", "slot"), task, low, high)
            yield f"{name}_{task}_coec_{window}", (known(mine, task, low, high) + prior) / (expected + prior)
        for task in entity.residual:
            over = known(mine, task, low, high) - self.expected(mine, ("scenario_id",), task, low, high)
            yield f"{name}_{task}_residual_{window}", max(min(over / (n_shown + self.prior), 1.0), -1.0)
        if entity.days_active:
            days = {one["day_number"] for one in mine if low <= one["day_number"] <= high}
            yield f"{name}_active_days_{window}", len(days)

    def same(self, keys: tuple[str, ...], row: Row) -> list[Row]:
        """The rows of the same key; a key with a missing part has none."""
        key = keys_of(row, keys)
        return [one for one in self.rows if key is not None and keys_of(one, keys) == key]

    def overall(self, task: str, low: int, high: int) -> float:
        return smooth(known(self.rows, task, low, high), shown(self.rows, low, high), 1.0, 0.1)

    def base(self, row: Row, task: str, low: int, high: int, of_all_rows: bool) -> float:
        if of_all_rows:
            return self.overall(task, low, high)
        mine = [one for one in self.rows if one["scenario_id"] == row["scenario_id"]]
        return smooth(known(mine, task, low, high), shown(mine, low, high), self.prior, self.overall(task, low, high))

    def expected(self, rows: list[Row], place: tuple[str, ...], task: str, low: int, high: int) -> float:
        """Outcomes that the rows shown on the days low..high let expect: each the rate of its place on its day."""
        return sum(
            floor(1e6 * self.rate_of(task, one["day_number"], tuple((part, one[part]) for part in place)) + 0.5)
            for one in rows
            if low <= one["day_number"] <= high
        ) / 1e6

    @cache  # noqa: B019 - lives as long as the test
    def rate_of(self, task: str, day: int, place: tuple[Found, ...]) -> float:
        """The rate of a scenario, or of a scenario and slot, on a day and from that day alone."""
        mine = [one for one in self.rows if all(one[part] == value for part, value in place)]
        base = self.rate_of(task, day, place[:-1]) if len(place) > 1 else self.overall(task, day, day)
        return smooth(known(mine, task, day, day), shown(mine, day, day), self.prior, base)

    def longest(self, day: int) -> int:
        return day - max(self.contract.features.windows_days)


def slow_features(contract: Contract, rows: list[Row]) -> Callable[[Row], dict[str, Any]]:
    """All computed features of a row of this log."""
    return Slow(contract, rows).features
