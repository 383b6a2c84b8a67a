"""Valid contracts with something wrong in them: keys gone, misspelt, of another type, values that mean nothing."""

import copy
from collections.abc import Iterator
from datetime import date, datetime, time
from random import Random
from typing import Any

Place = tuple[Any, Any]  # a table or a list of the contract, and the key or position in it

ODD = [
    "", " ", "x", "'; DROP TABLE staged; --", '"', "\0", "é" * 300, "path:nothing", "record:number", "..", "/etc/*",
    "**/*", "a[", "[", "(?P<x>", "(", "(?=x)", r"\1", "(a)(b)", "%Q", "%", "%Y", "epoch_s", "UTC", "Mars/Phobos",
    "24h", "-1d", "99999999999d", "{0..3}", "f_{0..999999999}", "f_{9..1}", "hist_*", "day", "label_x", "iso",
    "timestamp", "string", "list<int64>", "side", "1", "true", 0, 1, -1, 2, 1.5, 10**30, -(2**63), float("nan"),
    float("inf"), True, False, [], {}, [[]], [{}], ["a", "a"], [1, "x", True], {"a": 1}, {"column": "zzz"}, {"": ""},
    date(2026, 3, 1), date(1, 1, 1), date(9999, 12, 31), datetime(2026, 3, 1, 5), time(3),
]  # fmt: skip


def mutated(rng: Random, raw: dict[str, Any]) -> dict[str, Any]:
    """A copy with one to three changes."""
    changed = copy.deepcopy(raw)
    for _ in range(1 + rng.randrange(3)):
        inside = list(places(changed))
        if inside:
            holder, at = rng.choice(inside)
            rng.choice([replaced, replaced, crossed, dropped, renamed, grown, repeated])(rng, changed, holder, at)
    return changed


def places(part: Any) -> Iterator[Place]:
    steps = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for at, inner in list(steps):
        yield part, at
        yield from places(inner)


def replaced(rng: Random, raw: dict[str, Any], holder: Any, at: Any) -> None:
    holder[at] = copy.deepcopy(rng.choice(ODD))


def crossed(rng: Random, raw: dict[str, Any], holder: Any, at: Any) -> None:
    """A value from elsewhere in the contract."""
    other, there = rng.choice(list(places(raw)))
    holder[at] = copy.deepcopy(other[there])


def dropped(rng: Random, raw: dict[str, Any], holder: Any, at: Any) -> None:
    del holder[at]


def renamed(rng: Random, raw: dict[str, Any], holder: Any, at: Any) -> None:
    if isinstance(holder, dict):
        holder[rng.choice([f"{at}s", at.upper(), at[:-1], "from_", "", "é"])] = holder.pop(at)


def grown(rng: Random, raw: dict[str, Any], holder: Any, at: Any) -> None:
    """A key that another table has."""
    if isinstance(holder, dict):
        other, there = rng.choice([one for one in places(raw) if isinstance(one[0], dict)])
        holder[there] = copy.deepcopy(rng.choice([other[there], *ODD]))


def repeated(rng: Random, raw: dict[str, Any], holder: Any, at: Any) -> None:
    if isinstance(holder, list):
        holder.append(copy.deepcopy(holder[at]))


def toml(raw: dict[str, Any]) -> str:
    """The contract as a TOML text."""
    return "".join(f"{quoted(key)} = {value(one)}\n" for key, one in raw.items())


def value(one: Any) -> str:
    if isinstance(one, bool):
        return str(one).lower()
    if isinstance(one, (date, datetime, time)):
        return one.isoformat()
    if isinstance(one, str):
        return quoted(one)
    if isinstance(one, dict):
        return "{" + ", ".join(f"{quoted(key)} = {value(inner)}" for key, inner in one.items()) + "}"
    if isinstance(one, (list, tuple)):
        return "[" + ", ".join(map(value, one)) + "]"
    return repr(one)


def quoted(text: str) -> str:
    """A basic string: control characters escaped."""
    inner = "".join(rf"\u{ord(one):04x}" if ord(one) < 32 or one in '"\\\x7f' else one for one in text)
    return f'"{inner}"'
