"""What a model's folder says of itself, read without its weights: model.json, and under which contract it was trained.

Needs no torch, so that the registry can ask too.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hinet_core.contract import Contract, at_most, contract_differences

DESCRIPTION = "model.json"
FORMAT = 3  # 1 had one line of calibration for all scenarios, 2 knew of its weights alone what they must be
KEYS = ("name", "config", "spec", "has_encoder", "sha256", "checksum", "meta")


class CheckpointError(ValueError):
    """The folder is not a model that this code can load, or not one for this contract."""


def read_description(folder: Path) -> dict[str, Any]:
    """The content of model.json. Raises CheckpointError, saying what is wrong, for a folder that is no model."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise CheckpointError(f"{folder} is no model folder: expected {DESCRIPTION} in it")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not JSON ({error}): it is cut short or damaged. Put it back from a copy, or train again"
        ) from error
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise CheckpointError(
            f"{path} has format {found!r}, expected {FORMAT}: another version of the platform wrote it. "
            "Train this model again"
        )
    missing = [key for key in KEYS if key not in description]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: put it back from a copy, or train again")
    if checksum(description) != description["checksum"]:
        raise CheckpointError(f"{path} was changed after training: put it back from a copy, or train again")
    return description


def checksum(description: Mapping[str, Any]) -> str:
    """Of the content without the checksum itself, however it is laid out."""
    content = {key: value for key, value in description.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def contract_of(contract: Contract) -> dict[str, Any]:
    """What a model's folder keeps of the contract: enough to say later what has changed."""
    return {
        "name": contract.name,
        "data_fingerprint": contract.data_fingerprint,
        "content": contract.data_content,
    }


def require_contract(folder: Path, meta: dict[str, Any], contract: Contract) -> None:
    """Raise CheckpointError, with every difference in words, when the model was trained on other data."""
    trained_under = meta.get("contract")
    if not trained_under:
        raise CheckpointError(f"{folder} does not say under which contract it was trained: train this model again")
    if trained_under["data_fingerprint"] == contract.data_fingerprint:
        return
    differences = contract_differences(trained_under["content"], contract.data_content) or ["the fingerprint alone"]
    raise CheckpointError(
        f"{folder.name} was trained under another contract than {contract.name} is now: {at_most(differences)}. "
        "Train it again under this contract, or take the contract back"
    )
