"""Wall time by arithmetic: DuckDB's own conversion asks ICU for every row, which costs more than reading the row."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from hinet_core.lake import quote_literal

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
# A zone whose clocks do not change in these years is at one distance from UTC; outside of them ICU is asked.
STEADY_FROM, STEADY_TO = date(2000, 1, 1), date(2050, 1, 1)

Span = tuple[datetime, int]  # a naive moment in UTC and the seconds that local clocks are ahead from it on


@lru_cache(maxsize=64)
def spans(zone: str, first: date, last: date) -> tuple[Span, ...]:
    """How far local clocks are ahead of UTC from 00:00 UTC of `first` to 00:00 UTC of `last`, change by change."""
    local = ZoneInfo(zone)

    def ahead(moment: datetime) -> int:
        return (moment.replace(tzinfo=UTC).astimezone(local).utcoffset() or timedelta(0)) // SECOND

    start, end = datetime.combine(first, time()), datetime.combine(last, time())
    found = [(start, ahead(start))]
    while start < end:
        stop = min(start + DAY, end)
        if ahead(stop) != found[-1][1]:
            low, high = start, stop
            while high - low > SECOND:
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                low, high = (middle, high) if ahead(middle) == found[-1][1] else (low, middle)
            found.append((high, ahead(high)))
        start = stop
    return tuple(found)


def to_local(zone: str, utc: str, first: date, last: date) -> str:
    """A naive UTC timestamp as wall time; arithmetic from `first` to `last`, ICU outside. `utc` is named often."""
    if zone == "UTC":
        return utc
    known = spans(zone, first, last)
    outside = f"{utc} < {_moment(known[0][0])} OR {utc} >= {_moment(datetime.combine(last, time()))}"
    cases = [f"WHEN {outside} THEN timezone({quote_literal(zone)}, timezone('UTC', {utc}))"]
    for (_, ahead), (until, _) in pairwise(known):
        cases.append(f"WHEN {utc} < {_moment(until)} THEN {utc} + to_seconds({ahead})")
    return f"CASE {' '.join(cases)} ELSE {utc} + to_seconds({known[-1][1]}) END"


def to_utc(zone: str, local: str) -> str:
    """Wall time as a naive UTC timestamp; arithmetic where the zone's clocks do not change."""
    if zone == "UTC":
        return local
    asked = f"timezone('UTC', timezone({quote_literal(zone)}, {local}))"
    known = spans(zone, STEADY_FROM, STEADY_TO)
    if len(known) > 1:
        return asked
    inside = f"{local} BETWEEN DATE '{STEADY_FROM + DAY}' AND DATE '{STEADY_TO - DAY}'"
    return f"CASE WHEN {inside} THEN {local} - to_seconds({known[0][1]}) ELSE {asked} END"


def _moment(when: datetime) -> str:
    return f"TIMESTAMP {quote_literal(when.isoformat(sep=' '))}"
