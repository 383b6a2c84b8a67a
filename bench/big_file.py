"""One landed file several times larger than the memory limit: peak memory, time, and whether its rows reconcile.

`python bench/big_file.py [million rows …]`: one JSON line per file, for each size a CSV of 30 days in the order of
time, the same rows with the days mixed, and a quarter of them as NDJSON in gzip. Each is landed, indexed and ingested
in a process of its own under HINET_MEMORY=256MB. `us_a_row` is processor time and should be the same for every size;
`anonymous_mb` is the most memory that belongs to the process alone (pages of the mapped spill file are the system's
to drop).
"""

import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("HINET_THREADS", "2")
os.environ.setdefault("HINET_MEMORY", "256MB")

from ingest import contract, log_query

from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake, connect
from hinet_core.settings import Paths

DAYS, DUPLICATES = 30, 0.01
# What is written: format, order, options, and the share of the rows.
WRITE = {
    "csv": ("csv", "shown_at", "FORMAT csv, HEADER", 1),
    "csv, days mixed": ("csv", "hash(user_id), shown_at", "FORMAT csv, HEADER", 1),
    "ndjson.gz": ("ndjson", "shown_at", "FORMAT json, COMPRESSION gzip", 0.25),
}


def ingest(home: Path, kind: str, file_format: str) -> None:
    """Index and ingest what has landed; prints the figures."""
    paths, log = Paths(home), contract(file_format)
    peak, done = [0], threading.Event()
    watcher = threading.Thread(target=watch, args=(peak, done))
    watcher.start()
    started, cpu = time.perf_counter(), time.process_time()
    landed = index(log, paths)
    indexed = time.process_time() - cpu
    results = list(ingest_days(log, Lake(paths.lake), landed, landed.days, None))
    used, took = time.process_time() - cpu, time.perf_counter() - started
    done.set()
    watcher.join()
    counts = {name: sum(one.counts[name] for one in results) for name in results[0].counts}
    whole = counts["rows_read"] == counts["rows_kept"] + counts["rows_duplicate"] + counts["rows_quarantined"]
    print(json.dumps({
        "bench": "big_file", "source": kind, "file_mb": round(sum(one.size for one in landed.files) / 1e6),
        **counts, "reconciles": whole,
        "days": len(results), "wall_s": round(took, 1), "cpu_s": round(used, 1), "index_cpu_s": round(indexed, 1),
        "us_a_row": round(used / counts["rows_read"] * 1e6, 1), "anonymous_mb": round(peak[0] / 1e3),
        "memory": os.environ["HINET_MEMORY"],
    }), flush=True)  # fmt: skip


def watch(peak: list[int], done: threading.Event) -> None:
    """The most anonymous memory, kB."""
    while not done.wait(0.05):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                peak[0] = max(peak[0], int(line.split()[1]))


def main() -> None:
    sizes = [float(one) for one in sys.argv[1:]] or [2, 10]
    fresh = multiprocessing.get_context("spawn")
    for rows in (int(size * 1_000_000) for size in sizes):
        for kind, (file_format, order, options, share) in WRITE.items():
            with tempfile.TemporaryDirectory() as folder:
                os.environ["HINET_HOME"] = folder
                home = Path(folder) / "bench"
                (home / "landing").mkdir(parents=True)
                con = connect(memory_limit="8GB")
                log = f"SELECT * FROM ({log_query(int(rows * share), DAYS, DUPLICATES)}) ORDER BY {order}"
                target = home / "landing" / f"log_0.{file_format}"
                con.execute(f"COPY ({log}) TO '{target}' ({options})")
                con.close()
                child = fresh.Process(target=ingest, args=(home, kind, file_format))
                child.start()
                child.join()


if __name__ == "__main__":
    main()
