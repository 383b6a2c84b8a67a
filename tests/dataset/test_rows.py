"""Batches: every row once, the same for the same seed, equal to rows picked one by one in plain Python."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hinet_core.dataset import Batch, Dataset
from hinet_core.dataset.rows import BLOCK, shuffled_places

CPU = torch.device("cpu")
counts = st.integers(0, 60)
sizes = st.integers(1, 25)
seeds = st.integers(0, 2**32 - 1)


def numbered(n: int, shuffled: bool = False) -> Dataset:
    """Row i holds i in every column."""
    i_N = torch.arange(n)
    return Dataset(
        fields_NF=torch.stack([i_N, i_N], dim=1).int(),
        numbers_NK=i_N[:, None].float(),
        scenario_N=i_N,
        position_N=i_N,
        labels_NT=torch.stack([i_N, -i_N], dim=1).float(),
        label_mask_NT=torch.ones(n, 2),
        user_N=i_N,
        day_N=i_N,
        lists={"tags": i_N[:, None].repeat(1, 3).int()},
        shuffled=shuffled,
    )


def places(batches: list[Batch]) -> list[list[int]]:
    """Which rows each batch holds; every column of a batch must agree."""
    for batch in batches:
        i_B = batch.scenario_B
        assert torch.equal(batch.fields_BF, torch.stack([i_B, i_B], dim=1).int())
        assert torch.equal(batch.numbers_BN, i_B[:, None].float())
        assert torch.equal(batch.position_B, i_B)
        assert torch.equal(batch.labels_BT, torch.stack([i_B, -i_B], dim=1).float())
        assert torch.equal(batch.label_mask_BT, torch.ones(len(i_B), 2))
        assert torch.equal(batch.lists["tags"], i_B[:, None].repeat(1, 3).int())
    return [batch.scenario_B.tolist() for batch in batches]


def slow_order(n: int, size: int, seed: int, block: int) -> list[list[int]]:
    """The order of an epoch, row by row: blocks as drawn, then the rows of each as drawn, cut into batches."""
    draw = np.random.default_rng(seed)
    blocks = [list(range(n))[start : start + block] for start in range(0, n, block)]
    rows = []
    for number in draw.permutation(len(blocks)):
        rows += [blocks[number][place] for place in draw.permutation(len(blocks[number]))]
    return [rows[at : at + size] for at in range(0, n, size)]


@given(n=counts, size=sizes, seed=seeds, block=st.integers(1, 30))
@settings(deadline=None)
def test_the_order_of_an_epoch_is_that_of_the_slow_reference(n: int, size: int, seed: int, block: int) -> None:
    found = [rows.tolist() for rows in shuffled_places(n, size, seed, block, CPU)]
    assert found == slow_order(n, size, seed, block)


@given(n=counts, size=sizes, seed=st.none() | seeds, drop_last=st.booleans())
@settings(deadline=None)
def test_every_row_comes_once_in_batches_of_the_size(n: int, size: int, seed: int | None, drop_last: bool) -> None:
    found = places(list(numbered(n).batches(size, seed, drop_last)))
    flat = [row for batch in found for row in batch]
    left = n % size
    assert [len(batch) for batch in found] == [size] * (n // size) + ([left] if left and not drop_last else [])
    assert len(set(flat)) == len(flat)
    assert set(flat) <= set(range(n))
    if seed is None:
        assert flat == list(range(len(flat)))


@given(n=st.integers(30, 60), size=sizes, seed=seeds)
@settings(max_examples=30, deadline=None)
def test_a_seed_decides_the_batches(n: int, size: int, seed: int) -> None:
    first, again, other = (places(list(numbered(n).batches(size, one))) for one in (seed, seed, seed + 1))
    assert first == again
    assert first != other


def test_shuffled_rows_are_reordered_block_by_block_and_others_as_a_whole() -> None:
    n = 2 * BLOCK + 100
    for shuffled, block in ((True, BLOCK), (False, n)):
        data = numbered(n, shuffled)
        expected = slow_order(n, 10_000, 7, block)
        assert [batch.scenario_B.tolist() for batch in data.batches(10_000, seed=7)] == expected


def test_batches_outlive_the_loop_and_slices_are_not_copied() -> None:
    data = numbered(40)
    kept = list(islice(data.batches(10, seed=1), 4))
    assert sorted(row for batch in places(kept) for row in batch) == list(range(40))
    (whole,) = data.batches(40)
    assert whole.fields_BF.data_ptr() == data.fields_NF.data_ptr()


def test_moved_rows_give_the_same_batches() -> None:
    data = numbered(50)
    moved = data.to("cpu")
    assert moved.device == CPU
    assert places(list(moved.batches(8, seed=2))) == places(list(data.batches(8, seed=2)))
    assert data.n_bytes == 50 * (2 * 4 + 4 + 8 + 8 + 2 * 4 + 2 * 4 + 8 + 8 + 3 * 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_rows_on_a_gpu_or_streamed_to_it_give_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    data = numbered(1000)
    expected = places(list(data.batches(64, seed=2)))
    resident = data.to("cuda")
    monkeypatch.setattr("hinet_core.dataset.rows.DEVICE_SHARE", 0.0)
    streamed = data.to("cuda")
    assert (resident.scenario_N.device.type, streamed.scenario_N.device.type) == ("cuda", "cpu")
    for one in (resident, streamed):
        batches = list(one.batches(64, seed=2))
        assert {tensor.device.type for tensor in tensors_of(batches[0])} == {"cuda"}
        assert places([batch.to("cpu") for batch in batches]) == expected


def tensors_of(batch: Batch) -> list[Tensor]:
    return [value for value in vars(batch).values() if isinstance(value, Tensor)] + list(batch.lists.values())


@given(n=counts, size=sizes, seed=st.none() | seeds, first=st.integers(0, 70), shuffled=st.booleans())
@settings(deadline=None)
def test_an_order_taken_up_in_its_middle_is_the_rest_of_it_and_reads_no_other_row(n, size, seed, first, shuffled):
    whole, rest = numbered(n, shuffled), numbered(n, shuffled)
    read = []
    taken = rest.batch
    rest.batch = lambda rows: read.append(rows) or taken(rows)
    found = places(list(rest.batches(size, seed, first=first)))
    assert found == places(list(whole.batches(size, seed)))[first:]
    assert len(read) == len(found)
