"""Which landed days still have to be read, and which days no file has."""

from collections.abc import Sequence
from datetime import date, timedelta

from hinet_core.ingest.days import is_current, is_ripe
from hinet_core.ingest.landing import LandingIndex
from hinet_core.ingest.touched import touched_days
from hinet_core.lake import Lake

DAY = timedelta(days=1)
LONG = 7  # days; a pipeline that stood still missed fewer


def pending_days(lake: Lake, landed: LandingIndex) -> list[date]:
    """Landed days that are not committed from exactly the present files and rules, those that outcomes touch, and
    those that were judged before their outcomes were in."""
    current = [day for day in landed.days if is_current(lake, landed, day)]
    again = {*touched_days(lake, landed, current), *(day for day in current if is_ripe(lake, landed, day))}
    return [day for day in landed.days if day not in current or day in again]


def gaps(landed: Sequence[date], committed: Sequence[date] = ()) -> list[str]:
    """One sentence on the days between the first and the last landed one of which there is neither a file nor a
    commit."""
    between = [landed[0] + DAY * n for n in range((landed[-1] - landed[0]).days)]
    missing = [day for day in between if day not in {*landed, *committed}]
    if not missing:
        return []
    return [
        f"{_named(missing)}: no landed file has a row of {'this day' if len(missing) == 1 else 'these days'}, so "
        "readers see a gap; deliver the file and run again" + _if_wrong(missing)
    ]


def _if_wrong(missing: Sequence[date]) -> str:
    """A single wrong time far from all others makes a day of its own, and a gap before it."""
    if len(missing) <= LONG:
        return ""
    after = missing[-1] + DAY
    return f", or, if times from {after} on are wrong (`hinet books` names their file), set `last_day` in the contract"


def without_files(landed: Sequence[date], committed: Sequence[date]) -> list[str]:
    """One sentence on the committed days of which landing has no row any more: their files were removed, or replaced
    by such as lack them."""
    left = sorted(set(committed) - set(landed))
    if not left:
        return []
    return [f"{_named(left)}: no landed file has a row of {'this day' if len(left) == 1 else 'these days'} any more; "
            "what was read from it before stays as it was committed; if its rows belong to other days now, "
            "`hinet withdraw` takes it back"]  # fmt: skip


def _named(days: Sequence[date]) -> str:
    return ", ".join(map(str, days)) if len(days) <= 5 else f"{len(days)} days, {days[0]} to {days[-1]}"
