"""The short forms of a contract written out: `feat_{0..17}` in names, one entry for like columns, `extend`.

What is no list, table or text where one belongs is left as it is: the grammar says so with its key.
"""

import re
from itertools import chain
from typing import Any

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
MOST_NAMES = 10_000
NAMED = ("sources", "columns", "scenarios", "tasks", "off_policy")  # lists whose entries have a name or an id
Table = dict[str, Any]


def written_out(raw: Table, base: Table | None = None) -> Table:
    """The contract with every name spelled out, laid over `base` (written out itself); ValueError names the key."""
    whole = dict(raw)
    if isinstance(raw.get("sources"), list):
        whole["sources"] = [_source(one) for one in raw["sources"]]
    if isinstance(raw.get("columns"), list):
        whole["columns"] = list(chain.from_iterable(_columns(one) for one in raw["columns"]))
    origin = raw.get("origin")
    if isinstance(origin, dict) and "files" in origin:
        whole["origin"] = origin | {"files": spelled(origin["files"], "origin.files")}
    return whole if base is None else _laid_over(base, whole)


def spelled(names: Any, key: str) -> Any:
    """'a_{1..3}' as ['a_1', 'a_2', 'a_3'], of each name of a list; one plain name stays as it is."""
    if isinstance(names, str):
        found = RANGE.search(names)
        if found is None:
            return names
        first, last = int(found[1]), int(found[2])
        if not 0 <= last - first < MOST_NAMES:
            raise ValueError(f"{key}: found {names!r}, allowed: a range from low to high of at most {MOST_NAMES} names")
        return [f"{names[: found.start()]}{number}{names[found.end() :]}" for number in range(first, last + 1)]
    if not isinstance(names, list):
        return names
    parts = [spelled(one, key) for one in names]
    return list(chain.from_iterable(part if isinstance(part, list) else [part] for part in parts))


def _source(entry: Any) -> Any:
    if not isinstance(entry, dict) or "names" not in entry:
        return entry
    return entry | {"names": spelled(entry["names"], f"sources.{entry.get('name')}.names")}


def _columns(entry: Any) -> list[Any]:
    """An entry whose `name` stands for several columns as that many entries; `from` then gives one name to each."""
    if not isinstance(entry, dict):
        return [entry]
    key = f"columns.{entry.get('name')}"
    names = spelled(entry.get("name"), f"{key}.name")
    read = {"from": spelled(entry["from"], f"{key}.from")} if "from" in entry else {}
    if not isinstance(names, list):
        return [entry | read]
    if not read:
        return [entry | {"name": name} for name in names]
    found = read["from"] if isinstance(read["from"], list) else [read["from"]]
    if len(found) != len(names):
        raise ValueError(f"{key}.from: found {len(found)} names, allowed: one for each of the {len(names)} columns")
    return [entry | {"name": name, "from": one} for name, one in zip(names, found, strict=True)]


def _laid_over(base: Table, own: Table) -> Table:
    """Tables are joined key by key and lists of named entries entry by entry; anything else is replaced."""
    base = _without(base, own.get("without"))
    merged = base | own
    for key, value in own.items():
        below = base.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = below | value
        elif key in NAMED and isinstance(value, list) and isinstance(below, list):
            merged[key] = _entries(below, value)
    return merged


def _without(base: Table, names: Any) -> Table:
    """The extended contract less these sources and the columns that are read from them."""
    if not isinstance(names, list) or not names:
        return base
    there = [one.get("name") for one in base.get("sources", []) if one.get("kind", "log") != "log"]
    for name in names:
        if name not in there:
            raise ValueError(f"without: found {name!r}, allowed: {', '.join(map(str, there)) or 'none'}")
    return base | {
        "sources": [one for one in base["sources"] if one.get("name") not in names],
        "columns": [one for one in base["columns"] if one.get("source") not in names],
    }


def _entries(below: list[Any], own: list[Any]) -> list[Any]:
    """Entries of one name are joined key by key; the others stand at the end."""
    entries = list(below)
    places = {_label(entry): place for place, entry in enumerate(below)}
    for entry in own:
        place = places.get(_label(entry)) if _label(entry) else None
        if place is None:
            entries.append(entry)
        else:
            entries[place] = below[place] | entry
    return entries


def _label(entry: Any) -> str | None:
    """What names an entry; None where it has no name (the grammar will say so)."""
    name = entry.get("name", entry.get("id")) if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None
