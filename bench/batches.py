"""Random batches of 40 int32 ids with scenario, slot, labels and masks, against torch's TensorDataset + DataLoader.

`python bench/batches.py [rows]`: one JSON line per source. Samples per core-second are rows over CPU seconds of all
threads (torch has one here), the best of three epochs of which each source has one in turn. `ratio` is over the
DataLoader with its default collate in the same run, on fewer rows, since it takes each of them on its own.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from hinet_core.dataset import Dataset
from hinet_core.dataset.training_set import read, write

ROWS, FIELDS, BATCH, REPEATS = 4_000_000, 40, 8192, 3
ROWS_OF_DATALOADER = 200_000


def rows(n: int) -> Dataset:
    """Random rows as a training set has them."""
    g = torch.Generator().manual_seed(0)
    return Dataset(
        fields_NF=torch.randint(0, 100_000, (n, FIELDS), generator=g, dtype=torch.int32),
        numbers_NK=torch.zeros(n, 0),
        scenario_N=torch.randint(0, 6, (n,), generator=g),
        position_N=torch.randint(1, 11, (n,), generator=g),
        labels_NT=torch.randint(0, 2, (n, 2), generator=g).float(),
        label_mask_NT=torch.ones(n, 2),
        user_N=torch.arange(n),
        day_N=torch.zeros(n, dtype=torch.int64),
        shuffled=True,
    )


def evicted(folder: Path) -> Path:
    """The folder with its files out of the page cache, as after a restart."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return folder


def epoch(batches: Iterable[object]) -> tuple[float, float]:
    """CPU and wall seconds of taking every batch once."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in batches:
        pass
    return time.process_time() - cpu, time.perf_counter() - wall


def main(n: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        data = rows(n)
        key_N = np.random.default_rng(0).integers(0, 2**64, n, dtype=np.uint64)
        folder = Path(root) / "rows"
        write(folder, [(data, key_N)], n)
        few = data.map(lambda column: column[:ROWS_OF_DATALOADER])
        tensors = (few.fields_NF, few.scenario_N, few.position_N, few.labels_NT, few.label_mask_NT)
        loader = DataLoader(TensorDataset(*tensors), batch_size=BATCH, shuffle=True)
        sources = {
            "TensorDataset + DataLoader": (len(few), lambda seed: loader),
            "memory": (n, lambda seed: data.batches(BATCH, seed)),
            "mapped file, not in the page cache": (n, lambda seed: read(evicted(folder), 0).batches(BATCH, seed)),
            "mapped file, in the page cache": (n, lambda seed: read(folder, 0).batches(BATCH, seed)),
            "memory, in the rows' order": (n, lambda seed: (one.map(torch.clone) for one in data.batches(BATCH))),
        }
        best: dict[str, tuple[float, float]] = {}
        for seed in range(REPEATS):
            for name, (_, batches) in sources.items():
                best[name] = min(best.get(name, (np.inf, np.inf)), epoch(batches(seed)))
    rate = {name: n_rows / best[name][0] / 1e6 for name, (n_rows, _) in sources.items()}
    for name, (n_rows, _) in sources.items():
        figure = {
            "bench": "batches",
            "source": name,
            "rows": n_rows,
            "million_samples_per_core_s": round(rate[name], 2),
            "ratio": round(rate[name] / rate["TensorDataset + DataLoader"], 1),
            "cpu_s": round(best[name][0], 3),
            "wall_s": round(best[name][1], 3),
        }
        print(json.dumps(figure))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
