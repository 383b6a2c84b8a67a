"""The definition of the features as plain loops over all rows."""

from typing import Any

from hinet_core.contract import Contract

Row = dict[str, Any]


def keys_of(row: Row, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    values = tuple(row[key] for key in keys)
    return None if None in values else values


def counts(rows: list[Row], keys: tuple[str, ...], key: Any, task: str, low: int, high: int) -> tuple[int, int]:
    """Impressions shown and outcomes known on the days low..high for one key."""
    mine = [one for one in rows if key is not None and keys_of(one, keys) == key]
    shown = sum(low <= one["day_number"] <= high for one in mine)
    known = sum(
        one[f"label_{task}"] == 1 and low <= max(one[f"known_day_{task}"], one["day_number"]) <= high for one in mine
    )
    return shown, known


def clip(rate: float) -> float:
    return min(max(rate, 0.0), 1.0)


def slow_features(contract: Contract, rows: list[Row], row: Row) -> dict[str, Any]:
    """All computed features of one row."""
    found: dict[str, Any] = {}
    day, prior = row["day_number"], contract.features.prior_impressions
    for entity in contract.features.entities:
        key = keys_of(row, entity.keys)
        for window in contract.features.windows_days:
            frame = (day - window, day - 1)
            for task in (one.name for one in contract.tasks):
                shown_all, known_all = counts(rows, (), (), task, *frame)
                base = clip((known_all + 0.1) / (shown_all + 1.0))
                if entity.keys != ("scenario_id",):
                    shown_s, known_s = counts(rows, ("scenario_id",), (row["scenario_id"],), task, *frame)
                    base = clip((known_s + prior * base) / (shown_s + prior))
                shown, known = counts(rows, entity.keys, key, task, *frame)
                found[f"{entity.name}_impressions_{window}d"] = shown
                found[f"{entity.name}_{task}_rate_{window}d"] = clip((known + prior * base) / (shown + prior))
        longest = max(contract.features.windows_days)
        days = [
            one["day_number"]
            for one in rows
            if key is not None and keys_of(one, entity.keys) == key and day - longest <= one["day_number"] < day
        ]
        found[f"{entity.name}_recency_days"] = day - max(days) if days else None
    return found
