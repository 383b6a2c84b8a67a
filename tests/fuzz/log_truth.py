"""What a random log is: the contract, its rows with the truth of each, and the files that hold them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from drawn_values import Cell, Kind

Values = dict[str, Any]  # typed, by contract column
Claim = Callable[[Values], bool | None]


@dataclass
class Field:
    """A column of the contract: the file columns that hold it, and how its values are drawn."""

    name: str
    kind: Kind
    found_in: tuple[str, ...]
    role: str = "plain"
    nullable: bool = False
    rules: dict[str, Any] = field(default_factory=dict)
    source: str = "log"

    @property
    def needed(self) -> bool:
        """Whether a row without a value is refused: a `map` may name what no value means."""
        return not self.nullable and "" not in self.kind.keys.get("map", {})

    @property
    def cell_names(self) -> tuple[str, ...]:
        """The file columns with a cell for it: none when it is constant or read from the path."""
        return tuple(one for one in self.found_in if not one.startswith("path:")) if self.kind.width else ()

    def to_contract(self) -> dict[str, Any]:
        raw: dict[str, Any] = {"name": self.name, "type": self.kind.type, "role": self.role}
        raw |= self.kind.keys | self.rules | {"nullable": self.nullable, "source": self.source}
        if self.found_in != (self.name,):
            raw["from"] = list(self.found_in) if len(self.found_in) > 1 else self.found_in[0]
        return raw


@dataclass
class Row:
    """One record. `fates` are the acceptable ends, 'kept' and 'quarantined'; one of the reasons matches `reason`.

    On its way into a file `shape` changes a CSV record's fields, and `mangle` the bytes of its line.
    """

    values: Values
    cells: dict[str, Cell]
    fates: tuple[str, ...] = ("kept",)
    reason: str = ""
    shape: Callable[[list[str | None]], list[str | None]] | None = None
    mangle: Callable[[bytes], bytes] | None = None

    def refuse(self, reason: str, *or_else: str) -> None:
        self.fates, self.reason = ("quarantined", *or_else), reason


@dataclass
class LogFile:
    """Rows of one file. With `refused` the whole file is, in a sentence that matches; `or_read` allows exact rows too.

    Of an `unknowable` file (flipped bytes that no checksum covers) only the books are checked.
    """

    path: str
    rows: list[Row]
    columns: list[str]
    refused: str | None = None
    or_read: bool = False
    unknowable: bool = False
    layout: dict[str, Any] = field(default_factory=dict)  # where it differs from what the contract says
    titles: dict[str, str] = field(default_factory=dict)  # columns under another name
    arrow: dict[str, Any] = field(default_factory=dict)  # column: its type in Parquet, where it is not the usual one
    quote_all: bool = False
    newlines: tuple[str, ...] = ("\n",)  # one after the other, by line
    gaps: dict[int, list[str]] = field(default_factory=dict)  # lines that are no records, before this one
    last_newline: bool = True
    tamper: Callable[[bytes], bytes] | None = None  # what happens to the finished file

    @property
    def name(self) -> str:
        """As the lake calls it: of a zip archive the file in it."""
        return f"{self.path}/{PurePosixPath(self.path).stem}" if self.path.endswith(".zip") else self.path

    def refuse(self, reason: str, or_read: bool = False) -> None:
        self.refused, self.or_read = reason, or_read


@dataclass
class Label:
    """A task: what its conditions say of a row (None: they hang on a missing value), and when it counts."""

    task: str
    raw: dict[str, Any]
    claim: Claim
    after: str | None = None
    on_violation: str = "clip"
    known_at: str | None = None
    window: timedelta = timedelta(0)
    matures_after: timedelta = timedelta(0)


@dataclass
class Side:
    """A table joined by the log's column `key`; rows are (key, values, cells)."""

    key: Field
    key_name: str
    fields: list[Field]
    columns: list[str]
    rows: list[tuple[Any, Values, dict[str, Cell]]]
    path: str = "side.csv"
    tamper: Callable[[bytes], bytes] | None = None


@dataclass
class Log:
    """A case: contract, layout, files. `text_columns` of Parquet and NDJSON are written as text.

    `meddle` changes the landing folder, after all files are written or after they were looked at; with `may_fail`
    ingest may end in a documented error whose text matches.
    """

    raw: dict[str, Any]
    fields: list[Field]
    labels: list[Label]
    files: list[LogFile]
    draw_row: Callable[[], Row]
    side: Side | None = None
    text_columns: set[str] = field(default_factory=set)
    late: Any = None  # late_truth.Late
    meddle: dict[str, Callable[[Path], None]] = field(default_factory=dict)  # 'written', 'indexed'
    may_fail: str | None = None

    @property
    def source(self) -> dict[str, Any]:
        return self.raw["sources"][0]

    def role(self, role: str) -> Field:
        return next(one for one in self.fields if one.role == role)


@dataclass(frozen=True)
class Outcome:
    """What the lake holds of a task for one row."""

    label: int | None
    known: datetime


def outcomes(labels: list[Label], values: Values, exposed: datetime) -> dict[str, Outcome]:
    """Labels inside their window and clipped to the funnel, and when each is known (docs/contract.md, design)."""
    found: dict[str, Outcome] = {}
    for one in labels:
        claim = one.claim(values)
        label = None if claim is None else int(claim)
        known = values.get(one.known_at or "")
        if label and known is not None and known > exposed + one.window:
            label = 0
        if label and one.after and found[one.after].label == 0:
            label = 0
        settled = max(known, exposed) if label == 1 and known is not None else exposed + one.matures_after
        found[one.task] = Outcome(label, settled)
    return found


def violated(labels: list[Label], values: Values) -> list[Label]:
    """Tasks whose step is claimed without the earlier one."""
    claims = {one.task: one.claim(values) for one in labels}
    return [one for one in labels if one.after and claims[one.task] is True and claims[one.after] is False]


def local_day(moment: datetime, zone: Any) -> date:
    """The calendar day of a naive UTC moment."""
    return moment.replace(tzinfo=UTC).astimezone(zone).date()
