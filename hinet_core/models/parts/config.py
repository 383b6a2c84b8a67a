"""What every model's `Config` inherits: values are of the kind that a field's annotation names, and can make a network.

Checked where a Config is made, so that presets, overrides, files of settings and stored versions get one sentence.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

# One value of a kind, and several of it.
WORDS = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true or false"),
    str: ("a text", "texts"),
}


class Range(NamedTuple):
    """Which numbers a field takes."""

    words: str
    holds: Callable[[float], bool]


ANY = Range("a finite number", math.isfinite)
SIZE = Range("1 or more", lambda value: value >= 1)
NOT_NEGATIVE = Range("0 or more", lambda value: value >= 0)
POSITIVE = Range("more than 0", lambda value: value > 0)
BELOW_1 = Range("0 or more and less than 1", lambda value: 0 <= value < 1)
SHARE = Range("more than 0 and at most 1", lambda value: 0 < value <= 1)
# By name, beside all with `dropout` in it. Any other whole number is a size; what else a number may be is not known.
RANGES = {
    "own_experts": NOT_NEGATIVE,  # a level may have experts of one sort alone
    "shared_experts": NOT_NEGATIVE,
    "momentum": SHARE,
    "columns_per_split": SHARE,
    "learning_rate": POSITIVE,
    "inverse_penalty": POSITIVE,
    "l2": NOT_NEGATIVE,
}
# Of these the next part reads the last width; without any other width the layer before does the work.
READ_ON = ("expert_widths", "bottom_widths")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Raises ValueError for a value of another kind or out of range; what depends on the log is checked with it."""

    def __post_init__(self) -> None:
        check_kinds(self)
        for name, hint in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if not isinstance(value, tuple | list):
                check_number(f"{name} is", value, range_of(name, hint))
                continue
            if not value and name.endswith(READ_ON):
                raise ValueError(f"{name} is empty, expected at least one width")
            for one in value:
                check_number(f"{name} holds", one, range_of(name, get_args(hint)[0]))


def range_of(name: str, hint: Any) -> Range:
    """Of a field of this name and annotation."""
    if "dropout" in name:
        return BELOW_1
    return RANGES.get(name, SIZE if hint is int else ANY)


def check_number(what: str, value: object, allowed: Range) -> None:
    """Raises ValueError for a number out of the range or not finite; anything but a number passes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    for one in (ANY, allowed):
        if not one.holds(value):
            raise ValueError(f"{what} {value}, expected {one.words}")


def check_kinds(config: object) -> None:
    """Raises ValueError for a dataclass's field whose value is not what its annotation says. A whole number is a number
    too, a truth value is none, and a list stands for a tuple, as in JSON and TOML."""
    for name, hint in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if not is_of(value, hint):
            raise ValueError(f"{name} is {value!r}, expected {words_of(hint)}")


def is_of(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple | list) and all(is_of(one, get_args(hint)[0]) for one in value)
    if hint in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, int | float if hint is float else hint)


def words_of(hint: Any, several: bool = False) -> str:
    """'a whole number', 'one of own, all', 'a list of lists of numbers'"""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) is tuple:
        return ("lists of " if several else "a list of ") + words_of(get_args(hint)[0], several=True)
    return WORDS[hint][several]
