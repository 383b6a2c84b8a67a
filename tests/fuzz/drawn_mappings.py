"""Values that the contract maps before it types them: codes, texts with the value inside, constants, padded lists."""

from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa
from drawn_values import Cell, Items, Kind, Real, Whole

SMALL = Whole("int64", low=1, high=10**9)


@dataclass(frozen=True)
class Coded(Kind):
    """`map` renames and merges codes; a value that it does not name is written as it is."""

    also: tuple[Any, ...] = ()

    def draw(self, rng: Random) -> Any:
        return rng.choice([*self.keys["map"].values(), *self.also])

    def cells(self, rng: Random, value: Any) -> list[Cell]:
        codes = [code for code, meant in self.keys["map"].items() if meant == value and code != ""]
        return [Cell(rng.choice(codes or [str(value)]))]


@dataclass(frozen=True)
class Extracted(Kind):
    """The first match of `extract` in a longer text, or all matches for a list."""

    of: Kind = SMALL

    def draw(self, rng: Random) -> Any:
        many = self.type.startswith("list")
        return [self.of.draw(rng) for _ in range(1 + rng.randrange(3))] if many else self.of.draw(rng)

    def cells(self, rng: Random, value: Any) -> list[Cell]:
        values = value if isinstance(value, list) else [value]
        text = " ".join(f"{rng.choice(['x', '#', 'id'])} id={one}" for one in values)
        return [Cell(text + rng.choice(["", " end", "; q"]))]


@dataclass(frozen=True)
class Constant(Kind):
    """A value that the log does not write."""

    def draw(self, rng: Random) -> Any:
        return self.keys["constant"]

    def cells(self, rng: Random, value: Any) -> list[Cell]:
        return []


@dataclass(frozen=True)
class Padded(Items):
    """Numbered columns of fixed width, filled up with a word for 'nothing'."""

    def cells(self, rng: Random, value: list[Any]) -> list[Cell]:
        pad = self.keys["null_values"][0]
        return [Cell(str(one), one) for one in value] + [Cell(pad, int(pad))] * (self.width - len(value))


def mapped(rng: Random) -> Kind:
    """One of them."""
    return rng.choice(
        [
            Coded("string", {"map": {"A": "tea", "B": "tea", "C": "it's", "": "none"}}, also=("x;y", "Z")),
            Coded("int8", {"map": {"yes": 1, "no": 0, "Y": 1}}, also=(7,)),
            Extracted("int64", {"extract": r"id=(\d+)"}, of=SMALL),
            Extracted("list<int64>", {"extract": r"id=(\d+)"}, of=SMALL),
            Constant("string", {"constant": "it's"}, width=0),
            Constant("int32", {"constant": 7}, width=0),
            Padded("list<int64>", {"null_values": ["0"]}, 3, pa.int64(), "numbered", SMALL),
            Items("list<float64>", {"separator": ";"}, 1, pa.list_(pa.float64()), "delimited", Real("float64")),
        ]
    )
