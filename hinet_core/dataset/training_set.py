"""Training sets, shuffled once when they are written, so that memory grows neither with the days nor with the rows.

Rows arrive some at a time, each with a key: a hash of its identity. They are spooled into shards by the key's first
bits; then each shard is sorted by key and appended to one row-major .npy per column. The order of the rows is that of
their keys, whatever the number of shards and the order in which the rows arrived.
"""

import json
import logging
import math
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_core.dataset.plan import EncodingError
from hinet_core.dataset.rows import Dataset
from hinet_core.lake import SWEEP_AFTER_S, is_older, replace_text

log = logging.getLogger(__name__)

SUFFIX = ".rows"
INDEX = "index.json"
SHARD_BYTES = 2**27
MOST_SHARDS = 4096

Part = tuple[Dataset, NDArray[np.uint64]]


@contextmanager
def training_set(model_folder: Path, parts: Iterable[Part], n_rows: int, memory_bytes: int) -> Iterator[Dataset]:
    """The rows of `parts` in random order: in memory where they fit into `memory_bytes`, else mapped from a file.

    `n_rows` is how many to expect. The file lies beside the model's folder, as long as the context lasts. Raises
    EncodingError when it cannot be written.
    """
    folder = model_folder.with_name(f".{model_folder.name}{SUFFIX}")
    sweep(folder.parent)
    try:
        write(folder, parts, n_rows)
        yield read(folder, memory_bytes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(folder: Path, parts: Iterable[Part], n_rows: int, shard_bytes: int = SHARD_BYTES) -> None:
    """Write the rows as `folder`, which appears whole or not at all; what was there before goes."""
    partial = folder.with_name(f"{folder.name}.partial{SUFFIX}")
    for old in (folder, partial):
        shutil.rmtree(old, ignore_errors=True)
    try:
        spool = Spool(partial, n_rows, shard_bytes)
        for dataset, key_N in parts:
            spool.add(dataset, key_N)
        spool.merge()
        partial.replace(folder)
    except OSError as error:
        raise EncodingError(
            f"could not write the training set under {folder.parent}: {error}. Free some space (as much again as the "
            "examples of the training window take in memory) or check the folder's rights, then train again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read(folder: Path, memory_bytes: int) -> Dataset:
    """The rows of a written folder: loaded where they fit into `memory_bytes`, else mapped."""
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    # Copy on write: torch wants memory that it may write to, and the file stays as it is.
    mode: Any = None if index["bytes"] <= memory_bytes else "c"
    log.info("training set: %d rows, %d bytes, %s", index["rows"], index["bytes"], "mapped" if mode else "in memory")
    tensors: dict[str, Any] = {
        name: torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode=mode)) for name in index["columns"]
    }
    lists = {name: tensors.pop(f"list_{i}") for i, name in enumerate(index["lists"])}
    return Dataset(**tensors, lists=lists, shuffled=True, negative_rate=tuple(index["negative_rate"]))


def sweep(root: Path) -> None:
    """Remove what trainings that were killed left behind; one that is running has written, or has opened its files."""
    for folder in root.glob(f".*{SUFFIX}"):
        if is_older(folder, SWEEP_AFTER_S):
            shutil.rmtree(folder, ignore_errors=True)


class Spool:
    """Rows on their way into random order: one file of records per shard, then one .npy per column."""

    def __init__(self, folder: Path, n_rows: int, shard_bytes: int) -> None:
        self.folder, self.n_rows, self.shard_bytes = folder, n_rows, shard_bytes
        self.first: Dataset | None = None
        folder.mkdir(parents=True)

    def add(self, dataset: Dataset, key_N: NDArray[np.uint64]) -> None:
        """Append each row to the file of its shard."""
        columns = columns_of(dataset)
        if self.first is None:
            self.first = dataset.map(lambda column: column[:0])
            layout = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
            self.record = np.dtype([("key", np.uint64), *layout])
            n_shards = -(-self.n_rows * self.record.itemsize // self.shard_bytes)
            self.bits = math.ceil(math.log2(min(max(n_shards, 1), MOST_SHARDS)))
        records = np.empty(len(key_N), self.record)
        records["key"] = key_N
        for name, column in columns.items():
            records[name] = column
        shard_N = (key_N >> np.uint64(64 - self.bits)) if self.bits else np.zeros_like(key_N)
        order_N = np.argsort(shard_N, kind="stable")
        edges = np.searchsorted(shard_N, np.arange(2**self.bits + 1), sorter=order_N)
        for number, (start, stop) in enumerate(pairwise(edges)):
            if stop > start:
                with self.shard_path(number).open("ab") as file:
                    file.write(records[order_N[start:stop]].data)

    def merge(self) -> None:
        """Turn the shards into columns and an index, in the order of the keys."""
        if self.first is None:
            raise EncodingError("the training set has no row: check the training window and which days are committed")
        shards = [path for number in range(2**self.bits) if (path := self.shard_path(number)).exists()]
        n_rows = sum(path.stat().st_size for path in shards) // self.record.itemsize
        names = list(columns_of(self.first))
        for name in names:
            start_npy(self.folder / f"{name}.npy", self.record[name], n_rows)
        for path in shards:
            records = np.fromfile(path, self.record)
            order_N = np.argsort(records["key"], kind="stable")
            for name in names:
                with (self.folder / f"{name}.npy").open("ab") as file:
                    file.write(records[name][order_N].data)
            path.unlink()
        index = {
            "rows": n_rows,
            "bytes": n_rows * (self.record.itemsize - np.dtype(np.uint64).itemsize),
            "columns": names,
            "lists": list(self.first.lists),
            "negative_rate": self.first.negative_rate,
        }
        replace_text(self.folder / INDEX, json.dumps(index, indent=1))

    def shard_path(self, number: int) -> Path:
        return self.folder / f"shard-{number:04}"


def start_npy(path: Path, column: np.dtype[Any], n_rows: int) -> None:
    """Write the header of a .npy whose rows follow. Files grow by plain writes: a full disk kills a mapped one."""
    base, shape = column.subdtype or (column, ())
    header = {"descr": np.lib.format.dtype_to_descr(base), "fortran_order": False, "shape": (n_rows, *shape)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)


def columns_of(dataset: Dataset) -> dict[str, NDArray[Any]]:
    """Every column of a dataset by the name of its file; lists are numbered."""
    plain = {name: value for name, value in vars(dataset).items() if isinstance(value, torch.Tensor)}
    lists = {f"list_{i}": ids_NL for i, ids_NL in enumerate(dataset.lists.values())}
    return {name: column.numpy() for name, column in (plain | lists).items()}
