"""Features of 10 M impressions in 30 days, and what one more day costs after 30 and after 300 days.

`python bench/features.py`: one JSON line per figure. The first part computes `entity_daily` and `examples` with 27
feature columns of three entities, a day at a time, in a process of its own with DuckDB held to 2 GB. Its reference is
bare DuckDB in the same run: the same sums as one query over typed keys, joined back and written to one Parquet file.
The second part counts the files that Python and DuckDB open, and what making the catalog anew costs. The third
is what running counters of users and items cost on each day: a day holds every key that was ever met.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

os.environ |= {"HINET_THREADS": "2", "HINET_MEMORY": "2GB"}

import duckdb

from hinet_core.contract import Contract, computed_features, parse_contract
from hinet_core.features.daily import write_daily, write_daily_range
from hinet_core.features.examples import write_examples, write_examples_range
from hinet_core.features.history import day_number
from hinet_core.features.state import write_state
from hinet_core.lake import Lake, Manifest, connect, parquet_list

FIRST = date(2026, 1, 1)
ENTITIES = {"user": "user", "item": "item", "scenario": "scenario_id"}
WINDOWS = (1, 7, 30)
ROWS, DAYS = 10_000_000, 30
ROWS_A_DAY, SHORT, LONG = 20_000, 30, 300
REPEATS = 3


def contract(**of_entities: object) -> Contract:
    """Impressions and two smoothed rates of three entities in three windows: 27 columns."""
    ids = [("user", "user"), ("item", "item"), ("scenario", "scenario"), ("clicked", "outcome"), ("ordered", "outcome")]
    columns = [{"name": name, "type": "string" if role == "scenario" else "int64", "role": role} for name, role in ids]
    found = parse_contract(
        {
            "name": "bench",
            "time_zone": "UTC",
            "first_day": FIRST,
            "sources": [{"name": "log", "files": "*.parquet", "format": "parquet"}],
            "dedupe": {"key": ["user"]},
            "columns": [*columns, {"name": "shown_at", "type": "timestamp", "role": "time"}],
            "scenarios": [{"id": f"s{n}"} for n in range(12)],
            "tasks": [{"name": "click", "label": "clicked"}, {"name": "order", "label": "ordered", "after": "click"}],
            "features": {
                "windows_days": WINDOWS,
                "entities": [
                    {"name": name, "keys": [key], "recency": False, **of_entities} for name, key in ENTITIES.items()
                ],
            },
        }
    )
    return found


def impressions(day: date, n_rows: int, n_users: int, n_items: int) -> str:
    """A day of a log: 8 items a request, few users and items seen often and many rarely, 12 scenarios."""
    number = day_number(day)
    known = ", ".join(
        f"{column} AS label_{task}, us AS known_us_{task}, {number} AS known_day_{task}, "
        f"CAST({column} AS BIGINT) AS {column}"
        for task, column in (("click", "clicked"), ("order", "ordered"))
    )
    return f"""
        WITH drawn AS (
            SELECT i, hash(i, {number}) AS own, hash(i // 8, {number}, 'page') AS page FROM range({n_rows}) AS t(i)
        ), rows AS (
            SELECT i, CAST({n_users} * pow(page % 1000003 / 1000003, 2) AS BIGINT) AS "user",
                CAST({n_items} * pow(own % 1000003 / 1000003, 3) AS BIGINT) AS item,
                's' || page // 7919 % 12 AS scenario,
                CAST({number} * 86400000000 + page // 104729 % 86400000000 AS BIGINT) AS us,
                CAST(own // 15485863 % 100 < 10 AS TINYINT) AS clicked,
                CAST(own // 15485863 % 100 < 2 AS TINYINT) AS ordered
            FROM drawn
        )
        SELECT "user", item, scenario, make_timestamp(us) AS shown_at, DATE '{day}' AS day, {number} AS day_number,
            CAST(us // 3600000000 % 24 AS TINYINT) AS hour, us AS exposed_us, scenario AS scenario_id, {known},
            'log' AS source_file, i AS record_number
        FROM rows ORDER BY scenario, "user", us, item"""


def ingest(lake: Lake, days: list[date], n_rows: int, n_users: int, n_items: int) -> None:
    con = connect()
    for day in days:
        with lake.begin("ingest", day) as draft:
            draft.write("impressions", impressions(day, n_rows, n_users, n_items), con)
            draft.commit()
    con.close()


def cpu_of(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def by_days(lake: Lake) -> dict[str, object]:
    """The features of all days, each step looped over days."""
    plan, con = contract(), connect()
    assert len(computed_features(plan)) == 27
    steps = {"daily": write_daily_range, "windows_join_write": write_examples_range}
    wall, cpu = time.perf_counter(), {}
    for name, write in steps.items():
        cpu[f"{name}_cpu_s"] = cpu_of(lambda write=write: write(con, plan, lake, lake.days("ingest")))
    return {"cpu_s": sum(cpu.values()), **cpu, "wall_s": time.perf_counter() - wall}


def bare(lake: Lake) -> dict[str, object]:
    """The same sums in bare DuckDB: no smoothing, no text keys, no order, no hash, no commit."""
    con, source = connect(), parquet_list(lake.files("impressions"))
    joins, sums = [], []

    def work() -> None:
        for name, key in ENTITIES.items():
            con.execute(f"""CREATE TEMP TABLE daily_{name} AS
                SELECT {key} AS key, day_number, COUNT(*) AS i, SUM(label_click) AS c, SUM(label_order) AS o
                FROM {source} GROUP BY ALL""")
            frames = [f"w{n} AS (PARTITION BY key ORDER BY day_number RANGE BETWEEN {n} PRECEDING AND 1 PRECEDING)"
                      for n in WINDOWS]  # fmt: skip
            columns = [f"SUM({one}) OVER w{n} AS {name}_{one}{n}" for n in WINDOWS for one in "ico"]
            con.execute(f"""CREATE TEMP TABLE windows_{name} AS SELECT key, day_number, {", ".join(columns)}
                FROM daily_{name} WINDOW {", ".join(frames)}""")
            joins.append(f"LEFT JOIN windows_{name} ON windows_{name}.key = r.{key} "
                         f"AND windows_{name}.day_number = r.day_number")  # fmt: skip
            sums.extend(f"{name}_{one}{n}" for n in WINDOWS for one in "ico")
        target = lake.root / "bare.parquet"
        con.execute(f"COPY (SELECT r.*, {', '.join(sums)} FROM {source} AS r {' '.join(joins)}) TO '{target}'")

    wall = time.perf_counter()
    return {"cpu_s": cpu_of(work), "wall_s": time.perf_counter() - wall}


def measured(part: str, root: Path) -> dict[str, object]:
    """The figures of a part and the most memory that this process, which does nothing else, has held."""
    figures = {"by_days": by_days, "bare": bare}[part](Lake(root))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"part": part, "rows": ROWS, **rounded(figures), "peak_rss_mb": peak}


def one_more_day(root: Path) -> Iterator[dict[str, object]]:
    """The day after 30 and after 300 days of the same size: processor time and opened files."""
    plan, lake, con = contract(), Lake(root), connect()
    days, done = [FIRST + timedelta(days=n) for n in range(LONG + 1)], 0
    for length in (SHORT, LONG):
        ingest(lake, days[done : length + 1], ROWS_A_DAY, 100_000, 20_000)
        for day in days[done:length]:
            write_daily(con, plan, lake, day)
        done = length + 1

        def work(day: date = days[length]) -> None:
            write_daily(con, plan, lake, day)
            write_examples(con, plan, lake, day)

        cpu = min(cpu_of(work) for _ in range(REPEATS))
        with opened_files(con) as opened:
            work()
        catalog = cpu_of(lambda: lake.rebuild_catalog(root / "catalog.duckdb"))
        figures = rounded({"cpu_s": cpu, "catalog_cpu_s": catalog})
        yield {"part": "one_more_day", "days_before": length, **figures, "opened_files": len(opened)}


def running_counters(lake: Lake) -> Iterator[dict[str, object]]:
    """The first and the last day of `entity_state` after `entity_daily` of all days."""
    plan, con, days = contract(lifetime=True), connect(), lake.days("ingest")
    for day in days:
        found: list[Manifest] = []
        cpu = cpu_of(lambda day=day, found=found: found.append(write_state(con, plan, lake, day)))
        (file,) = found[0].tables["entity_state"]
        if day in (days[0], days[-1]):
            figures = {"keys": file.rows, "mb": file.bytes / 1e6, "daily_mb": daily_mb(lake, day), "cpu_s": cpu}
            yield {"part": "running_counters", "days": days.index(day) + 1, **rounded(figures)}


def daily_mb(lake: Lake, day: date) -> float:
    return sum(path.stat().st_size for path in lake.files("entity_daily", [day])) / 1e6


@contextmanager
def opened_files(con: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """Every file of the lake that is opened meanwhile: by Python as its audit tells, by DuckDB as its log does."""
    found: list[str] = []
    HOOKED.append(found)
    con.execute("CALL truncate_duckdb_logs()")
    con.execute("CALL enable_logging('FileSystem')")
    yield found
    HOOKED.remove(found)
    opened = con.sql("SELECT path FROM duckdb_logs_parsed('FileSystem') WHERE op = 'OPEN'").fetchall()
    con.execute("CALL disable_logging()")
    found += [path for (path,) in opened]


HOOKED: list[list[str]] = []


def hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        for found in HOOKED:
            found.append(str(arguments[0]))


def rounded(figures: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in figures.items()}


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps({"bench": "features", **measured(sys.argv[1], Path(sys.argv[2]))}))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ingest(Lake(root / "wide"), [FIRST + timedelta(days=n) for n in range(DAYS)], ROWS // DAYS, 500_000, 120_000)
        for part in ("by_days", "bare"):
            subprocess.run([sys.executable, __file__, part, str(root / "wide")], check=True)
        for figures in running_counters(Lake(root / "wide")):
            print(json.dumps({"bench": "features", **figures}), flush=True)
        sys.addaudithook(hook)
        for figures in one_more_day(root / "long"):
            print(json.dumps({"bench": "features", **figures}), flush=True)


if __name__ == "__main__":
    main()
