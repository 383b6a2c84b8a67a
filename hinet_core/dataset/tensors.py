"""What a model reads: a spec of its inputs, and batches of them as tensors.

B batch, F id fields, K numbers, L list length, T tasks. Id 0 is padding, id 1 is unseen.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

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
    """The promise between features and models; models see nothing of the log beyond it.

    `after[t]` is the index of the earlier task that task t follows in the funnel, -1 where it follows none; always less
    than t. Empty when it is not known, as in folders of before this was stored.
    """

    fields: tuple[FieldSpec, ...]
    numbers: tuple[FieldSpec, ...]
    lists: tuple[FieldSpec, ...]
    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    n_positions: int = 0
    after: tuple[int, ...] = ()

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
            after=tuple(raw.get("after", ())),
        )


@dataclass
class Batch:
    """fields_BF int32 (or int64), numbers_BN float32, lists name -> ids (B, L), scenario_B 0..S-1 int64,
    position_B 0 = unknown else 1..P int64, labels_BT float32, label_mask_BT float32 (1 = counts)."""

    fields_BF: Tensor
    numbers_BN: Tensor
    lists: dict[str, Tensor]
    scenario_B: Tensor
    position_B: Tensor
    labels_BT: Tensor
    label_mask_BT: Tensor

    def __len__(self) -> int:
        return len(self.scenario_B)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with every tensor changed alike."""
        return Batch(
            change(self.fields_BF),
            change(self.numbers_BN),
            {name: change(ids_BL) for name, ids_BL in self.lists.items()},
            change(self.scenario_B),
            change(self.position_B),
            change(self.labels_BT),
            change(self.label_mask_BT),
        )

    def to(self, device: torch.device | str) -> "Batch":
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))
