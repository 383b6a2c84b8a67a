"""Landed files -> typed, ruled, deduplicated lake, against bare DuckDB writing the same files as zstd Parquet.

`python bench/ingest.py [rows]`: one JSON line per source: Parquet, CSV, and CSV with a line that is no record in each
file, which is read line by line. `ratio` is the bare copy's time over ours, so 0.55 means that everything the platform
adds (hash and index of the file, casts, rules, dedupe, books, content hash, fsync, commit) costs less than the copy
itself. Wall and CPU seconds (all threads) from the same run, best of three, bare and ours in turn. The files are in the
page cache; Great Expectations is not part of the figure.
"""

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

os.environ.setdefault("HINET_THREADS", "2")

from hinet_core.contract import Contract, parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake, connect
from hinet_core.settings import Paths

ROWS, DAYS, REPEATS = 2_000_000, 6, 3
DUPLICATE_SHARE = 0.01
# 25 columns, 15 of them strings; skewed ids, eight items a request, about 160 bytes a row of CSV. u(k) is uniform in
# [0, 1) and the same whenever row i is written, so that a row which comes twice is a duplicate.
LOG = """
    SELECT 'r' || lpad(CAST(i // 8 AS VARCHAR), 10, '0') AS request_id,
        'u' || CAST(500000 * pow(u(1), 2) AS INTEGER) AS user_id,
        'i' || CAST(120000 * pow(u(2), 2) AS INTEGER) AS item_id,
        'place_' || CAST(floor(12 * pow(u(3), 2)) AS INTEGER) AS place,
        TIMESTAMP '2026-03-01' + to_microseconds(CAST((i // 8) * 8 * (86400000000.0 * {days} / {rows}) AS BIGINT))
            AS shown_at,
        CAST(i % 8 + 1 AS TINYINT) AS slot,
        CAST(u(4) < 0.08 AS TINYINT) AS clicked, CAST(0 AS TINYINT) AS ordered,
        round(u(5) * 100, 2) AS price, round(u(6) * 20, 3) AS distance,
        CAST(u(7) * 1000 AS INTEGER) AS stock, CAST(u(8) * 3600 AS INTEGER) AS session_s,
        CAST(u(9) * 4000 AS INTEGER) AS age_days, round(u(10), 4) AS score,
        'city_' || CAST(300 * pow(u(11), 2) AS INTEGER) AS city,
        'dev' || CAST(40 * pow(u(12), 2) AS INTEGER) AS device,
        ['ios', 'android', 'web'][1 + CAST(floor(u(13) * 3) AS INTEGER)] AS os,
        '7.' || CAST(20 * u(14) AS INTEGER) || '.' || CAST(9 * u(15) AS INTEGER) AS app_version,
        'cat' || CAST(80 * pow(u(16), 2) AS INTEGER) AS category,
        'brand' || CAST(5000 * pow(u(17), 2) AS INTEGER) AS brand,
        's' || CAST(40000 * pow(u(18), 2) AS INTEGER) AS shop_id,
        ['push', 'ads', 'direct', 'search'][1 + CAST(floor(u(19) * 4) AS INTEGER)] AS channel,
        ['zh', 'en', 'de', 'fr'][1 + CAST(floor(u(20) * 4) AS INTEGER)] AS language,
        ['18-24', '25-34', '35-44', '45+'][1 + CAST(floor(u(21) * 4) AS INTEGER)] AS age_band,
        ['f', 'm', 'x'][1 + CAST(floor(u(22) * 3) AS INTEGER)] AS gender
    FROM (SELECT i FROM range({rows}) AS t(i) UNION ALL SELECT i * {every} AS i FROM range({repeated}) AS t(i))
"""
TYPES = {
    "request_id": "string", "user_id": "string", "item_id": "string", "place": "string", "shown_at": "timestamp",
    "slot": "int8", "clicked": "int8", "ordered": "int8", "price": "float64", "distance": "float64", "stock": "int64",
    "session_s": "int64", "age_days": "int64", "score": "float64", "city": "string", "device": "string",
    "os": "string", "app_version": "string", "category": "string", "brand": "string", "shop_id": "string",
    "channel": "string", "language": "string", "age_band": "string", "gender": "string",
}  # fmt: skip
ROLES = {
    "request_id": "request", "user_id": "user", "item_id": "item", "place": "scenario", "shown_at": "time",
    "slot": "position", "clicked": "outcome", "ordered": "outcome",
}  # fmt: skip
RULES = {
    "slot": {"min": 1, "max": 10}, "clicked": {"values": [0, 1]}, "ordered": {"values": [0, 1]},
    "price": {"min": 0, "nullable": True}, "gender": {"values": ["f", "m", "x"]},
}  # fmt: skip


def contract(file_format: str) -> Contract:
    columns = [
        {"name": name, "type": kind, "role": ROLES.get(name, "plain"), **RULES.get(name, {})}
        for name, kind in TYPES.items()
    ]
    return parse_contract(
        {
            "name": "bench", "time_zone": "UTC", "first_day": "2026-03-01", "columns": columns,
            "sources": [{"name": "log", "files": f"log_*.{file_format}", "format": file_format}],
            "scenarios": [{"id": f"place_{n}"} for n in range(12)],
            "tasks": [
                {"name": "click", "label": "clicked"},
                {"name": "order", "label": "ordered", "after": "click", "matures_after": "24h"},
            ],
            "dedupe": {"key": ["request_id", "item_id", "slot"]},
        }
    )  # fmt: skip


def log_query(rows: int, days: int, duplicates: float) -> str:
    """SELECT of a log of so many rows and days, and of the share of them that comes twice."""
    repeated = int(rows * duplicates)
    query = LOG.format(rows=rows, days=days, repeated=repeated, every=rows // max(repeated, 1))
    return re.sub(r"\bu\((\d+)\)", r"((hash(i, \1) >> 12) / 4503599627370496.0)", query)


def write_log(folder: Path, rows: int) -> None:
    """One CSV and one Parquet file a day, with the same rows."""
    con = connect()
    con.execute(f"CREATE TABLE log AS {log_query(rows, DAYS, DUPLICATE_SHARE)}")
    for number in range(DAYS):
        day = f"SELECT * FROM log WHERE CAST(shown_at AS DATE) = DATE '{date(2026, 3, 1 + number)}'"
        con.execute(f"COPY ({day}) TO '{folder}/log_{number}.csv' (FORMAT csv, HEADER)")
        con.execute(f"COPY ({day}) TO '{folder}/log_{number}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    con.close()


def add_odd_lines(landing: Path) -> None:
    """One line in each CSV that is no record, for which the whole file is read line by line."""
    for path in landing.glob("*.csv"):
        with path.open("a") as file:
            file.write("cut off,here\n")


def bare(landing: Path, file_format: str, target: Path) -> None:
    kinds = {"string": "VARCHAR", "timestamp": "TIMESTAMP", "int8": "TINYINT", "int64": "BIGINT", "float64": "DOUBLE"}
    schema = ", ".join(f"'{name}': '{kinds[kind]}'" for name, kind in TYPES.items())
    source = f"read_parquet('{landing}/log_*.parquet')"
    if file_format == "csv":
        source = f"read_csv('{landing}/log_*.csv', header = true, auto_detect = false, columns = {{{schema}}})"
    con = connect()
    con.execute(f"COPY (SELECT * FROM {source}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    con.close()


def ours(home: Path, file_format: str) -> dict[str, int]:
    paths = Paths(home)
    shutil.rmtree(paths.lake, ignore_errors=True)
    log = contract(file_format)
    landed = index(log, paths)
    results = list(ingest_days(log, Lake(paths.lake), landed, landed.days, None))
    return {name: sum(one.counts[name] for one in results) for name in results[0].counts}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one call, all threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HINET_HOME"] = folder
        home = Path(folder) / "bench"
        (home / "landing").mkdir(parents=True)
        write_log(home / "landing", rows)
        copies: list[tuple[float, float]] = []
        for source in ("parquet", "csv", "csv, odd lines"):
            file_format, _, odd = source.partition(", ")
            if odd:
                add_odd_lines(home / "landing")
            ingests, copies = [], copies if odd else []  # DuckDB alone does not read them
            for _ in range(REPEATS):
                if not odd:
                    copies.append(timed(lambda f=file_format: bare(home / "landing", f, home / "bare.parquet")))
                ingests.append(timed(lambda f=file_format: ours(home, f)))
            wall, cpu = (min(one[i] for one in ingests) for i in (0, 1))
            bare_wall, bare_cpu = (min(one[i] for one in copies) for i in (0, 1))
            figures = {
                "bench": "ingest", "source": source, **ours(home, file_format),
                "wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "bare_wall_s": round(bare_wall, 2),
                "bare_cpu_s": round(bare_cpu, 2), "ratio_wall": round(bare_wall / wall, 3),
                "ratio_cpu": round(bare_cpu / cpu, 3), "threads": int(os.environ["HINET_THREADS"]),
            }  # fmt: skip
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
