"""What follows from the typed sample: the key of an exposure, bounds of quality, the first and the last day."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from datetime import date
from itertools import accumulate

import duckdb

from hinet_core.draft.groups import Group
from hinet_core.draft.plan import UNSURE, Plan, share
from hinet_core.draft.sample import DraftError
from hinet_core.lake import quote_identifier

TYPED = "log_typed"  # the log's sample under the contract's names
UNIQUE = 0.999
DEFAULT_REFUSED = 0.05  # [quality] max_quarantined_share
LARGEST_GAP_DAYS = 31
LEAST_ROWS_OF_HOURS = 1000


def choose_key(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """The fewest columns that tell nearly all different rows apart; rows equal in everything are repeats."""
    usable = [one for one in plan.columns if not one.nullable and one.source is None
              and not one.type.startswith("list") and one.role != "outcome"]  # fmt: skip
    roles_first = [plan.one(role) for role in ("request", "user", "item", "time")]
    different = _distinct(con, [one.name for one in plan.columns if one.reads])
    key = [one.name for one in roles_first if one is not None and one in usable]
    rest = [one.name for one in usable if one.name not in key]
    events = [one.name for one in plan.with_role("outcome") if one.type == "string" and not one.nullable]
    found = _distinct(con, key)
    for name in [*events, *rest]:
        if found >= UNIQUE * different:
            break
        more = _distinct(con, [*key, name])
        if more > found:
            key, found = [*key, name], more
    plan.dedupe = key
    total = con.execute(f"SELECT count(*) FROM {TYPED}").fetchall()[0][0]
    plan.dedupe_why = [f"{total} rows looked at: {different} different ones, {found} different keys"]
    if found < different:
        repeats = f"{UNSURE}{different - found} rows differ from another row of the same key: the earliest is kept"
        plan.dedupe_why.append(repeats)
    time = plan.one("time")
    if total > different and (time is None or not time.reads):
        told = f"{UNSURE}without a time {total - different} equal rows may be exposures of their own"
        plan.dedupe_why.append(f"{told}, dropped here; a column from = 'record:number' in the key keeps them")


def _distinct(con: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> int:
    listed = ", ".join(quote_identifier(one) for one in columns)
    return con.execute(f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {TYPED})").fetchall()[0][0]


def bound(con: duckdb.DuckDBPyConnection, plan: Plan, log: Group) -> None:
    """Quality bounds around what was seen, with room for other days."""
    total = con.execute(f"SELECT count(*) FROM {TYPED}").fetchall()[0][0]
    repeated = 1 - _distinct(con, plan.dedupe) / total
    if repeated > 0.1:
        plan.quality["max_duplicate_share"] = round(min(1.0, 2 * repeated), 2)
    refused, worst = refused_share(con, plan, log)
    if refused:
        plan.notes.append(f"{refused} records looked at will be quarantined: see the columns")
    if worst > DEFAULT_REFUSED:
        plan.notes.append(f"{UNSURE}up to {share(worst, 1)} of a day's rows will be quarantined: [quality] allows it")
        plan.quality["max_quarantined_share"] = round(min(1.0, 1.5 * worst), 2)
    if not log.whole:
        plan.quality["max_unknown_scenario_share"] = 0.01


def refused_share(con: duckdb.DuckDBPyConnection, plan: Plan, log: Group) -> tuple[int, float]:
    """Records looked at that ingest will refuse, and the largest share of them that a day has.

    What has no time, or is no record at all, stands in the books of its file's first day.
    """
    lacking = [f"{quote_identifier(one.name)} IS NULL" for one in plan.columns if one.reads and not one.nullable]
    time = plan.one("time")
    day = f"CAST({quote_identifier(time.name)} AS DATE)" if time is not None else "NULL"
    counted = con.execute(
        f"SELECT source_file, {day} AS day, count(*), count(*) FILTER (reasons OR {' OR '.join(lacking)}) FROM {TYPED} "
        "GROUP BY ALL ORDER BY source_file, day"
    ).fetchall()
    of_file = {one.relative: one.no_records for one in log.samples}
    rows, refused = Counter[tuple[str, date | None]](), Counter[tuple[str, date | None]]()
    for file, on, n, bad in counted:
        place = file, on if on is not None else min((d for f, d, *_ in counted if f == file and d), default=None)
        rows[place] += n + of_file.get(file, 0)
        refused[place] += bad + of_file.pop(file, 0)
    return refused.total(), max((refused[one] / rows[one] for one in rows), default=0.0)


def days_of(con: duckdb.DuckDBPyConnection, plan: Plan) -> tuple[date, date] | None:
    """The first and the last day of the rows looked at, in UTC; None for a log without times."""
    time = plan.one("time")
    if time is None or not time.reads:
        return None
    counted = con.execute(
        f"SELECT CAST({quote_identifier(time.name)} AS DATE) AS day, count(*) FROM {TYPED} WHERE day IS NOT NULL "
        "GROUP BY day ORDER BY day"
    ).fetchall()
    if not counted:
        raise DraftError(f"no value of {', '.join(time.reads)} can be read as a time; name the log's files only")
    first, last = _main_days(counted)
    outside = sum(count for day, count in counted if not first <= day <= last)
    if outside:
        plan.notes.append(f"{outside} rows looked at are far from the days {first} to {last}, in which nearly all lie")
    return first, last


def zone_hint(con: duckdb.DuckDBPyConnection, plan: Plan) -> str | None:
    """Where the users may live, when some hours are quiet enough to be the night (about 2 to 6 o'clock)."""
    time = plan.one("time")
    if time is None or not time.reads:
        return None
    hour = f"hour({quote_identifier(time.name)})"
    counted = con.execute(f"SELECT {hour} AS h, count(*) FROM {TYPED} WHERE h IS NOT NULL GROUP BY h").fetchall()
    hours = dict(counted)
    total = sum(hours.values())
    quiet = {start: sum(hours.get((start + more) % 24, 0) for more in range(4)) for start in range(24)}
    start = min(quiet, key=lambda one: quiet[one])
    if total < LEAST_ROWS_OF_HOURS or quiet[start] > total * 4 / 24 / 2:
        return None
    offset = (2 - start + 11) % 24 - 11
    few = f"{share(quiet[start], total)} of the rows lie between {start}:00 and {(start + 4) % 24}:00 as read here"
    return f"{UNSURE}{few}; if that is the night, the users live near UTC{offset:+d}"


def _main_days(counted: Sequence[tuple[date, int]]) -> tuple[date, date]:
    """The stretch around the middle row without a gap of more than a month: one clock that is wrong is no day."""
    days = [day for day, _ in counted]
    up_to = list(accumulate(count for _, count in counted))
    first = last = bisect_left(up_to, up_to[-1] / 2)
    while first > 0 and (days[first] - days[first - 1]).days <= LARGEST_GAP_DAYS:
        first -= 1
    while last < len(days) - 1 and (days[last + 1] - days[last]).days <= LARGEST_GAP_DAYS:
        last += 1
    return days[first], days[last]
