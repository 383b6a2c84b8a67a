"""What one step committed for one day: the only thing that makes files visible."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

# The day of a step whose one commit belongs to none.
NO_DAY = date(1970, 1, 1)


@dataclass(frozen=True)
class TableFile:
    """One immutable Parquet file; `path` is relative to the lake."""

    path: str
    rows: int
    bytes: int
    content_hash: str


@dataclass(frozen=True)
class Manifest:
    """What one step committed for one day."""

    step: str
    day: date
    run: str
    tables: dict[str, list[TableFile]]
    info: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        raw = asdict(self) | {"day": self.day.isoformat()}
        return json.dumps(raw, indent=1, sort_keys=True, default=str)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        raw = json.loads(text)
        tables = {name: [TableFile(**one) for one in files] for name, files in raw["tables"].items()}
        return cls(raw["step"], date.fromisoformat(raw["day"]), raw["run"], tables, raw["info"])

    @property
    def rows(self) -> dict[str, int]:
        return {name: sum(one.rows for one in files) for name, files in self.tables.items()}

    @property
    def content_hash(self) -> str:
        """Equal for two commits with the same rows, whoever wrote them and when."""
        return self.hash_of(*self.tables)

    def hash_of(self, *tables: str) -> str:
        """The content hash of some tables: a reader of one is not moved by the others of its commit."""
        parts = sorted((name, one.content_hash) for name in tables for one in self.tables.get(name, []))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
