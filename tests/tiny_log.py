"""Tiny logs with known times: a contract, random rows with ties, midnights and late orders, and their lake."""

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from hinet_core.contract import Contract, parse_contract
from hinet_core.lake import Lake

Row = dict[str, Any]
HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CONTRACT = {
    "name": "tiny",
    "time_zone": "UTC",
    "first_day": date(2024, 3, 6),
    "sources": [{"name": "log", "files": "*.parquet", "format": "parquet"}],
    "dedupe": {"key": ["user", "shop", "shown_at"]},
    "columns": [
        {"name": "user", "type": "string", "role": "user"},
        {"name": "shop", "type": "int64", "role": "item", "encode": "id"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time"},
        {"name": "slot", "type": "int16", "role": "position", "min": 1, "nullable": True},
        {"name": "city", "type": "string", "role": "feature", "encode": "id", "nullable": True},
        {"name": "price", "type": "float64", "role": "feature", "encode": "number", "nullable": True},
        {"name": "tags", "type": "list<string>", "role": "feature", "encode": "list", "nullable": True},
        {"name": "clicked", "type": "int8", "role": "outcome"},
        {"name": "ordered", "type": "int8", "role": "outcome"},
        {"name": "ordered_at", "type": "timestamp", "role": "known_at", "nullable": True},
    ],
    "scenarios": [{"id": "home"}, {"id": "map"}, {"id": "other", "modelled": False}],
    "tasks": [
        {"name": "click", "label": "clicked"},
        {"name": "order", "label": "ordered", "after": "click", "known_at": "ordered_at", "window": "24h",
         "matures_after": "24h"},
    ],
    "features": {
        "windows_days": [1, 3],
        "prior_impressions": 2.0,
        "min_token_count": 1,
        "entities": [
            {"name": "user", "keys": ["user"]},
            {"name": "city", "keys": ["city"]},
            {"name": "scenario", "keys": ["scenario_id"]},
            {"name": "pair", "keys": ["user", "place"]},
        ],
    },
    "split": {"train_days": 5, "judged_days": 2},
}  # fmt: skip

SCHEMA = pa.schema(
    [("user", pa.string()), ("shop", pa.int64()), ("place", pa.string()), ("shown_at", pa.timestamp("us")),
     ("slot", pa.int16()), ("city", pa.string()), ("price", pa.float64()), ("tags", pa.list_(pa.string())),
     ("clicked", pa.int8()), ("ordered", pa.int8()), ("ordered_at", pa.timestamp("us")),
     ("day", pa.date32()), ("day_number", pa.int32()), ("hour", pa.int8()), ("exposed_us", pa.int64()),
     ("scenario_id", pa.string()), ("label_click", pa.int8()), ("known_us_click", pa.int64()),
     ("known_day_click", pa.int32()), ("label_order", pa.int8()), ("known_us_order", pa.int64()),
     ("known_day_order", pa.int32()), ("source_file", pa.string()), ("record_number", pa.int64())]
)  # fmt: skip


def tiny_contract(**changes: Any) -> Contract:
    return parse_contract(CONTRACT | changes)


def local(us: int, zone: str) -> datetime:
    return (EPOCH + timedelta(microseconds=us)).astimezone(ZoneInfo(zone))


def midnight_us(day: date, zone: str) -> int:
    return (datetime.combine(day, time(), ZoneInfo(zone)) - EPOCH) // timedelta(microseconds=1)


def number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def row(zone: str, us: int, record: int, **values: Any) -> Row:
    """One impression; `order_us` is when it was ordered, absent when it was not."""
    order_us = values.pop("order_us", None)
    click = int(values.pop("click", order_us is not None))
    shown = local(us, zone)
    known = us + 24 * HOUR_US if order_us is None else order_us
    naive = datetime(1970, 1, 1)
    return {
        "user": "u0", "shop": 1, "place": "home", "slot": 1, "city": "x", "price": 1.0, "tags": ["t0"],
        "shown_at": naive + timedelta(microseconds=us), "clicked": click, "ordered": int(order_us is not None),
        "ordered_at": None if order_us is None else naive + timedelta(microseconds=order_us),
        "day": shown.date(), "day_number": number(shown.date()), "hour": shown.hour, "exposed_us": us,
        "scenario_id": values.get("place", "home"), "label_click": click, "known_us_click": us,
        "known_day_click": number(shown.date()), "label_order": int(order_us is not None), "known_us_order": known,
        "known_day_order": number(local(known, zone).date()), "source_file": "log", "record_number": record,
    } | values  # fmt: skip


def random_rows(seed: int, zone: str, first: date, n_days: int, n: int = 120) -> list[Row]:
    """Rows over some days: tied times, exact midnights, orders at once, next day and just inside 24 hours."""
    draw = random.Random(seed)
    start, stop = midnight_us(first, zone), midnight_us(first + timedelta(days=n_days), zone)
    midnights = [midnight_us(first + timedelta(days=k), zone) for k in range(n_days)]
    times = [draw.randrange(start, stop) for _ in range(n // 2)]
    times += [draw.choice(times) for _ in range(n // 4)]
    times += [draw.choice(midnights) + draw.choice([0, 0, 1]) for _ in range(n - len(times))]
    rows = []
    for record, us in enumerate(times):
        delay = draw.choice([None, None, 0, 1, 5 * HOUR_US, 23 * HOUR_US, 24 * HOUR_US])
        rows.append(
            row(zone, us, record, user=draw.choice(["u0", "u1", "u|2", "~u"]), shop=draw.randrange(5),
                place=draw.choice(["home", "map", "other"]), city=draw.choice(["x", "y", "y|", None]),
                price=draw.choice([None, 0.0, 3.5, 99.0]), slot=draw.choice([1, 2, 3, None]), click=draw.random() < 0.6,
                tags=draw.choice([None, [], ["t0"], ["t1", "t0", None]]),
                order_us=None if delay is None else us + delay)
        )  # fmt: skip
    return rows


def write_ingest(root: Path, rows: Iterable[Row]) -> Lake:
    """Commit the rows as ingested days."""
    lake = Lake(root)
    by_day: dict[date, list[Row]] = {}
    for one in rows:
        by_day.setdefault(one["day"], []).append(one)
    for day, group in sorted(by_day.items()):
        with lake.begin("ingest", day) as draft:
            draft.write_rows("impressions", group, SCHEMA)
            draft.commit()
    return lake
