"""25 expectations on 5 million rows of 17 columns: Great Expectations inside DuckDB, against itself on pandas.

`python bench/quality.py [rows]`: one JSON line per engine, each in a process of its own over the same Parquet file.
Seconds are CPU seconds of all threads without imports, `load_s` of them to get the file into a frame. Both engines must
find the same unexpected rows. `ratio` is DuckDB over pandas, `judge_ratio` the same without loading.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hinet_core.lake import connect, quote_literal
from hinet_core.quality import pushdown
from hinet_core.quality.pushdown import Wanted

ROWS = 5_000_000


def column(expectation: str, name: str, **arguments: Any) -> Wanted:
    return Wanted(f"ExpectColumn{expectation}", {"column": name, **arguments})


PAIR = {"ignore_row_if": "either_value_is_missing", "or_equal": True}
WANTED = [
    Wanted("ExpectTableRowCountToBeBetween", {"min_value": 1}),
    Wanted("ExpectTableColumnCountToEqual", {"value": 17}),
    column("ValuesToBeUnique", "event_id"),
    *(column("ValuesToNotBeNull", name) for name in ("event_id", "user_id", "item_id", "scenario", "shown_us")),
    column("ValuesToNotBeNull", "age", mostly=0.8),
    column("ValuesToBeInSet", "scenario", value_set=["home", "search", "deals"]),
    column("ValuesToBeInSet", "device", value_set=["ios", "android", "web"]),
    column("ValuesToBeInSet", "label_click", value_set=[0, 1]),
    column("ValuesToBeInSet", "label_order", value_set=[0, 1]),
    column("ValuesToBeBetween", "slot", min_value=1, max_value=30),
    column("ValuesToBeBetween", "price", min_value=0.5, max_value=99.5),
    column("ValuesToBeBetween", "age", min_value=0, max_value=120),
    column("ValuesToBeBetween", "hour", min_value=0, max_value=23),
    column("ValuesToBeBetween", "distance", min_value=0),
    column("ValueLengthsToBeBetween", "city", min_value=1, max_value=12),
    column("MeanToBeBetween", "price", min_value=40, max_value=60),
    column("MaxToBeBetween", "slot", max_value=30),
    column("MinToBeBetween", "shown_us", min_value=0),
    column("DistinctValuesToBeInSet", "scenario", value_set=["home", "search", "deals"]),
    Wanted("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": "known_us", "column_B": "shown_us", **PAIR}),
    Wanted("ExpectColumnPairValuesAToBeGreaterThanB", {"column_A": "label_click", "column_B": "label_order", **PAIR}),
]


def write_rows(path: Path, n: int) -> None:
    """A log with a few faults of each kind."""
    con = connect()
    con.execute("CREATE MACRO draw(i, k, n) AS CAST(hash(i + k) % n AS BIGINT)")
    con.execute(
        f"""
        COPY (
            SELECT i AS event_id, draw(i, 0, 200_000) AS user_id, draw(i, 1, 50_000) AS item_id,
                   ['home', 'search', 'deals'][1 + draw(i, 2, 3)] AS scenario,
                   CASE WHEN i % 100_003 = 0 THEN 'car' ELSE ['ios', 'android', 'web'][1 + draw(i, 3, 3)] END AS device,
                   'city ' || draw(i, 4, 300) AS city, 1_700_000_000_000_000 + i * 17_000 AS shown_us,
                   shown_us + draw(i, 5, 90_000) - (i % 50_021 = 0)::BIGINT * 99_000 AS known_us,
                   CAST(1 + draw(i, 6, 30) AS SMALLINT) AS slot, CAST(draw(i, 7, 24) AS TINYINT) AS hour,
                   CAST(draw(i, 8, 10_000) / 100 AS FLOAT) AS price,
                   CASE WHEN draw(i, 9, 10) > 0 THEN CAST(18 + draw(i, 9, 60) AS INTEGER) END AS age,
                   CAST(draw(i, 10, 100_000) / 1000 AS FLOAT) AS distance, draw(i, 11, 2) = 0 AS is_new,
                   draw(i, 12, 1000) AS brand_id, CAST(draw(i, 13, 8) = 0 AS TINYINT) AS label_click,
                   CAST(draw(i, 13, 64) = 0 AS TINYINT) AS label_order
            FROM range({n}) AS t(i)
        ) TO {quote_literal(str(path))} (FORMAT parquet, COMPRESSION zstd)
        """
    ).fetchall()
    con.close()


def judge(engine: str, path: Path) -> dict[str, Any]:
    """One engine's figures, in a process that did nothing else."""
    pushdown.judge(pushdown.frame_batch(tiny_frame()), [column("MaxToBeBetween", "a", max_value=1)])  # imports
    con, start = connect(), (time.process_time(), time.perf_counter())
    con.execute(f"CREATE VIEW rows AS SELECT * FROM read_parquet({quote_literal(str(path))})")
    frame = con.execute("SELECT * FROM rows").df() if engine == "pandas" else None
    loaded = time.process_time()
    batch = pushdown.table_batch(con, "rows") if frame is None else pushdown.frame_batch(frame)
    found = pushdown.judge(batch, WANTED)
    return {
        "cpu_s": round(time.process_time() - start[0], 2),
        "load_s": round(loaded - start[0], 2),
        "wall_s": round(time.perf_counter() - start[1], 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "found": [[one.success, one.unexpected, one.error] for one in found],
    }


def tiny_frame() -> Any:
    import pandas as pd

    return pd.DataFrame({"a": [1]})


def main(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write_rows(path, n)
        figures = {}
        for engine in ("duckdb", "pandas"):
            done = subprocess.run(
                [sys.executable, __file__, engine, str(path)], capture_output=True, text=True, check=True
            )
            figures[engine] = json.loads(done.stdout.splitlines()[-1])
    if figures["duckdb"]["found"] != figures["pandas"]["found"]:
        raise SystemExit(f"the engines differ: {figures}")
    pandas = figures["pandas"]
    for engine, one in figures.items():
        faults = sum(not success for success, *_ in one.pop("found"))
        print(
            json.dumps(
                {"bench": "quality", "engine": engine, "rows": n, "expectations": len(WANTED), "failed": faults, **one,
                 "ratio": round(one["cpu_s"] / pandas["cpu_s"], 3),
                 "judge_ratio": round((one["cpu_s"] - one["load_s"]) / (pandas["cpu_s"] - pandas["load_s"]), 3)}
            )
        )  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(judge(sys.argv[1], Path(sys.argv[2]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
