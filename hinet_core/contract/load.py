"""From a TOML file to a checked contract; every mistake is reported with file, key, found and allowed, all at once."""

import json
import re
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hinet_core.contract.checks import contradictions
from hinet_core.contract.grammar import Contract, ContractError
from hinet_core.contract.short import written_out
from hinet_core.contract.training import TrainingSection
from hinet_core.contract.values import CLOCK, NAME

PATTERNS = {
    NAME: "letters (a-z, A-Z), digits and _, not starting with a digit",
    CLOCK: "a time of day such as '03:00'",
}
# Kinds of pydantic errors by how they start.
PLAIN = {
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "string_type": "text",
    "string_too_short": "text of at least {min_length} character",
    "string_too_long": "text of at most {max_length} character",
    "int_": "a whole number",
    "float_": "a number",
    "finite_": "a number that is finite",
    "bool_": "true or false",
    "date_": "a date such as 2026-03-01",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
}


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
    return parse_contract(_read(path), str(path))


def parse_contract(raw: dict[str, Any], origin: str = "contract") -> Contract:
    """Check a contract given as a dictionary; a path in `extend` counts from the folder of `origin`."""
    try:
        raw = _complete(raw, Path(origin).parent, ())
    except ValueError as error:
        raise ContractError(f"{origin}: {error}") from None
    try:
        return Contract.model_validate(raw)
    except ValidationError as error:
        lines = [line for one in first_causes(error.errors()) for line in explain(one, raw)]
        raise ContractError("\n".join(f"{origin}: {line}" for line in lines)) from None


def with_settings(contract: Contract, lines: Sequence[str]) -> Contract:
    """The contract with lines of TOML, as `learning_rate = 0.001`, laid over its `[training]`.

    Checked as a contract is. Text may stand without its quotes, which a shell takes away.
    """
    settings = contract.training.model_dump(exclude_unset=True)
    for line in lines:
        for key, value in _setting(line).items():
            below = settings.get(key)
            settings[key] = below | value if isinstance(below, dict) and isinstance(value, dict) else value
    try:
        changed = contract.model_copy(update={"training": TrainingSection.model_validate(settings)})
    except ValidationError as error:
        raw = {"training": settings}
        found = [one | {"loc": ("training", *one["loc"])} for one in error.errors()]
        raise ContractError("\n".join(line for one in found for line in explain(one, raw))) from None
    if problems := contradictions(changed):
        raise ContractError("\n".join(problems))
    return changed


def _setting(line: str) -> dict[str, Any]:
    name, equals, value = (part.strip() for part in line.partition("="))
    for written in (value, json.dumps(value)):
        try:
            found = tomllib.loads(f"{name} = {written}")
        except tomllib.TOMLDecodeError:
            continue
        if equals and value and found and "models" not in found:
            return found
    raise ContractError(
        f"setting: found {line!r}, allowed: NAME=VALUE with a key of [training] but models, as learning_rate=0.001 or "
        "task_weights.click=2"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContractError(f"{path}: not readable as TOML: {error}") from error


def _complete(raw: dict[str, Any], folder: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The contract with its short forms written out, laid over the one that it extends; `above` extend it."""
    extended = raw.get("extend")
    if not isinstance(extended, str):
        return written_out(raw)
    if "name" not in raw:
        raise ValueError(f"name: found nothing, allowed: a name of its own beside extend = {extended!r}")
    own_file = extended.endswith(".toml") and not Path(extended).expanduser().is_absolute()
    path = contract_path(str(folder / extended) if own_file else extended).resolve()
    if path in above:
        raise ValueError(f"extend: found {extended!r}, which extends this contract itself; allowed: one that does not")
    return written_out(raw, _complete(_read(path), path.parent, (*above, path)))


def first_causes(errors: list[Any]) -> list[Any]:
    """Without 'too few items' where the items are there, but wrong themselves."""
    places = [one["loc"] for one in errors]
    return [
        one
        for one in errors
        if one["type"] != "too_short" or all(place == one["loc"] or place[: len(one["loc"])] != one["loc"]
                                             for place in places)
    ]  # fmt: skip


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
        nearest = get_close_matches(str(location[-1]), known_keys(location[:-1]), n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        return [f"{key}: unknown key; {hint}docs/contract.md lists the keys that exist"]
    found = error["input"]
    if error["type"] == "value_error" and isinstance(found, dict):
        # What a part says of one of its own keys begins with that key.
        return [f"{key}.{message}" if re.match(r"\w+: found ", message) else f"{key}: {message}"]
    return [f"{key}: found {found!r}, allowed: {plain(error, message)}"]


def plain(error: Any, message: str) -> str:
    """What is allowed, in the words of a contract."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"])
    if kind == "string_pattern_mismatch" and context["pattern"] in PATTERNS:
        return PATTERNS[context["pattern"]]
    if kind == "too_short":
        return f"at least {context['min_length']} item"
    for start, words in PLAIN.items():
        if kind.startswith(start):
            return words.format(**{key: _as_number(value) for key, value in context.items()})
    return message[0].lower() + message[1:]


def _as_number(value: Any) -> Any:
    """0.0 as people write it, 0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def known_keys(location: tuple[Any, ...]) -> list[str]:
    """The keys of the part of the grammar at a place such as ('columns', 3)."""
    here: Any = Contract
    for step in location:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {field.alias or name: field for name, field in here.model_fields.items()}
            here = fields[str(step)].annotation
        else:
            here = get_args(here)[0 if isinstance(step, int) else 1]
        if isinstance(here, UnionType):  # an optional part
            here = get_args(here)[0]
    return [field.alias or name for name, field in here.model_fields.items()]


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
