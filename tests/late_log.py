"""A log whose orders come later, in files of their own: its contract, and how its files are written."""

import copy
from pathlib import Path
from typing import Any

LATE: dict[str, Any] = {
    "name": "late",
    "time_zone": "Europe/Berlin",
    "first_day": "2026-03-01",
    "last_day": "2026-04-30",
    "sources": [
        {"name": "log", "files": "log_*.csv", "format": "csv"},
        {"name": "orders", "kind": "outcomes", "files": "orders_*.csv", "format": "csv",
         "join": {"request": "req", "item": "sku"}},
    ],
    "columns": [
        {"name": "request", "type": "int64", "role": "request", "min": 1},
        {"name": "user", "type": "int64", "role": "user"},
        {"name": "item", "type": "string", "role": "item", "encode": "id"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time", "parse": "iso"},
        {"name": "clicked", "type": "int8", "role": "outcome", "values": [0, 1]},
        {"name": "ordered", "type": "int8", "role": "outcome", "source": "orders", "values": [0, 1]},
        {"name": "ordered_at", "type": "timestamp", "role": "known_at", "source": "orders", "parse": "iso"},
        {"name": "amount", "type": "float64", "source": "orders", "from": "sum", "nullable": True},
    ],
    "scenarios": [{"id": "home"}, {"id": "search"}],
    "tasks": [
        {"name": "click", "label": "clicked"},
        {"name": "order", "label": "ordered", "after": "click", "known_at": "ordered_at", "window": "24h",
         "matures_after": "48h"},
    ],
    "dedupe": {"key": ["request", "item"]},
    "features": {"windows_days": [1, 3], "entities": [{"name": "user", "keys": ["user"]}]},
    "split": {"train_days": 5, "judged_days": 1},
}  # fmt: skip
LOG_HEADER = "request,user,item,place,shown_at,clicked"
ORDERS_HEADER = "req,sku,ordered,ordered_at,sum"


def late_raw() -> dict[str, Any]:
    """The contract as a dictionary that a test may change."""
    return copy.deepcopy(LATE)


def part_of(raw: dict[str, Any], group: str, name: str) -> dict[str, Any]:
    """The source, column or task of a contract that bears the name."""
    return next(one for one in raw[group] if one["name"] == name)


def write_csv(folder: Path, name: str, lines: list[str], header: str = "") -> None:
    """A landed file; the header follows from the name unless it is given."""
    header = header or (LOG_HEADER if name.startswith("log") else ORDERS_HEADER)
    (folder / name).write_text("\n".join([header, *lines]) + "\n")
