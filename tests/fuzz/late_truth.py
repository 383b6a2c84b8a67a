"""Outcomes that come in a file of their own: drawn beside a random log, and what must follow from each of its rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from drawn_values import Moment, Text
from log_truth import Field, Log, LogFile, Row, Values

TASK, GOOD = "pay", ("paid", "it's paid")
WINDOW, EARLY, SETTLED = timedelta(hours=20), timedelta(minutes=1), timedelta(days=2)
SOURCE = "late"


@dataclass
class Late:
    """Rows of outcomes and the columns they fill; `after` says that the file lands when the log is ingested already."""

    file: LogFile
    source: dict[str, Any]
    keys: dict[str, str]  # column of the log: column of the file
    status: Field
    at: Field
    after: bool = False

    @property
    def task(self) -> dict[str, Any]:
        return {
            "name": TASK, "label": {"column": self.status.name, "one_of": list(GOOD)}, "known_at": self.at.name,
            "window": "20h", "matures_after": "2d",
        }  # fmt: skip

    def key_of(self, values: Values) -> tuple[Any, ...]:
        return tuple(values[name] for name in self.keys)

    def accepted(self) -> list[Row]:
        return [] if self.file.refused else [row for row in self.file.rows if row.fates != ("quarantined",)]

    def belongs(self, row: Row, exposure: Values, exposed: datetime) -> bool:
        moment = row.values[self.at.name]
        same = self.key_of(row.values) == self.key_of(exposure)
        return same and exposed - EARLY <= moment <= exposed + WINDOW


def draw_outcomes(rng: Random, log: Log, late: Late) -> None:
    """Up to two outcomes of some exposures, inside the window and after it, and one of somebody unknown."""
    time = log.role("time").name
    for row in [one for file in log.files for one in file.rows]:
        for _ in range(rng.choice([0, 1, 1, 2])):
            delay = timedelta(seconds=rng.choice([0, -60, 3600, rng.randrange(72_000), 72_000, 80_000]))
            add_outcome(rng, log, late, row.values, row.values[time] + delay)


def add_outcome(rng: Random, log: Log, late: Late, key: Values, moment: datetime) -> Row:
    """A row for this key and time; its cells are spelled anew."""
    kind = late.at.kind
    assert isinstance(kind, Moment)
    moment -= timedelta(microseconds=(moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) % kind.step_us)
    values = {name: key[name] for name in late.keys}
    values |= {late.status.name: late.status.kind.draw(rng), late.at.name: moment}
    cells = {}
    for name, column in late.keys.items():
        of = next(one for one in log.fields if one.name == name)
        cells[column] = of.kind.cells(rng, values[name])[0]
    for one in (late.status, late.at):
        cells |= dict(zip(one.found_in, one.kind.cells(rng, values[one.name]), strict=True))
    late.file.rows.append(Row(values, cells))
    return late.file.rows[-1]


def status_kind() -> Text:
    return Text("string", options=(*GOOD, "refused"))


def shown(late: Late, exposure: Values, exposed: datetime) -> dict[str, Any]:
    """The columns that the outcomes fill for one exposure."""
    rows = [one for one in late.accepted() if late.belongs(one, exposure, exposed)]
    rows.sort(key=lambda one: (one.values[late.at.name], one.values[late.status.name]))
    paid = [one for one in rows if one.values[late.status.name] in GOOD]
    first = rows[0].values if rows else {}
    known = max(paid[0].values[late.at.name], exposed) if paid else exposed + SETTLED
    return {
        late.status.name: first.get(late.status.name), late.at.name: first.get(late.at.name),
        f"label_{TASK}": int(bool(paid)),
        f"known_us_{TASK}": (known - datetime(1970, 1, 1)) // timedelta(microseconds=1),
    }  # fmt: skip


def compare_books(
    late: Late, exposures: Iterable[tuple[Values, datetime]], apart: dict[int, str], totals: list[int]
) -> list[str]:
    """Every row is matched, a duplicate, unmatched or quarantined.

    `apart` says which records the lake calls unmatched or quarantined, `totals` are the books: read, then the four.
    """
    if late.file.refused:
        return [f"outcomes: {totals} of a file that is to be refused"] if totals else []
    complaints, ends = list[str](), dict[Any, str]()
    counts = dict.fromkeys(("matched", "duplicate", "unmatched", "quarantined"), 0)
    exposures = list(exposures)
    for number, row in enumerate(late.file.rows, 1):
        expected = fate_of(late, row, exposures, ends)
        got = apart.get(number, "matched" if "matched" in expected else "duplicate")
        if got not in expected:
            complaints.append(f"outcome {number}: {got}, expected {' or '.join(expected)}")
        counts[got] += 1
        ends.setdefault(content(row), got)
    books = [len(late.file.rows), *counts.values()]
    if (totals or [0] * 5) != books:  # a file without rows has no books
        complaints.append(f"outcomes: books {totals}, expected {books}")
    return complaints


def content(row: Row) -> Any:
    return id(row) if row.fates == ("quarantined",) else tuple(sorted(row.values.items(), key=str))


def fate_of(
    late: Late, row: Row, exposures: list[tuple[Values, datetime]], ends: dict[Any, str]
) -> tuple[str, ...]:
    """What may become of a row; `ends` says what became of equal ones before it."""
    if row.fates == ("quarantined",) or ends.get(content(row)) == "quarantined":
        return ("quarantined",)
    if content(row) in ends:
        return ("duplicate",)
    if any(late.belongs(row, *one) for one in exposures):
        return ("matched",)
    return ("unmatched", "quarantined")  # a time that no exposure of the contract's days can have is refused
