"""Encoding and shuffling a training set out of memory: peak memory for few and for many days of equal size.

`python bench/training_set.py`: one JSON line per number of days. Each runs in a process of its own, with DuckDB and
torch on two threads and DuckDB held to 1 GB: fit the encoder, stream the rows into a set on disk, map it, take every
batch of an epoch. `peak_mb` is the most anonymous memory (what cannot be dropped, unlike mapped pages) that the
process held, seen every 10 ms.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date, timedelta
from pathlib import Path

os.environ |= {"HINET_THREADS": "2", "HINET_MEMORY": "1GB"}

from hinet_core.contract import Contract, known_us_column, label_column, parse_contract
from hinet_core.dataset import Encoder
from hinet_core.dataset.training_set import training_set
from hinet_core.lake import Lake, connect

FIRST = date(2026, 3, 1)
ROWS_A_DAY, IDS, NUMBERS = 100_000, 20, 20
DAYS = (10, 40)


def contract() -> Contract:
    ids = [{"name": f"id_{i}", "type": "string", "role": "feature", "encode": "id"} for i in range(IDS)]
    numbers = [{"name": f"n_{i}", "type": "float64", "role": "feature", "encode": "number"} for i in range(NUMBERS)]
    return parse_contract(
        {
            "name": "bench",
            "time_zone": "UTC",
            "first_day": FIRST,
            "sources": [{"name": "log", "files": "*.parquet", "format": "parquet"}],
            "dedupe": {"key": ["user"]},
            "columns": [
                {"name": "user", "type": "string", "role": "user"},
                {"name": "item", "type": "string", "role": "item", "encode": "id"},
                {"name": "place", "type": "string", "role": "scenario"},
                {"name": "shown_at", "type": "timestamp", "role": "time"},
                {"name": "clicked", "type": "int8", "role": "outcome"},
                *ids,
                *numbers,
            ],
            "scenarios": [{"id": "home"}, {"id": "search"}],
            "tasks": [{"name": "click", "label": "clicked"}],
        }
    )


def write_examples(lake: Lake, days: list[date]) -> None:
    """Days of random examples, written as the features room writes them."""
    con = connect()
    skewed = "CAST(floor({} * pow(random(), 2)) AS INTEGER)"
    ids = ", ".join(f"'t' || {skewed.format(20 * 3 ** (i % 8))} AS id_{i}" for i in range(IDS))
    numbers = ", ".join(f"random() AS n_{i}" for i in range(NUMBERS))
    for day in days:
        day_number = (day - date(1970, 1, 1)).days
        with lake.begin("examples", day) as draft:
            draft.write("examples", f"""
                SELECT DATE '{day}' AS day, {day_number} AS day_number, CAST(i % 24 AS TINYINT) AS hour,
                    {day_number} * 86400000000 + i AS exposed_us, 'log' AS source_file, i AS record_number,
                    ['home', 'search'][1 + i % 2] AS scenario_id, 'u' || CAST(random() * 50000 AS INTEGER) AS "user",
                    'i' || CAST(random() * 20000 AS INTEGER) AS item, {ids}, {numbers},
                    CAST(random() < 0.1 AS TINYINT) AS {label_column("click")},
                    CAST(NULL AS BIGINT) AS {known_us_column("click")}
                FROM range({ROWS_A_DAY}) AS t(i)""", con)  # fmt: skip
            draft.commit()
    con.close()


class Peak(threading.Thread):
    """The most anonymous memory of this process, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mb, self.ended = 0, False
        self.start()

    def run(self) -> None:
        while not self.ended:
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            self.mb = max(self.mb, int(status["RssAnon"].split()[0]) // 1024)
            time.sleep(0.01)


def measure(root: Path, days: list[date]) -> dict[str, object]:
    lake, con = Lake(root), connect()
    peak, cpu, wall = Peak(), time.process_time(), time.perf_counter()
    rows = lake.scan(con, "examples", days)
    encoder = Encoder.fit(con, contract(), rows)
    parts = encoder.stream(con, rows, days[-1] + timedelta(days=1))
    with training_set(root / "model", parts, len(rows), memory_bytes=0) as mapped:
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        n_bytes = mapped.n_bytes
        n_rows = sum(len(batch) for batch in mapped.batches(4096, seed=0))
    peak.ended = True
    return {
        "bench": "training_set",
        "days": len(days),
        "rows": n_rows,
        "set_mb": n_bytes // 2**20,
        "peak_mb": peak.mb,
        "thousand_rows_per_core_s": round(n_rows / cpu / 1e3, 1),
        "cpu_s": round(cpu, 1),
        "wall_s": round(wall, 1),
    }


def main() -> None:
    if len(sys.argv) > 1:
        root, n_days = Path(sys.argv[1]), int(sys.argv[2])
        print(json.dumps(measure(root, [FIRST + timedelta(days=i) for i in range(n_days)])))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_examples(Lake(Path(folder)), [FIRST + timedelta(days=i) for i in range(max(DAYS))])
        for n_days in DAYS:
            subprocess.run([sys.executable, __file__, folder, str(n_days)], check=True)


if __name__ == "__main__":
    main()
