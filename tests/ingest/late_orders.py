"""Exposures and the orders that come later, as literal lines, and ingest of what is pending."""

from datetime import date

from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.pending import pending_days
from hinet_core.lake import Lake

D27, D29, D30 = (date(2026, 3, day) for day in (27, 29, 30))
# 23:30Z of the 28th is 00:30 of the 29th in Berlin, the day that has 23 hours.
SHOWN = [
    "1,7,a,home,2026-03-27T10:00:00Z,1",
    "1,7,b,home,2026-03-27T10:00:00Z,1",
    "2,8,a,search,2026-03-28T23:30:00Z,1",
    "3,9,c,home,2026-03-29T21:59:59Z,1",
    "3,9,d,home,2026-03-29T21:59:59Z,0",
    "4,9,c,home,2026-03-29T22:00:00Z,1",
]
ORDERS = [
    "1,a,1,2026-03-27T12:00:00Z,9.5",
    "3,c,1,2026-03-30T07:59:59Z,",
]
LABELS = "request, item, label_order, ordered, amount, (known_us_order - exposed_us) / 3600000000"
EXPECTED = [
    (1, "a", 1, 1, 9.5, 2),
    (1, "b", 0, None, None, 48),
    (2, "a", 0, None, None, 48),
    (3, "c", 1, 1, None, 10),
    (3, "d", 0, None, None, 48),
    (4, "c", 0, None, None, 48),
]


def ingest(contract, paths):
    """Read what is pending; returns the days that were read and committed."""
    lake, landed = Lake(paths.lake), index(contract, paths)
    return [one.day for one in ingest_days(contract, lake, landed, pending_days(lake, landed), None) if one.manifest]


def shown(paths, con, columns=LABELS):
    return sorted(Lake(paths.lake).scan(con, "impressions").project(columns).fetchall(), key=str)
