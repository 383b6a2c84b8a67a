"""A landed file as the index knows it."""

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class LandedFile:
    """One file: rows per day (ISO), or why it is refused. `careful`: it is read with care (see `streams`).
    `member`: its name in the zip archive that it came in, whose path and `/` begin its own path.

    Days of a log are those of the exposures; days of outcomes those on which they became known, of rows that can be
    used, with the usable rows without a time in `undated`.
    """

    path: str
    source: str
    size: int
    mtime_ns: int
    sha256: str
    rows: dict[str, int] = field(default_factory=dict)
    refused: str | None = None
    undated: int = 0
    careful: bool = False
    member: str = ""

    @property
    def landed_path(self) -> str:
        """The path of the file that landed: its own, or that of its archive."""
        return self.path.removesuffix(f"/{self.member}") if self.member else self.path

    @property
    def days(self) -> set[date]:
        return {date.fromisoformat(day) for day in self.rows}

    @property
    def first_day(self) -> date | None:
        """The day whose books hold the rows without a readable time."""
        return min(self.days, default=None)
