"""A trained model as a folder: weights.safetensors, model.json, its card and the encoder. Nothing is pickled.

The folder appears whole, by one rename, or not at all; a finished folder is never changed.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hinet_core import models
from hinet_core.contract import Contract
from hinet_core.dataset import Encoder, FeatureSpec
from hinet_core.lake import fsync_path
from hinet_core.training.card import CARD, card
from hinet_core.training.description import (
    DESCRIPTION,
    FORMAT,
    CheckpointError,
    checksum,
    read_description,
    require_contract,
)
from hinet_core.training.loop import device_of

WEIGHTS, ENCODER = "weights.safetensors", "encoder"
PARTIAL = ".partial"


class StoredEncoder(Protocol):
    """Anything that can write itself into a folder."""

    def to_folder(self, folder: Path) -> Any: ...


@dataclass(frozen=True)
class Bundle:
    """A model ready to predict, with everything needed to encode its input."""

    model: nn.Module
    encoder: Any
    spec: FeatureSpec
    meta: dict[str, Any]
    name: str
    description: dict[str, Any] | None = None  # model.json, of a model that was loaded


def save(
    folder: Path,
    model: nn.Module,
    name: str,
    config: Any,
    spec: FeatureSpec,
    encoder: StoredEncoder | None,
    meta: dict[str, Any],
) -> Path:
    """Write the folder; `config` is the model's Config, `meta` any JSON values. -> folder

    Raises CheckpointError if the folder exists: a version's content never changes.
    """
    if folder.exists():
        raise CheckpointError(f"{folder} exists already: a finished model is never overwritten, use a new version")
    # The name is fixed, so that what a killed save left behind is cleared by the next one, or swept (sweep.py).
    partial = folder.parent / f".{folder.name}{PARTIAL}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
        save_weights(weights, partial / WEIGHTS)
        if encoder is not None:
            encoder.to_folder(partial / ENCODER)
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        described = _description(name, config, spec, encoder, meta)
        described["sha256"] = {path.relative_to(partial).as_posix(): sha256(path) for path in files}
        described = json.loads(json.dumps(described))  # as it will be read: keys are texts, tuples are lists
        described["checksum"] = checksum(described)
        (partial / DESCRIPTION).write_text(json.dumps(described, indent=1, sort_keys=True), encoding="utf-8")
        (partial / CARD).write_text(card(described), encoding="utf-8")
        _fsync_all(partial)
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    fsync_path(folder.parent)
    return folder


def load(
    folder: Path,
    device: str = "cpu",
    read_encoder: Callable[[Path], Any] | None = None,
    contract: Contract | None = None,
) -> Bundle:
    """Rebuild the model, in eval mode; give the `contract` under which rows are to be scored.

    `read_encoder` defaults to `dataset.Encoder.from_folder`. Raises CheckpointError, saying what is wrong, for a folder
    that is no whole model of this code, or one that was trained under another contract.
    """
    description = read_description(folder)
    if contract is not None:
        require_contract(folder, description["meta"], contract)
    spec, model = _rebuilt(folder, description)
    _load_weights(model, folder / WEIGHTS)
    _require_own_files(folder, description["sha256"])
    encoder = None
    if description["has_encoder"]:
        encoder = (read_encoder or Encoder.from_folder)(folder / ENCODER)
    model = model.to(device_of(device)).eval()
    return Bundle(model, encoder, spec, description["meta"], description["name"], description)


def _rebuilt(folder: Path, description: dict[str, Any]) -> tuple[FeatureSpec, nn.Module]:
    """The spec, and the model before its weights are read."""
    try:
        spec = FeatureSpec.from_json(description["spec"])
        return spec, models.restore(description["name"], spec, description["config"])
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{folder / DESCRIPTION} describes a model that this code cannot build ({error}): train this model again"
        ) from error


def _description(
    name: str, config: Any, spec: FeatureSpec, encoder: StoredEncoder | None, meta: dict[str, Any]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": name,
        "about": models.about(name),
        "config": asdict(config) if is_dataclass(config) and not isinstance(config, type) else dict(config),
        "spec": spec.to_json(),
        "has_encoder": encoder is not None,
        "meta": meta,
    }


def _load_weights(model: nn.Module, path: Path) -> None:
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read the weights {path} ({error}): the file is cut short or damaged. Put it back from a copy, or "
            "train again"
        ) from error
    if problems := _differences(model.state_dict(), found):
        raise CheckpointError(f"{path} does not fit the model described beside it: " + "; ".join(problems))
    model.load_state_dict(found)


def _require_own_files(folder: Path, sha256_of: Mapping[str, str]) -> None:
    for name, expected in sha256_of.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing: put this model's own back from a copy, or train again")
        if sha256(path) != expected:
            raise CheckpointError(
                f"{path} was changed after training, or is another model's: put this model's own back, or train again"
            )


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(weights, path)
    except SafetensorError as error:  # a full disk is no OSError there
        raise OSError(f"{path} cannot be written ({error}): free some space, then run the same again") from error


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _differences(expected: dict[str, Tensor], found: dict[str, Tensor]) -> list[str]:
    problems = [f"{key} is missing" for key in sorted(expected.keys() - found.keys())]
    problems += [f"{key} is unknown" for key in sorted(found.keys() - expected.keys())]
    for key in sorted(expected.keys() & found.keys()):
        if expected[key].shape != found[key].shape:
            problems.append(f"{key} is {tuple(found[key].shape)}, expected {tuple(expected[key].shape)}")
        elif not bool(torch.isfinite(found[key]).all()):
            problems.append(f"{key} holds NaN or infinity")
    return problems


def _fsync_all(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        fsync_path(path)
    fsync_path(folder)
