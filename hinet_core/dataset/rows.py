"""Encoded rows and the batches cut from them, whether they lie in memory, in a mapped file or on a device.

B batch, F id fields, K numbers, L list length, N rows, T tasks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hinet_core.dataset.tensors import Batch

CPU = torch.device("cpu")
# Rows that are reordered together: enough to mix, few enough that a block of 40 ids stays in the processor's cache.
BLOCK = 32_768
# Of a device's free memory, what rows may take; the model, its gradients and activations need the rest.
DEVICE_SHARE = 0.5


@dataclass
class Dataset:
    """All rows of a split, row-major; `user_N` are dense codes (the unit of the bootstrap).

    `shuffled` rows lie in random order already, as training sets are written: a seed then reorders blocks of rows and
    the rows inside each, so that a mapped file is read block by block. `negative_rate` is the share of negatives kept
    per scenario, empty when all are. `device` is where batches come out. `request_N` are codes of requests where the
    log has them, for judging; training sets do without.
    """

    fields_NF: Tensor
    numbers_NK: Tensor
    scenario_N: Tensor
    position_N: Tensor
    labels_NT: Tensor
    label_mask_NT: Tensor
    user_N: Tensor
    day_N: Tensor
    lists: dict[str, Tensor] = field(default_factory=dict)
    shuffled: bool = False
    negative_rate: tuple[float, ...] = ()
    device: torch.device = CPU
    request_N: Tensor | None = None

    def __len__(self) -> int:
        return len(self.scenario_N)

    @property
    def n_bytes(self) -> int:
        tensors = [value for value in vars(self).values() if isinstance(value, Tensor)]
        return sum(tensor.nbytes for tensor in [*tensors, *self.lists.values()])

    @property
    def all_rows(self) -> Batch:
        """One batch of everything; nothing is copied."""
        return Batch(
            self.fields_NF,
            self.numbers_NK,
            self.lists,
            self.scenario_N,
            self.position_N,
            self.labels_NT,
            self.label_mask_NT,
        )

    def batch(self, rows: Tensor | slice) -> Batch:
        """The rows at these places, on `device`; a slice is not copied where it need not be."""
        return self.all_rows.map(lambda tensor: self._taken(tensor, rows)).to(self.device)

    def batches(self, size: int, seed: int | None = None, drop_last: bool = False, first: int = 0) -> Iterator[Batch]:
        """Batches of `size` rows on `device`: in the rows' order without a seed, else in the order the seed draws.

        Every row comes once (but the last ones with `drop_last`). The same seed gives the same batches, wherever the
        rows lie. The batches before number `first` are left out, and their rows never read.
        """
        places: Iterator[Tensor | slice] = (slice(at, at + size) for at in range(0, len(self), size))
        if seed is not None:
            block = BLOCK if self.shuffled else max(len(self), 1)
            places = shuffled_places(len(self), size, seed, block, self.scenario_N.device)
        yield from map(self.batch, islice(places, first, len(self) // size if drop_last else None))

    def to(self, device: torch.device | str) -> "Dataset":
        """The same rows with batches on the device: moved there whole where they fit, else batch by batch."""
        target = torch.device(device)
        if target.type == "cuda" and self.n_bytes > DEVICE_SHARE * torch.cuda.mem_get_info(target)[0]:
            return replace(self, device=target)
        moved = self.map(lambda tensor: tensor.to(target))
        return replace(moved, device=moved.scenario_N.device)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Dataset":
        """The dataset with every tensor changed alike."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        changed: dict[str, Any] = {name: change(value) for name, value in tensors.items()}
        return replace(self, **changed, lists={name: change(ids_NL) for name, ids_NL in self.lists.items()})

    def at_first_slot(self) -> "Dataset":
        """The same rows as if each were shown in slot 1 (how rankings are judged); unknown stays unknown."""
        return replace(self, position_N=self.position_N.clamp(max=1))

    def _taken(self, tensor: Tensor, rows: Tensor | slice) -> Tensor:
        leaves = self.device != tensor.device
        if isinstance(rows, slice):
            return tensor[rows].pin_memory() if leaves else tensor[rows]
        if not leaves:
            return tensor.index_select(0, rows)
        # Page-locked, so that the copy runs beside the work of the device; torch keeps such memory for reuse.
        out = torch.empty((len(rows), *tensor.shape[1:]), dtype=tensor.dtype, pin_memory=True)
        return torch.index_select(tensor, 0, rows, out=out)


def shuffled_places(n_rows: int, size: int, seed: int, block: int, device: torch.device) -> Iterator[Tensor]:
    """Places of rows, `size` at a time, every place once: blocks in random order, rows in random order inside each."""
    draw = np.random.default_rng(seed)
    left = np.empty(0, np.int64)
    for number in draw.permutation(-(-n_rows // block)):
        start = number * block
        order = np.concatenate([left, start + draw.permutation(min(block, n_rows - start))])
        whole = len(order) - len(order) % size
        yield from torch.from_numpy(order[:whole]).to(device).split(size) if whole else ()
        left = order[whole:]
    if len(left):
        yield torch.from_numpy(left).to(device)
