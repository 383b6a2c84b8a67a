"""Days that only a wrong clock or a damaged value can have made, in a log without a last day.

One time in the year 2215 would be the newest day: every outcome would be mature, and the days before it a gap. The
clock of the machine is no judge, since a log may be simulated or restored; the file itself is.
"""

from datetime import date, timedelta
from itertools import pairwise

LONG_AFTER = timedelta(days=300)
FEW = 0.05  # of the rows of a file


def without_strays(rows: dict[date | None, int]) -> dict[date | None, int]:
    """Rows per day of a file, with those under None (no usable day) that are few and come long after all others."""
    days = sorted(day for day in rows if day is not None)
    total = later = sum(rows[day] for day in days)
    for day, following in pairwise(days):
        later -= rows[day]
        if following - day > LONG_AFTER and later <= FEW * total:
            near = {one: rows[one] for one in days if one <= day}
            return near | {None: rows.get(None, 0) + later}
    return rows
