"""What a model reads: a spec of its inputs and tensors in row-major order.

B batch, N rows, F id fields, K numbers, L list length, T tasks. Id 0 is padding, id 1 is unseen.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class FieldSpec:
    """One encoded feature. `width` is the vocabulary size with padding and unseen (1 for numbers)."""

    name: str
    kind: Literal["id", "number", "list"]
    width: int = 1
    in_x: bool = True
    max_length: int = 0


@dataclass(frozen=True)
class FeatureSpec:
    """The promise between features and models; models see nothing of the log beyond it."""

    fields: tuple[FieldSpec, ...]
    numbers: tuple[FieldSpec, ...]
    lists: tuple[FieldSpec, ...]
    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    n_positions: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "FeatureSpec":
        raw = json.loads(text)
        groups = {name: tuple(FieldSpec(**one) for one in raw[name]) for name in ("fields", "numbers", "lists")}
        return cls(
            **groups,
            scenarios=tuple(raw["scenarios"]),
            tasks=tuple(raw["tasks"]),
            n_positions=raw["n_positions"],
        )


@dataclass
class Batch:
    """fields_BF int64, numbers_BN float32, lists name -> int64 (B, L), scenario_B 0..S-1,
    position_B 0 = unknown else 1..P, labels_BT float32, label_mask_BT float32 (1 = counts)."""

    fields_BF: Tensor
    numbers_BN: Tensor
    lists: dict[str, Tensor]
    scenario_B: Tensor
    position_B: Tensor
    labels_BT: Tensor
    label_mask_BT: Tensor

    def __len__(self) -> int:
        return len(self.scenario_B)

    def to(self, device: torch.device | str) -> "Batch":
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in self.lists.items()}
        return Batch(
            self.fields_BF.to(device, non_blocking=True),
            self.numbers_BN.to(device, non_blocking=True),
            moved,
            self.scenario_B.to(device, non_blocking=True),
            self.position_B.to(device, non_blocking=True),
            self.labels_BT.to(device, non_blocking=True),
            self.label_mask_BT.to(device, non_blocking=True),
        )


@dataclass
class Dataset:
    """All rows of a split in memory, row-major; `user_N` are dense codes (the unit of the bootstrap)."""

    fields_NF: Tensor
    numbers_NK: Tensor
    scenario_N: Tensor
    position_N: Tensor
    labels_NT: Tensor
    label_mask_NT: Tensor
    user_N: Tensor
    day_N: Tensor
    lists: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scenario_N)

    def batch(self, index_B: Tensor | slice) -> Batch:
        return Batch(
            self.fields_NF[index_B],
            self.numbers_NK[index_B],
            {name: values[index_B] for name, values in self.lists.items()},
            self.scenario_N[index_B],
            self.position_N[index_B],
            self.labels_NT[index_B],
            self.label_mask_NT[index_B],
        )

    def batches(self, size: int, seed: int | None = None, drop_last: bool = False) -> Iterator[Batch]:
        """Batches of `size` rows; in file order without a seed, else in the order the seed draws."""
        order = None
        if seed is not None:
            order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self)))
        stop = len(self) - size + 1 if drop_last else len(self)
        for start in range(0, stop, size):
            yield self.batch(slice(start, start + size) if order is None else order[start : start + size])

    def at_first_slot(self) -> "Dataset":
        """The same rows as if each were shown in slot 1 (how rankings are judged); unknown stays unknown."""
        return replace(self, position_N=self.position_N.clamp(max=1))
