"""What a draft says: columns with their roles and reasons, scenarios, tasks. Filled step by step, then written."""

from dataclasses import dataclass, field
from typing import Any

from hinet_core.draft.columns import Guess
from hinet_core.draft.shapes import Keys

UNSURE = "UNSURE: "


@dataclass
class Drafted:
    """One column of the contract to come; `why` are comments above it."""

    name: str
    reads: list[str]  # the file's names
    keys: Keys  # type, parse, …
    guess: Guess | None = None  # of its one file column
    role: str = "plain"
    encode: str | None = None
    nullable: bool = False
    source: str | None = None
    values: list[Any] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    read_by: str | None = None  # another name in the contract that reads the same file column

    @property
    def type(self) -> str:
        return self.keys["type"]


@dataclass
class Task:
    name: str
    label: Keys
    after: str | None = None
    known_at: str | None = None
    window: str | None = None
    matures_after: str | None = None  # of a task without known_at
    live: bool = True  # else written as a comment
    why: list[str] = field(default_factory=list)
    delays: dict[int, int] = field(default_factory=dict)  # begun days after the exposure -> outcomes looked at


@dataclass
class Days:
    """How many days a model trains on and is judged on."""

    train: int
    judged: int
    why: list[str]


@dataclass
class Scenario:
    value: str
    rows: int
    modelled: bool = True


@dataclass
class Plan:
    """The draft; `notes` stand at its top, `missing` are roles that no column can have."""

    columns: list[Drafted] = field(default_factory=list)
    scenarios: list[Scenario] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    dedupe: list[str] = field(default_factory=list)
    dedupe_why: list[str] = field(default_factory=list)
    quality: Keys = field(default_factory=dict)
    path_pattern: str = ""
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def with_role(self, role: str) -> list[Drafted]:
        return [one for one in self.columns if one.role == role]

    def one(self, role: str) -> Drafted | None:
        return next(iter(self.with_role(role)), None)

    def reading(self, raw: str) -> Drafted | None:
        """The column of the log that reads a file column alone."""
        return next((one for one in self.columns if one.source is None and one.reads == [raw]), None)


def share(part: float, whole: float) -> str:
    """'3.2 %' of the rows looked at."""
    return f"{100 * part / whole:.3g} %" if whole else "0 %"
