"""Training sets on disk: in the order of the keys whatever the shards, mapped or in memory, gone afterwards."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hinet_core.dataset import Dataset, EncodingError
from hinet_core.dataset.training_set import Part, read, training_set, write

ALL_MAPPED, ALL_IN_MEMORY = 0, 10**9


def rows(n: int, seed: int = 0, n_numbers: int = 3, n_lists: int = 2) -> Dataset:
    g = torch.Generator().manual_seed(seed)
    return Dataset(
        fields_NF=torch.randint(0, 99, (n, 4), generator=g).int(),
        numbers_NK=torch.randn(n, n_numbers, generator=g),
        scenario_N=torch.randint(0, 3, (n,), generator=g),
        position_N=torch.randint(0, 5, (n,), generator=g),
        labels_NT=torch.randint(0, 2, (n, 2), generator=g).float(),
        label_mask_NT=torch.ones(n, 2),
        user_N=torch.randint(-(2**62), 2**62, (n,), generator=g),
        day_N=torch.arange(n),
        lists={f"tags {i}": torch.randint(0, 9, (n, 5), generator=g).int() for i in range(n_lists)},
    )


def keys(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


def parts_of(dataset: Dataset, key_N: np.ndarray, cuts: list[int]) -> Iterator[Part]:
    """The rows in pieces, ended by these places."""
    edges = [0, *sorted(cuts), len(dataset)]
    for start, stop in pairwise(edges):
        yield dataset.map(lambda column, rows=slice(start, stop): column[rows]), key_N[start:stop]


def all_tensors(dataset: Dataset) -> list[torch.Tensor]:
    return [one for one in vars(dataset).values() if isinstance(one, torch.Tensor)] + list(dataset.lists.values())


def same(left: Dataset, right: Dataset) -> bool:
    pairs = zip(all_tensors(left), all_tensors(right), strict=True)
    return list(left.lists) == list(right.lists) and all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


@given(
    n=st.integers(1, 80),
    seed=st.integers(0, 999),
    cuts=st.lists(st.integers(0, 80), max_size=4),
    shard_bytes=st.sampled_from([64, 500, 5_000, 10**9]),
    expected=st.sampled_from([1, 80, 10_000]),
    memory=st.sampled_from([ALL_MAPPED, ALL_IN_MEMORY]),
)
@settings(max_examples=60, deadline=None)
def test_rows_lie_in_the_order_of_their_keys(
    n: int, seed: int, cuts: list[int], shard_bytes: int, expected: int, memory: int
) -> None:
    """Whatever the parts, the shards and how many rows were expected."""
    dataset, key_N = rows(n, seed), keys(n, seed)
    order = sorted(range(n), key=lambda place: int(key_N[place]))
    with tempfile.TemporaryDirectory() as root:
        write(Path(root) / "set", parts_of(dataset, key_N, [min(cut, n) for cut in cuts]), expected, shard_bytes)
        found = read(Path(root) / "set", memory)
        assert same(found, dataset.map(lambda column: column[order]))
        assert found.shuffled


@pytest.mark.skipif(sys.platform != "linux", reason="reads what is mapped from /proc")
def test_only_what_does_not_fit_into_memory_is_mapped(tmp_path: Path) -> None:
    dataset = rows(100)
    write(tmp_path / "set", [(dataset, keys(100))], 100)
    for memory, mapped in ((dataset.n_bytes, False), (dataset.n_bytes - 1, True)):
        found = read(tmp_path / "set", memory)
        assert (str(tmp_path / "set") in Path("/proc/self/maps").read_text()) == mapped
        assert len(found) == 100


def test_mapped_and_in_memory_sets_give_the_same_batches(tmp_path: Path) -> None:
    dataset, key_N = rows(200_000), keys(200_000)
    write(tmp_path / "set", parts_of(dataset, key_N, [70_000, 150_000]), 200_000, shard_bytes=2**20)
    mapped, loaded = read(tmp_path / "set", ALL_MAPPED), read(tmp_path / "set", ALL_IN_MEMORY)
    n_batches = 0
    for left, right in zip(mapped.batches(4096, seed=5), loaded.batches(4096, seed=5), strict=True):
        n_batches += 1
        assert torch.equal(left.fields_BF, right.fields_BF)
        assert torch.equal(left.numbers_BN, right.numbers_BN)
        assert all(torch.equal(left.lists[name], right.lists[name]) for name in left.lists)
    assert n_batches == 49


def test_equal_keys_keep_the_order_in_which_they_came(tmp_path: Path) -> None:
    dataset, key_N = rows(50), np.repeat(keys(5), 10)
    write(tmp_path / "set", parts_of(dataset, key_N, [13]), 50, shard_bytes=300)
    order = sorted(range(50), key=lambda place: int(key_N[place]))
    assert same(read(tmp_path / "set", ALL_MAPPED), dataset.map(lambda column: column[order]))


def test_the_files_are_the_same_whatever_the_shards_and_the_index_says_how_large_they_are(tmp_path: Path) -> None:
    found = []
    for shard_bytes, cuts in ((10**9, []), (1000, [7, 200])):
        folder = tmp_path / str(shard_bytes)
        write(folder, parts_of(rows(300), keys(300), cuts), 300, shard_bytes)
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert found[0] == found[1]
    assert [name for name in found[0] if not name.endswith(".npy")] == ["index.json"]
    index = json.loads(found[0]["index.json"])
    assert (index["rows"], index["bytes"]) == (300, read(folder, ALL_IN_MEMORY).n_bytes)


@pytest.mark.parametrize("memory", [ALL_MAPPED, ALL_IN_MEMORY])
def test_a_log_without_numbers_or_lists_has_empty_columns(tmp_path: Path, memory: int) -> None:
    dataset = rows(20, n_numbers=0, n_lists=0)
    write(tmp_path / "set", [(dataset, np.sort(keys(20)))], 20)
    found = read(tmp_path / "set", memory)
    assert same(found, dataset)
    assert next(found.batches(8, seed=1)).numbers_BN.shape == (8, 0)


def test_the_folder_is_there_as_long_as_it_is_used(tmp_path: Path) -> None:
    dataset = rows(30)
    with training_set(tmp_path / "m", [(dataset, keys(30))], 30, ALL_MAPPED) as found:
        assert [path.name for path in tmp_path.iterdir()] == [".m.rows"]
        assert len(found) == 30
    assert not list(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError), training_set(tmp_path / "m", [(dataset, keys(30))], 30, ALL_MAPPED):
        1 / 0  # noqa: B018
    assert not list(tmp_path.iterdir())


def test_what_a_killed_training_left_goes_with_the_next_and_what_is_being_written_stays(tmp_path: Path) -> None:
    for name, age_s in ((".old.rows", 7200), (".new.rows", 0), (".old.rows.partial.rows", 7200)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "shard-0000").write_bytes(b"x")
        for path in (folder / "shard-0000", folder):
            os.utime(path, (time.time() - age_s, time.time() - age_s))
    (tmp_path / "model-1").mkdir()
    os.utime(tmp_path / "model-1", (0, 0))
    another = tmp_path / ".another.rows"
    another.mkdir()
    (another / "shard-0000").symlink_to(tmp_path / "gone")  # listed, and not there: a file that has just been removed
    os.utime(another, (0, 0))
    with training_set(tmp_path / "m", [(rows(3), keys(3))], 3, ALL_MAPPED):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".another.rows", ".m.rows", ".new.rows", "model-1"]


def test_no_row_at_all_and_no_place_to_write_are_said(tmp_path: Path) -> None:
    with pytest.raises(EncodingError, match="the training set has no row"):
        write(tmp_path / "set", [], 0)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EncodingError, match="could not write the training set .* train again"):
        write(tmp_path / "file" / "set", [(rows(3), keys(3))], 3)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
