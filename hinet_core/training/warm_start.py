"""A model that begins where an earlier one ended: weights found by token, scenario, task and column, never by place.

What the older model does not know begins as in a new model, but for two things. A token without a row gets the unseen
token's, as the older model would have read it. A scenario without an own part gets the shared one where there is one.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import nn

from hinet_core.dataset import FeatureSpec
from hinet_core.dataset.vocabulary import UNSEEN, Words
from hinet_core.models.layers import FieldEmbedding
from hinet_core.models.parts.axes import SHARED, Axes, Axis, Label, Scenario
from hinet_core.training import checkpoint

log = logging.getLogger(__name__)

Places = NDArray[np.int64]
CALIBRATION = "calibration."  # fitted anew at the end of every training
NOWHERE = -1


class WarmStartError(ValueError):
    """The older model cannot be the start of the new one."""


@dataclass(frozen=True)
class Known:
    """A model and what its parameters are about; `words` holds the tokens of each field and list."""

    model: nn.Module
    spec: FeatureSpec
    words: Mapping[str, Words]


def older(models_root: Path, version: str) -> Known:
    """A stored version. Raises WarmStartError, naming those that there are, when it is none."""
    folder = models_root / version
    if not folder.is_dir():
        there = sorted(path.name for path in models_root.iterdir() if path.is_dir() and path.name[0] != ".")
        known = ", ".join(there) or "none yet"
        raise WarmStartError(f"no version {version!r} to start from under {models_root}: expected one of {known}")
    bundle = checkpoint.load(folder)
    return Known(bundle.model, bundle.spec, bundle.encoder.words)


@torch.no_grad()
def start_from(new: Known, old: Known) -> list[str]:
    """Fill the new model in place. -> names of the parameters of which something begins anew

    Raises WarmStartError when the sizes of the layers differ, or scenarios, tasks or columns of x do and the model does
    not say which of its weights are theirs.
    """
    mine, theirs = _named(new), _named(old)
    _check(new, old)
    found = {key: (tensor, axes) for key, (_, tensor, axes) in theirs.items()}
    begins_anew = []
    for key, (name, tensor, axes) in mine.items():
        source = found.get(key) or found.get(_shared(key))
        if source is None:
            begins_anew.append(name)
            continue
        places = [_places(axes, source[1], axis) for axis in range(tensor.ndim)]
        for axis, place_N in enumerate(places):
            if place_N is None and tensor.shape[axis] != source[0].shape[axis]:
                raise WarmStartError(
                    f"{name} is {tuple(tensor.shape)}, but {tuple(source[0].shape)} in the version to start from: a "
                    "warm start needs the same sizes. Take the preset of that version, or train without it"
                )
        if not _fill(tensor, source[0], places):
            begins_anew.append(name)
    _tell(new, old, begins_anew)
    return begins_anew


def _tell(new: Known, old: Known, begins_anew: list[str]) -> None:
    for name, found in new.words.items():
        if name in old.words and len(found.tokens):
            n_known = pc.sum(pc.is_in(found.tokens, value_set=old.words[name].tokens)).as_py() or 0
            log.info("warm start: %s has %d tokens, %d of them known before", name, len(found.tokens), n_known)
    if begins_anew:
        log.info("warm start: new, at least in part: %s", ", ".join(begins_anew))


def _named(known: Known) -> dict[Label, tuple[str, torch.Tensor, tuple[Any, ...]]]:
    """Every parameter by a name that says whose it is -> its plain name, the tensor, the labels of its axes."""
    axes: Axes = known.model.axes(known.spec) if hasattr(known.model, "axes") else Axes()  # type: ignore[operator]
    tables = {
        f"{path}.table" if path else "table": Rows(module, known)
        for path, module in known.model.named_modules()
        if isinstance(module, FieldEmbedding)
    }
    named: dict[Label, tuple[str, torch.Tensor, tuple[Any, ...]]] = {}
    for name, tensor in known.model.state_dict().items():
        if name.startswith(CALIBRATION):
            continue
        labels: tuple[Any, ...] = (tables[name],) if name in tables else _longest(axes.of, name)
        named[_key(name, axes.members)] = (name, tensor, labels)
    return named


def _longest(of: Mapping[str, tuple[Axis, ...]], name: str) -> tuple[Axis, ...]:
    fitting = [start for start in of if name == start or name.startswith(f"{start}.")]
    return of[max(fitting, key=len)] if fitting else ()


def _key(name: str, members: Mapping[str, Any]) -> tuple[Label, ...]:
    """towers.1.layers.0.weight -> (towers, <label of tower 1>, layers, 0, weight)"""
    parts: list[Label] = list(name.split("."))
    for start, labels in members.items():
        depth = start.count(".") + 1
        if name.startswith(f"{start}."):
            parts[depth] = labels[int(name.split(".")[depth])]
    return tuple(parts)


def _shared(label: Any) -> Any:
    """The label with every scenario replaced by the shared part."""
    if isinstance(label, tuple):
        return tuple(_shared(part) for part in label)
    return SHARED if isinstance(label, Scenario) else label


def _places(mine: tuple[Any, ...], theirs: tuple[Any, ...], axis: int) -> Places | None:
    """For each entry of the axis its place in the older model, NOWHERE if it has none; None where no labels are."""
    if axis >= len(mine) or axis >= len(theirs) or mine[axis] is None or theirs[axis] is None:
        return None
    if isinstance(mine[axis], Rows):
        return mine[axis].places_in(theirs[axis])
    place_of = {label: place for place, label in enumerate(theirs[axis])}
    return np.array([place_of.get(one, place_of.get(_shared(one), NOWHERE)) for one in mine[axis]], np.int64)


def _fill(tensor: torch.Tensor, source: torch.Tensor, places: list[Places | None]) -> bool:
    """Copy every entry that has a place in the source. -> whether all have"""
    taken = source
    known = [torch.arange(size) for size in tensor.shape]
    for axis, place_N in enumerate(places):
        if place_N is not None:
            known[axis] = torch.from_numpy(np.flatnonzero(place_N >= 0))
            taken = taken.index_select(axis, torch.from_numpy(place_N[place_N >= 0]))
    partial = [axis for axis, known_N in enumerate(known) if len(known_N) < tensor.shape[axis]]
    if not partial:
        tensor.copy_(taken)
    elif len(partial) == 1:  # a table's rows: no grid of its entries
        tensor.index_copy_(partial[0], known[partial[0]], taken)
    else:
        tensor[torch.meshgrid(*known, indexing="ij")] = taken
    return not partial


class Rows:
    """The rows of an embedding table: per field its padding, the unseen token and its tokens."""

    def __init__(self, module: FieldEmbedding, known: Known) -> None:
        self.known, self.n_rows = known, len(module.table)
        spec = known.spec
        offsets = module.offsets_F.tolist()
        self.offset_of: dict[tuple[str, str], int] = {
            ("id", spec.fields[column].name): offset
            for column, offset in zip(module.id_columns, offsets, strict=False)
        }
        self.offset_of |= {("list", name): offset for name, offset in module.list_offsets.items()}
        self.scenario_offset = offsets[-1] if module.scenario_in_x else None
        self.widths = {("id", one.name): one.width for one in spec.fields}
        self.widths |= {("list", one.name): one.width for one in spec.lists}

    def places_in(self, old: "Rows") -> Places:
        place_R = np.full(self.n_rows, NOWHERE, np.int64)
        for field, offset in self.offset_of.items():
            if field in old.offset_of:
                ids = self._ids_in(old, field[1], self.widths[field])
                place_R[offset : offset + self.widths[field]] = old.offset_of[field] + ids
        if self.scenario_offset is not None and old.scenario_offset is not None:
            for place, name in enumerate(self.known.spec.scenarios):
                if name in old.known.spec.scenarios:
                    before = old.known.spec.scenarios.index(name)
                    place_R[self.scenario_offset + place] = old.scenario_offset + before
        return place_R

    def _ids_in(self, old: "Rows", name: str, width: int) -> Places:
        """The older ids of a field's ids: padding and unseen stay, a token that was unseen reads the unseen row."""
        mine, theirs = self.known.words[name], old.known.words[name]
        ids = np.full(width, UNSEEN, np.int64)
        ids[:2] = np.arange(2)[:width]
        ids[mine.ids[:-1]] = theirs.lookup(mine.tokens)  # the last one is the unseen id
        return ids


def _check(new: Known, old: Known) -> None:
    """Without `axes`, only the vocabulary may have changed."""
    kind = type(new.model)
    if kind is not type(old.model):
        raise WarmStartError(f"the version to start from is a {type(old.model).__name__}, expected a {kind.__name__}")
    if hasattr(new.model, "fit_rows"):
        raise WarmStartError(f"{kind.__name__} is not trained step by step, so there is nothing to start from")
    if not hasattr(new.model, "axes") and (changed := _changed(new.spec, old.spec)):
        raise WarmStartError(
            f"{changed}, and {kind.__name__} does not say which of its weights are whose (a method axes, "
            "models/parts/axes.py): train it without a version to start from"
        )


def _changed(new: FeatureSpec, old: FeatureSpec) -> str:
    """Which names of the spec are others than before, or in another order."""
    for what in ("scenarios", "tasks", "fields", "numbers", "lists"):
        after, before = (
            [one if isinstance(one, str) else one.name for one in getattr(spec, what) if getattr(one, "in_x", True)]
            for spec in (new, old)
        )
        if after != before:
            return f"{what} were {before}, are {after}"
    return "" if new.n_positions == old.n_positions else f"slots were {old.n_positions}, are {new.n_positions}"
