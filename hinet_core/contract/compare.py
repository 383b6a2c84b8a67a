"""What two contracts say differently of the data that a model reads, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hinet_core.contract.grammar import fingerprint

# Lists whose parts have a name, by what tells one part from another; one part is called by the second word.
NAMED = {"columns": ("name", "column"), "scenarios": ("id", "scenario"), "tasks": ("name", "task")}
NAMED_FEATURES = ("entities", "recent", "buckets", "crosses")
MOST_NAMED = 20

Content = Mapping[str, Any]


def contract_differences(before: Content, now: Content) -> list[str]:
    """Sentences on how `now` differs from `before`, both `Contract.data_content`; none when they are alike."""
    if fingerprint(before) == fingerprint(now):
        return []
    return list(_sentences(before, now)) or ["something that has no words yet"]


def at_most(sentences: Sequence[str], most: int = MOST_NAMED) -> str:
    """The first sentences as one line, and how many more there are."""
    more = [f"and {len(sentences) - most} more"] if len(sentences) > most else []
    return "; ".join([*sentences[:most], *more])


def _sentences(before: Content, now: Content) -> Iterator[str]:
    for group, (key, word) in NAMED.items():
        yield from _named(word, key, before.get(group, ()), now.get(group, ()))
    features = [dict(one.get("features", {})) for one in (before, now)]
    for group in NAMED_FEATURES:
        yield from _named(f"features.{group}", "name", *(one.pop(group, ()) for one in features))
    yield from _settings("features.", *features)
    rest = [{key: value for key, value in one.items() if key not in (*NAMED, "features")} for one in (before, now)]
    yield from _settings("", *rest)


def _named(word: str, key: str, before: Sequence[Content], now: Sequence[Content]) -> Iterator[str]:
    """Parts with a name: which came, which went, which say something else, and whether only their order changed."""
    old, new = ({str(one.get(key)): one for one in parts} for parts in (before, now))
    yield from (f"{word} {name} was removed" for name in old if name not in new)
    yield from (f"{word} {name} was added" for name in new if name not in old)
    for name in new:
        if name in old:
            yield from _settings(f"{word} {name}: ", old[name], new[name])
    if old.keys() == new.keys() and list(old) != list(new):
        yield f"{word} order was {', '.join(old)}, is {', '.join(new)}"


def _settings(where: str, before: Content, now: Content) -> Iterator[str]:
    for name in sorted({*before, *now}):
        was, found = before.get(name), now.get(name)
        if was != found:
            yield f"{where}{name} was {_said(was)}, is {_said(found)}"


def _said(value: Any) -> str:
    return "not given" if value is None else repr(value)
