"""What single values of a log can look like: draw a typed value, spell it as a log would, know what must arrive.

Written from docs/contract.md. A `Kind` draws values of one contract type in one spelling. `Cell.text` is what CSV (or a
text column of Parquet) holds and `Cell.native` what JSON or Parquet can hold as it is; None in both: a missing value.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

ASCII = "abcxyzABC019_-.:/#"


@dataclass(frozen=True)
class Cell:
    text: str | None
    native: Any = None


MISSING = Cell(None)


@dataclass(frozen=True)
class Kind:
    """`width` file columns hold one value of contract type `type`; `keys` are the contract's keys for this spelling."""

    type: str
    keys: dict[str, Any] = field(default_factory=dict)
    width: int = 1
    arrow: pa.DataType | None = None  # of its Parquet column; None: text

    def draw(self, rng: Random) -> Any:
        raise NotImplementedError

    def cells(self, rng: Random, value: Any) -> list[Cell]:
        raise NotImplementedError


@dataclass(frozen=True)
class Whole(Kind):
    low: int = 0
    high: int = 0

    def draw(self, rng: Random) -> int:
        near = [self.low, self.high, *(one for one in (0, 1, 7, 1234, 1_234_567) if self.low <= one <= self.high)]
        return rng.choice(near) if rng.randrange(2) else rng.randrange(self.low, self.high + 1)

    def cells(self, rng: Random, value: int) -> list[Cell]:
        mark = self.keys.get("thousands", "")
        text = f"{value:,}".replace(",", mark) if mark and rng.randrange(2) else str(value)
        if not self.keys and rng.randrange(8) == 0:
            # With a point and more digits than a float has it is refused (tests/ingest/test_casts.py).
            float_like = f"{text}.0" if abs(value) < 10**15 else text
            text = rng.choice([float_like, f"+{text}" if value >= 0 else text, text.replace("-", "-0")])
        return [Cell(dressed(self.keys, text), value)]


@dataclass(frozen=True)
class Real(Kind):
    digits: int = 2

    def draw(self, rng: Random) -> float:
        value = rng.randrange(-10**6, 10**7) / 10 ** rng.randrange(self.digits + 1)
        return float(np.float32(value)) if self.type == "float32" else value

    def cells(self, rng: Random, value: float) -> list[Cell]:
        text = format(value, ",.7g" if self.type == "float32" else ",.12g")
        if "e" in text:
            text = repr(value)
        marks = {",": self.keys.get("thousands", ""), ".": self.keys.get("decimal", ".")}
        return [Cell(dressed(self.keys, "".join(marks.get(one, one) for one in text)), value)]


def dressed(keys: dict[str, Any], text: str) -> str:
    """With the currency sign that the contract strips."""
    signs = keys.get("strip", "")
    return f"{text} {signs[0]}" if signs else text


@dataclass(frozen=True)
class Text(Kind):
    letters: str = ASCII
    options: tuple[str, ...] = ()  # a closed set, or any text of the letters

    def draw(self, rng: Random) -> str:
        if self.options:
            return rng.choice(self.options)
        inner = "".join(rng.choice(self.letters) for _ in range(rng.randrange(6)))
        return f"t{inner.strip()}"  # never blank, never a word for 'missing'

    def cells(self, rng: Random, value: str) -> list[Cell]:
        return [Cell(value, value)]


@dataclass(frozen=True)
class Truth(Kind):
    def draw(self, rng: Random) -> bool:
        return bool(rng.randrange(2))

    def cells(self, rng: Random, value: bool) -> list[Cell]:
        return [Cell(rng.choice(["true", "True", "1", "TRUE"] if value else ["false", "False", "0", "FALSE"]), value)]


@dataclass(frozen=True)
class Moment(Kind):
    """A time of the contract's days as naive UTC; `form` is an epoch, 'iso…' or a strptime format."""

    form: str = "iso"
    step_us: int = 1_000_000
    days: tuple[date, ...] = ()  # in the contract's zone, `clock`
    clock: str = "UTC"

    def draw(self, rng: Random) -> datetime:
        start = datetime.combine(rng.choice(self.days), datetime.min.time(), ZoneInfo(self.clock)).astimezone(UTC)
        second = rng.choice([7200, 0, 86_399 - 3600, rng.randrange(3600, 80_000)])  # a short day still holds them
        moment = start + timedelta(seconds=second, microseconds=rng.randrange(1_000_000) // self.step_us * self.step_us)
        moment = moment.replace(second=0, microsecond=0) if self.step_us > 1_000_000 else moment
        local = moment.astimezone(ZoneInfo(self.keys.get("zone", "UTC")))
        if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
            moment += timedelta(hours=3)  # a clock time that occurs twice means nothing certain
        return moment.replace(tzinfo=None)

    def cells(self, rng: Random, value: datetime) -> list[Cell]:
        if self.form.startswith("epoch"):
            unit = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}[self.form]
            number = (value - datetime(1970, 1, 1)) // timedelta(microseconds=1) // unit
            return [Cell(str(number), number)]
        local = value.replace(tzinfo=UTC).astimezone(ZoneInfo(self.keys.get("zone", "UTC")))
        native = local.replace(tzinfo=None)
        if self.form == "iso":
            return [Cell(native.isoformat(sep=rng.choice("T ")), native)]
        if self.form == "iso_zoned":
            other = local.astimezone(ZoneInfo(rng.choice(["UTC", "Asia/Kathmandu", "America/New_York"])))
            text = other.isoformat()
            return [Cell(text.replace("+00:00", rng.choice(["Z", "+00:00"])), native)]
        text = local.strftime(self.form)
        return [Cell(one) for one in text.split(" ", 1)] if self.width == 2 else [Cell(text)]


@dataclass(frozen=True)
class Day(Kind):
    form: str = "%Y-%m-%d"

    def draw(self, rng: Random) -> date:
        return date(2020, 1, 1) + timedelta(days=rng.randrange(4000))

    def cells(self, rng: Random, value: date) -> list[Cell]:
        return [Cell(value.strftime(self.form), value)]


@dataclass(frozen=True)
class Items(Kind):
    """A list: delimited text, a JSON array, or numbered columns (then an item may be missing in between)."""

    form: str = "delimited"
    of: Kind = Kind("string")

    def draw(self, rng: Random) -> list[Any]:
        return [self.of.draw(rng) for _ in range(1 + rng.randrange(self.width if self.form == "numbered" else 4))]

    def cells(self, rng: Random, value: list[Any]) -> list[Cell]:
        if self.form == "numbered":
            spelled = [Cell(str(one), one) for one in value] + [MISSING] * (self.width - len(value))
            gap = rng.randrange(self.width - len(value) + 1)
            return spelled[-gap:] + spelled[:-gap] if gap else spelled
        if self.form == "json":
            return [Cell(json.dumps(value, ensure_ascii=False), value)]
        mark = self.keys.get("separator", ",")
        return [Cell(mark.join(map(str, value)), value)]


INT_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
LOCALES = [{}, {"decimal": ","}, {"decimal": ",", "thousands": "."}, {"thousands": ","}, {"thousands": " "},
           {"thousands": "'"}, {"strip": "$"}, {"decimal": ",", "thousands": ".", "strip": "$"}]  # fmt: skip
TIME_FORMS = [
    ("iso", 1), ("epoch_s", 1_000_000), ("epoch_ms", 1_000), ("epoch_us", 1), ("iso_zoned", 1),
    ("%d.%m.%Y %H:%M:%S", 1_000_000), ("%m/%d/%Y %I:%M %p", 60_000_000), ("%Y%m%d%H%M%S", 1_000_000),
    ("%d %b %Y %H:%M", 60_000_000), ("%Y-%m-%dT%H:%M:%S%z", 1_000_000), ("%d/%b/%Y:%H:%M:%S %z", 1_000_000),
    ("%Y-%m-%d %H:%M:%S.%f", 1),
]  # fmt: skip
SPLIT_FORMS = ("%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")


def whole(rng: Random, kind: str = "", low: int | None = None, high: int | None = None, plain: bool = False) -> Whole:
    kind = kind or rng.choice(list(INT_BITS))
    half = 2 ** (INT_BITS[kind] - 1)
    low, high = -half if low is None else low, half - 1 if high is None else high
    return Whole(kind, {} if plain else rng.choice(LOCALES), arrow=getattr(pa, kind)(), low=low, high=high)


def real(rng: Random) -> Real:
    kind = rng.choice(["float64", "float32"])
    return Real(kind, rng.choice(LOCALES), arrow=pa.float64() if kind == "float64" else pa.float32())


def moment(rng: Random, days: tuple[date, ...], clock: str, *only: str) -> Moment:
    """A spelling of times; `only` 'epoch' or 'split_time' (date and time in two columns)."""
    forms = [one for one in TIME_FORMS if "epoch" not in only or one[0].startswith("epoch")]
    forms = [one for one in forms if "split_time" not in only or one[0] in SPLIT_FORMS]
    form, step = rng.choice(forms)
    width = 2 if form in SPLIT_FORMS and ("split_time" in only or rng.randrange(2)) else 1
    keys: dict[str, Any] = {} if form.startswith("iso") and rng.randrange(2) else {"parse": form.split("_zoned")[0]}
    if "epoch" not in form and form != "iso_zoned":
        keys["zone"] = rng.choice(["UTC", clock, "America/New_York", "Asia/Tokyo"])
    arrow = pa.int64() if "epoch" in form else pa.timestamp("us") if form == "iso" else None
    return Moment("timestamp", keys, width, arrow, form, step, days, clock)


def a_date(rng: Random) -> Day:
    form = rng.choice(["%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y"])
    return Day("date", {} if form == "%Y-%m-%d" else {"parse": form}, arrow=pa.date32(), form=form)


def items(rng: Random, letters: str) -> Items:
    form = rng.choice(["delimited", "json", "numbered"])
    if rng.randrange(2):
        inner: Kind = whole(rng, "int64", plain=True)
    else:
        inner = Text("string", letters="".join(one for one in letters if one.isalnum()) or "a")
    separator = rng.choice([",", ";", "|", "::", " "]) if form == "delimited" else ","
    keys = {"separator": separator} if separator != "," else {}
    arrow = (pa.int64() if inner.type == "int64" else pa.string())
    return Items(
        f"list<{inner.type}>", keys, 3 if form == "numbered" else 1, arrow if form == "numbered" else pa.list_(arrow),
        form, inner,
    )  # fmt: skip
