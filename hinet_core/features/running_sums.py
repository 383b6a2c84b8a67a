"""The sums of windows over a run of days: a day's counts are added where it enters one and taken off where it leaves.

windows.py adds the whole history up for one day; in a run each day of it would be read and added thirty times. Counts
are whole numbers, so both ways end in the same sums.
"""

from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.contract.computed import IMPRESSIONS, LIFETIME
from hinet_core.features import state
from hinet_core.features.counters import ACTIVE_DAYS
from hinet_core.features.daily import STEP as DAILY
from hinet_core.features.history import day_number, history_days, step_hashes
from hinet_core.features.sql import as_view
from hinet_core.features.windows import summed
from hinet_core.lake import Lake, quote_identifier

# A first day costs as much as several days alone, since every key is given a number.
WORTH_IT_DAYS = 8
# Beyond this many sums (8 bytes each) the days are computed alone, by DuckDB within its memory limit.
MOST_SUMS = 64_000_000


@dataclass(frozen=True)
class Counted:
    """The counts of one day: the hash of its content, the numbers of its keys and, per counter, their counts."""

    content: str
    keys: np.ndarray
    counts: dict[str, np.ndarray]


class RunningSums:
    """The table `sums` of windows.py for ascending days; there may be gaps between them."""

    def __init__(self, con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake) -> None:
        self.con, self.contract, self.lake = con, contract, lake
        self.counters = list(dict.fromkeys([IMPRESSIONS, *(counter for counter, _ in summed(contract))]))
        self.longest = max(contract.features.windows_days)
        self.too_many = False
        self.start_over()

    def start_over(self) -> None:
        self.con.execute("CREATE OR REPLACE TEMP TABLE numbered_keys (entity VARCHAR, key VARCHAR, number INTEGER)")
        self.names = self.con.table("numbered_keys").to_arrow_table()
        self.day = date.min
        self.held: dict[date, Counted] = {}
        self.sums = {pair: np.zeros(0, np.int64) for pair in summed(self.contract)}
        # Per key: how many of the held days have a row of it, the last of them that showed it, and whether the history
        # as of the day has it.
        self.n_rows, self.last_shown = np.zeros(0, np.int32), np.zeros(0, np.int32)
        self.present = np.zeros(0, bool)

    def as_of(self, day: date) -> list[str] | None:
        """The common table `sums` as of a day; None where it would take too much memory."""
        if self.too_many:
            return None
        committed = step_hashes(self.lake, DAILY, history_days(self.contract, day))
        contents = {date.fromisoformat(one): content for one, content in committed.items()}
        if self.is_stale(contents, day) or len(self.present) > 2 * np.count_nonzero(self.present):
            self.start_over()
        for one, content in contents.items():
            if one not in self.held:
                self.held[one] = self.enter(one, content)
        self.move_to(day)
        lived = self.put_lifetime(day)
        self.present = self.n_rows > 0
        self.present[lived] = True
        self.too_many = len(self.present) * len(self.sums) > MOST_SUMS
        self.con.register("running_sums", self.table(day))
        return ["sums AS (SELECT * FROM running_sums)"]

    def is_stale(self, contents: dict[date, str], day: date) -> bool:
        """Whether days that were added have changed, or days came that were not there."""
        window = set(history_days(self.contract, day))
        added = {one: counted.content for one, counted in self.held.items() if one in window}
        return added != {one: content for one, content in contents.items() if one < self.day}

    def enter(self, day: date, content: str) -> Counted:
        """Read a day; days come oldest first."""
        active = f"CASE WHEN impressions > 0 THEN 1 ELSE 0 END AS {ACTIVE_DAYS}"
        rows = self.lake.scan(self.con, DAILY, [day]).project(f"*, {active}")
        counted = self.read(rows, content)
        self.last_shown[counted.keys[counted.counts[IMPRESSIONS] > 0]] = day_number(day)
        return counted

    def read(self, rows: duckdb.DuckDBPyRelation, content: str = "") -> Counted:
        """The counts of rows with `entity` and `key`; keys not met before get the next numbers."""
        view, same = as_view(self.con, rows, "counted"), "k.entity = c.entity AND k.key = c.key"
        self.con.execute(
            f"""INSERT INTO numbered_keys
            SELECT c.entity, c.key, {len(self.names)} - 1 + ROW_NUMBER() OVER () FROM {view} AS c
            LEFT JOIN numbered_keys AS k ON {same} WHERE k.number IS NULL"""
        )
        new = self.con.sql(f"SELECT * FROM numbered_keys WHERE number >= {len(self.names)} ORDER BY number")
        self.names = pa.concat_tables([self.names, new.to_arrow_table()]).combine_chunks()
        names = map(quote_identifier, self.counters)
        columns = ", ".join(f"COALESCE(c.{name}, 0) AS {name}" for name in names)
        query = f"SELECT k.number, {columns} FROM {view} AS c JOIN numbered_keys AS k ON {same}"
        found = {name: np.asarray(values) for name, values in self.con.execute(query).fetchnumpy().items()}
        keys = found.pop("number")
        self.grow(len(self.names))
        return Counted(content, keys, {name: narrowed(values) for name, values in found.items()})

    def grow(self, n_keys: int) -> None:
        def grown(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values, np.zeros(n_keys - len(values), values.dtype)])

        self.sums = {pair: grown(values) for pair, values in self.sums.items()}
        self.n_rows, self.last_shown = grown(self.n_rows), grown(self.last_shown)

    def move_to(self, day: date) -> None:
        """Let days enter and leave the windows; what has left the longest is forgotten."""
        for one, counted in list(self.held.items()):
            for days in self.contract.features.windows_days:
                was, now = (0 < (at - one).days <= days for at in (self.day, day))
                if was != now:
                    self.add(counted, f"{days}d", 1 if now else -1)
            if one >= self.day:
                self.n_rows[counted.keys] += 1
            if (day - one).days > self.longest:
                self.n_rows[counted.keys] -= 1
                del self.held[one]
        self.day = day

    def add(self, counted: Counted, window: str, sign: int) -> None:
        for (counter, of), sums in self.sums.items():
            if of == window:
                sums[counted.keys] += sign * counted.counts[counter].astype(np.int64)

    def put_lifetime(self, day: date) -> np.ndarray:
        """Take the sums since the first day from the state of the day before; returns the numbers of its keys."""
        before = state.scan_before(self.con, self.lake, day) if state.kept_entities(self.contract) else None
        if before is None:
            return np.zeros(0, np.int32)
        counted = self.read(before)
        for (_, window), sums in self.sums.items():
            if window == LIFETIME:
                sums[:] = 0
        self.add(counted, LIFETIME, 1)
        return counted.keys

    def table(self, day: date) -> pa.Table:
        """The sums of the keys that the history holds."""
        numbers = np.flatnonzero(self.present)
        sums = {f"{counter}_{window}": values[numbers] for (counter, window), values in self.sums.items()}
        shown = self.last_shown[numbers]
        last_shown = pa.array(shown, mask=shown < day_number(day) - self.longest)
        names = self.names.take(pa.array(numbers))
        return pa.table({"entity": names["entity"], "key": names["key"], **sums, "last_shown": last_shown})


def narrowed(values: np.ndarray) -> np.ndarray:
    """Counts in as few bytes as hold them: thirty days of them stay in memory."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
