"""Which landed days still have to be read, and which days no file has."""

from collections.abc import Sequence
from datetime import date, timedelta

from hinet_core.ingest.days import is_current, is_ripe
from hinet_core.ingest.landing import LandingIndex
from hinet_core.ingest.touched import touched_days
from hinet_core.lake import Lake

DAY = timedelta(days=1)


def pending_days(lake: Lake, landed: LandingIndex) -> list[date]:
    """Landed days that are not committed from exactly the present files and rules, those that outcomes touch, and
    those that were judged before their outcomes were in."""
    current = [day for day in landed.days if is_current(lake, landed, day)]
    again = {*touched_days(lake, landed, current), *(day for day in current if is_ripe(lake, landed, day))}
    return [day for day in landed.days if day not in current or day in again]


def gaps(landed: Sequence[date]) -> list[str]:
    """One sentence on the days between the first and the last landed one that no file has a row of."""
    between = [landed[0] + DAY * n for n in range((landed[-1] - landed[0]).days)]
    missing = [day.isoformat() for day in between if day not in set(landed)]
    if not missing:
        return []
    named = ", ".join(missing) if len(missing) <= 5 else f"{len(missing)} days, {missing[0]} to {missing[-1]}"
    return [
        f"{named}: no landed file has a row of {'this day' if len(missing) == 1 else 'these days'}, so readers see a "
        "gap; deliver the file and run again"
    ]
