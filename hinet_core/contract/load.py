"""From a TOML file to a checked contract; every mistake is reported with file, key, found and allowed, all at once."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hinet_core.contract.grammar import Contract, ContractError


def packaged_contracts() -> list[str]:
    """The names of the contracts that come with the platform."""
    folder = resources.files("hinet_core") / "contracts"
    return sorted(one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml"))


def contract_path(name_or_path: str) -> Path:
    """The file of a contract: a packaged name, or a path that ends in .toml."""
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise ContractError(f"{path}: no such contract file; give the path of an existing .toml file")
        return path
    if name_or_path not in packaged_contracts():
        known = ", ".join(packaged_contracts())
        raise ContractError(
            f"contract {name_or_path!r}: unknown name; allowed: {known}, or the path of your own .toml file"
        )
    return Path(str(resources.files("hinet_core") / "contracts" / f"{name_or_path}.toml"))


def load_contract(name_or_path: str) -> Contract:
    """Load and check a contract; `ContractError` lists every mistake with file, key, found and allowed."""
    path = contract_path(str(name_or_path))
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"{path}: not readable as TOML: {error}") from error
    return parse_contract(raw, str(path))


def parse_contract(raw: dict[str, Any], origin: str = "contract") -> Contract:
    """Check a contract given as a dictionary."""
    try:
        return Contract.model_validate(raw)
    except ValidationError as error:
        lines = [line for one in error.errors() for line in explain(one, raw)]
        raise ContractError("\n".join(f"{origin}: {line}" for line in lines)) from None


def explain(error: Any, raw: dict[str, Any]) -> list[str]:
    """One pydantic error as sentences: key, found, allowed."""
    message = str(error["msg"]).removeprefix("Value error, ")
    location = error["loc"]
    if not location:
        return message.split("\n")
    key = key_path(location, raw)
    if error["type"] == "missing":
        return [f"{key}: found nothing, allowed: a value (this key is required)"]
    if error["type"] == "extra_forbidden":
        return [f"{key}: unknown key; see docs/adding.md for the keys that exist"]
    found = error["input"]
    if isinstance(found, dict):
        return [f"{key}: {message}"]
    return [f"{key}: found {found!r}, allowed: {message[0].lower() + message[1:]}"]


def key_path(location: tuple[Any, ...], raw: Any) -> str:
    """('columns', 3, 'type') as columns.user_id.type: items of a list by their name."""
    parts: list[str] = []
    for step in location:
        if isinstance(step, int):
            item = raw[step] if isinstance(raw, (list, tuple)) and step < len(raw) else None
            label = item.get("name", item.get("id")) if isinstance(item, dict) else None
            parts.append(str(label if label is not None else step))
            raw = item
        else:
            parts.append(str(step))
            raw = raw.get(step) if isinstance(raw, dict) else None
    return ".".join(parts)
