"""Files that cannot be used, as a table: no row of theirs is in any day's books, so how many are missing is unknown.

`refused_files` has one row per file, and times in UTC. The index writes it anew when a file is refused or is usable
again. A refused file has no day, so its one commit stands under the first day that there is.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from hinet_core.contract import Contract
from hinet_core.ingest.files import LandedFile
from hinet_core.lake import NO_DAY, Lake

STEP = "refused_files"
ROWS_UNKNOWN = "file refused: rows unknown"
SCHEMA = pa.schema(
    [
        ("source", pa.string()), ("kind", pa.string()), ("file", pa.string()), ("bytes", pa.int64()),
        ("sha256", pa.string()), ("reason", pa.string()), ("first_seen", pa.timestamp("us")),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class RefusedFile:
    """`kind` is that of its source (log, side, outcomes); `sha256` is None where the file could not be read to its end;
    `first_seen` (UTC) is when these bytes were first looked at."""

    source: str
    kind: str
    file: str
    bytes: int
    sha256: str | None
    reason: str
    first_seen: datetime

    @property
    def delivery(self) -> tuple[str, str, int, str | None]:
        """The same for a file that was not delivered anew."""
        return self.source, self.file, self.bytes, self.sha256


def recorded(lake: Lake) -> list[RefusedFile]:
    """The files that were refused when landing was last looked at."""
    manifest = lake.manifest(STEP, NO_DAY)
    paths = [lake.root / one.path for one in manifest.tables[STEP]] if manifest else []
    return [RefusedFile(**row) for path in paths for row in pq.read_table(path).to_pylist()]


def record(lake: Lake, contract: Contract, files: Iterable[LandedFile]) -> bool:
    """Commit which of the landed files are refused; whether that is other than before."""
    before = recorded(lake)
    seen = {one.delivery: one.first_seen for one in before}
    now = datetime.now(UTC).replace(tzinfo=None)
    kinds = {source.name: source.kind for source in contract.sources}
    found = [
        RefusedFile(one.source, kinds[one.source], one.path, one.size, one.sha256 or None, one.refused, now)
        for one in files
        if one.refused
    ]
    found = sorted((replace(one, first_seen=seen.get(one.delivery, now)) for one in found), key=_place)
    if found == before:
        return False
    with lake.begin(STEP, NO_DAY) as draft:
        draft.write_rows(STEP, [asdict(one) for one in found], SCHEMA)
        draft.commit()
    return True


def _place(one: RefusedFile) -> tuple[str, str]:
    return one.source, one.file
