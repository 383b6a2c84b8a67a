"""A contract that uses every kind of check, a day of impressions without any fault, and days like it before."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hinet_core.contract import Contract, parse_contract
from hinet_core.lake import Lake, quote_identifier
from hinet_core.quality.profile import profile

DAY = date(2024, 3, 31)  # in Berlin this day has 23 hours
N_ROWS = 2400
RAW: dict[str, Any] = {
    "name": "tiny",
    "time_zone": "Europe/Berlin",
    "first_day": date(2024, 3, 1),
    "sources": [{"name": "log", "files": "*.csv", "format": "csv"}],
    "dedupe": {"key": ["request_id", "item_id"]},
    "columns": [
        {"name": "request_id", "type": "string", "role": "request", "pattern": r"r[0-9]{4}"},
        {"name": "user_id", "type": "int64", "role": "user", "min": 1},
        {"name": "item_id", "type": "int64", "role": "item"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time"},
        {"name": "device", "type": "string", "values": ["ios", "android"]},
        {"name": "price", "type": "float32", "min": 0.1, "max": 99.9},
        {"name": "age", "type": "int32", "nullable": True},
        {"name": "tags", "type": "list<string>", "nullable": True},
        {"name": "city", "type": "string", "role": "feature", "encode": "id"},
        {"name": "is_click", "type": "int8", "role": "outcome", "values": [0, 1]},
        {"name": "is_order", "type": "int8", "role": "outcome", "values": [0, 1]},
    ],
    "scenarios": [{"id": "home"}, {"id": "search"}, {"id": "old", "modelled": False}],
    "tasks": [
        {"name": "click", "label": "is_click"},
        {"name": "order", "label": "is_order", "after": "click", "matures_after": "24h"},
    ],
    "quality": {
        "min_rows": 100,
        "max_quarantined_share": 0.05,
        "max_duplicate_share": 0.05,
        "max_null_share": {"age": 0.3},
        "scenario_min_rows": {"home": 500},
        "task_rates": {"click": {"low": 0.1, "high": 0.6}, "order": {"low": 0.01, "high": 0.3}},
    },
}
COUNTS = {"rows_read": 2500, "rows_kept": N_ROWS, "rows_duplicate": 60, "rows_quarantined": 40, "unknown_scenario": 0}


def contract(**changes: Any) -> Contract:
    return parse_contract({**RAW, **changes})


def fill(con: Any, n_rows: int = N_ROWS) -> str:
    """Create table `impressions` with a day that breaks no rule; eight items a request."""
    start_us = int(datetime(2024, 3, 30, 23, tzinfo=UTC).timestamp()) * 1_000_000
    con.execute(
        f"""
        CREATE OR REPLACE TABLE impressions AS
        WITH base AS (
            SELECT i, {start_us} + i * 30_000_000 AS exposed_us, CAST(i % 3 = 0 AS TINYINT) AS click,
                   CAST(i % 12 = 0 AS TINYINT) AS orders
            FROM range({n_rows}) AS t(i)
        )
        SELECT 'r' || printf('%04d', i // 8) AS request_id, 1 + i // 8 % 50 AS user_id, 100 + i % 8 AS item_id,
               CASE WHEN i // 8 % 4 < 3 THEN 'home' ELSE 'search' END AS place,
               make_timestamp(exposed_us) AS shown_at,
               CASE WHEN i % 5 < 2 THEN 'ios' ELSE 'android' END AS device,
               CAST(CASE WHEN i = 0 THEN 0.1 WHEN i = 1 THEN 99.9 ELSE 1 + i % 90 END AS FLOAT) AS price,
               CASE WHEN i % 10 > 1 THEN CAST(18 + i % 60 AS INTEGER) END AS age,
               CASE WHEN i % 7 > 0 THEN ['new', 'hot'] END AS tags,
               ['Bonn', 'Köln', 'Ulm'][1 + i % 3] AS city, click AS is_click, orders AS is_order,
               DATE '{DAY}' AS day, CAST(DATE '{DAY}' - DATE '1970-01-01' AS INTEGER) AS day_number,
               CAST(i // 120 % 24 AS TINYINT) AS hour, exposed_us, place AS scenario_id,
               click AS label_click, exposed_us AS known_us_click,
               CAST(exposed_us // 86_400_000_000 AS INTEGER) AS known_day_click,
               orders AS label_order, exposed_us + 86_400_000_000 AS known_us_order,
               CAST(exposed_us // 86_400_000_000 + 1 AS INTEGER) AS known_day_order,
               'log.csv' AS source_file, i AS record_number
        FROM base
        """
    )
    return "impressions"


def plant(con: Any, column: str, value: str, where: str) -> None:
    """Overwrite a column where a condition holds; `value` is SQL."""
    con.execute(f"UPDATE impressions SET {quote_identifier(column)} = {value} WHERE {where}")


def remember(con: Any, root: Path, days_before: Iterable[int]) -> Lake:
    """A lake in which the present table was committed so many days before: what history is read from."""
    lake = Lake(root)
    measured = profile(con, "impressions", contract(), {})
    for back in days_before:
        day = DAY - timedelta(days=back)
        with lake.begin("ingest", day) as draft:
            for table, rows in measured.tables(day).items():
                draft.write_rows(table, rows, rows.schema)
            draft.commit()
    return lake
