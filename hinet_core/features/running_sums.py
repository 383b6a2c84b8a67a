"""The sums of windows over a run of days: a day's counts are added where it enters one and taken off where it leaves.

windows.py adds the whole history up for one day; in a run each day of it would be read and added thirty times. Counts
are whole numbers, so both ways end in the same sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from hinet_core.contract import Contract, Entity
from hinet_core.contract.computed import IMPRESSIONS, LIFETIME
from hinet_core.features import state
from hinet_core.features.counters import ACTIVE_DAYS
from hinet_core.features.daily import STEP as DAILY
from hinet_core.features.day_sums import LAST_SHOWN, NEVER, nothing, placed
from hinet_core.features.history import day_number, history_days, step_hashes
from hinet_core.features.sql import as_view, key_sql
from hinet_core.features.windows import summed
from hinet_core.lake import Lake, quote_identifier, quote_literal

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
    """What is known as of ascending days (`DaySums`); there may be gaps between them."""

    def __init__(self, con: duckdb.DuckDBPyConnection, contract: Contract, lake: Lake) -> None:
        self.con, self.contract, self.lake = con, contract, lake
        self.counters = list(dict.fromkeys([IMPRESSIONS, *(counter for counter, _ in summed(contract))]))
        self.longest = max(contract.features.windows_days)
        self.too_many = False
        self.start_over()

    def start_over(self) -> None:
        self.con.execute("CREATE OR REPLACE TEMP TABLE numbered_keys (entity VARCHAR, key VARCHAR, number INTEGER)")
        self.day = date.min
        self.held: dict[date, Counted] = {}
        self.sums = {pair: np.zeros(0, np.int64) for pair in summed(self.contract)}
        # Per key: how many of the held days have a row of it, the last of them that showed it, and whether the history
        # as of the day has it.
        self.n_rows, self.last_shown = np.zeros(0, np.int32), np.zeros(0, np.int32)
        self.present = np.zeros(0, bool)

    def move_to(self, day: date) -> bool:
        """Go on to a day; False where its sums would take too much memory."""
        if self.too_many:
            return False
        committed = step_hashes(self.lake, DAILY, history_days(self.contract, day))
        contents = {date.fromisoformat(one): content for one, content in committed.items()}
        if self.is_stale(contents, day) or len(self.present) > 2 * np.count_nonzero(self.present):
            self.start_over()
        for one, content in contents.items():
            if one not in self.held:
                self.held[one] = self.enter(one, content)
        self.move_windows(day)
        lived = self.put_lifetime(day)
        self.present = self.n_rows > 0
        self.present[lived] = True
        self.too_many = len(self.present) * len(self.sums) > MOST_SUMS
        return not self.too_many

    def of(self, entity: Entity, met: str, n_keys: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """What `DaySums` promises, as of the day."""
        same = f"k.entity = {quote_literal(entity.name)} AND k.key = {key_sql(entity.keys, 'm')}"
        found = self.con.sql(f"SELECT m.nth, k.number FROM {met} AS m JOIN numbered_keys AS k ON {same}").fetchnumpy()
        nth, number = found["nth"], found["number"]
        known = {f"{counter}_{window}": values for (counter, window), values in self.sums.items()}
        shown = self.last_shown[number]
        known_shown = np.where(shown < day_number(self.day) - self.longest, NEVER, shown)
        return {
            name: placed(nth, known_shown if name == LAST_SHOWN else known[name][number], n_keys, nothing(name))
            for name in names
        }

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
        view, names = as_view(self.con, rows, "counted"), [quote_identifier(one) for one in self.counters]
        found = self.con.sql(
            f"""SELECT c.entity, c.key, k.number, {", ".join(f"COALESCE(c.{name}, 0) AS {name}" for name in names)}
            FROM {view} AS c LEFT JOIN numbered_keys AS k ON k.entity = c.entity AND k.key = c.key"""
        ).to_arrow_table()
        is_new, n_keys = found["number"].is_null(), len(self.n_rows)
        new = found.select(["entity", "key"]).filter(is_new)
        new = new.append_column("number", pa.array(np.arange(n_keys, n_keys + len(new), dtype=np.int32)))
        self.con.register("new_keys", new)
        self.con.execute("INSERT INTO numbered_keys SELECT * FROM new_keys")
        self.grow(n_keys + len(new))
        keys = found["number"].fill_null(0).to_numpy().copy()
        keys[is_new.to_numpy()] = new["number"]
        return Counted(content, keys, {name: narrowed(found[name].to_numpy()) for name in self.counters})

    def grow(self, n_keys: int) -> None:
        def grown(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values, np.zeros(n_keys - len(values), values.dtype)])

        self.sums = {pair: grown(values) for pair, values in self.sums.items()}
        self.n_rows, self.last_shown = grown(self.n_rows), grown(self.last_shown)

    def move_windows(self, day: date) -> None:
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


def narrowed(values: np.ndarray) -> np.ndarray:
    """Counts in as few bytes as hold them: thirty days of them stay in memory."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
