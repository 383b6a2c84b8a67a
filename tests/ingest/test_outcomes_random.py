"""Random tiny logs with late outcomes against plain loops: labels, what is shown, and which days a file touches.

Times are minutes since 27 March 2026, 00:00 in Berlin; the 29th has 23 hours. Users, items and events repeat, so an
outcome belongs to several exposures and an exposure has several outcomes, some of them at the same time.
"""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from late_log import late_raw, part_of, write_csv

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.pending import pending_days
from hinet_core.lake import Lake, connect
from hinet_core.settings import Paths

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 27, tzinfo=ZONE).astimezone(UTC)
HOUR = 60
WINDOWS = {"click": HOUR, "order": 24 * HOUR}
SETTLED = {"click": 2 * HOUR, "order": 30 * HOUR, "gift": 6 * HOUR}
EARLY, REACH = 10, 24 * HOUR
HEADERS = {"log": "", "events": "visitor,product,event,event_at", "gifts": "req,sku,giver"}


def contract_of(on_violation):
    """Clicks and orders as dated events of user and item, gifts undated; an order needs the log's `clicked`."""
    raw = late_raw()
    raw["sources"] = [
        raw["sources"][0],
        {"name": "events", "kind": "outcomes", "files": "events_*.csv", "format": "csv", "early": f"{EARLY}m",
         "join": {"user": "visitor", "item": "product"}},
        {"name": "gifts", "kind": "outcomes", "files": "gifts_*.csv", "format": "csv",
         "join": {"request": "req", "item": "sku"}},
    ]  # fmt: skip
    raw["columns"] = [
        *raw["columns"][:6],
        {"name": "event", "type": "string", "role": "outcome", "source": "events"},
        {"name": "event_at", "type": "timestamp", "role": "known_at", "source": "events", "nullable": True},
        {"name": "giver", "type": "int64", "role": "outcome", "source": "gifts", "nullable": True},
    ]
    part_of(raw, "columns", "clicked")["nullable"] = True
    raw["tasks"] = [
        {"name": "click", "label": {"column": "event", "equals": "click"}, "known_at": "event_at", "window": "1h",
         "matures_after": "2h"},
        {"name": "order", "label": [{"column": "event", "one_of": ["order", "buy"]}, "clicked"], "after": "click",
         "on_violation": on_violation, "known_at": "event_at", "window": "24h", "matures_after": "30h"},
        {"name": "gift", "label": {"column": "giver", "present": True}, "matures_after": "6h"},
    ]  # fmt: skip
    return parse_contract(raw)


def text(minute):
    return "" if minute is None else (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(minute):
    return (START + timedelta(minutes=minute)).astimezone(ZONE).date()


class RandomLog:
    """Shown (request, user, item, minute, clicked), events (user, item, name, minute), gifts (request, item, by)."""

    def __init__(self, seed):
        self.draw = draw = random.Random(seed)
        midnights = [24 * HOUR, 48 * HOUR, 71 * HOUR]
        self.shown = []
        for request in range(1, 13):
            minute = draw.choice([draw.randrange(0, 90 * HOUR), draw.choice(midnights) + draw.choice([-1, 0, 1])])
            self.shown.append((request, draw.choice([1, 2]), draw.choice("ab"), minute, draw.choice([0, 1, 1, None])))
        delays = [-EARLY - 1, -EARLY, -1, 0, 1, 30, HOUR, HOUR + 1, 300, 24 * HOUR, 24 * HOUR + 1]
        self.events = []
        for _ in range(14):
            _, user, item, minute, _ = draw.choice(self.shown)
            at = None if draw.random() < 0.1 else minute + draw.choice(delays)
            self.events.append((user, item, draw.choice(["click", "click", "order", "buy", "view"]), at))
        self.gifts = [(draw.choice(self.shown)[0], draw.choice("ab"), draw.choice([None, 5])) for _ in range(4)]

    def files(self):
        """Name -> lines: rows spread over files, some twice, one file delivered under two names."""
        lines = {
            "log": [f"{r},{u},{i},home,{text(m)},{'' if c is None else c}" for r, u, i, m, c in self.shown],
            "events": [f"{u},{i},{name},{text(m)}" for u, i, name, m in self.events],
            "gifts": [f"{r},{i},{'' if by is None else by}" for r, i, by in self.gifts],
        }
        found = {}
        for kind, all_lines in lines.items():
            for line in all_lines + self.draw.choices(all_lines, k=2):
                found.setdefault(f"{kind}_{self.draw.randrange(3)}.csv", []).append(line)
        twice = self.draw.choice(sorted(name for name in found if name.startswith("events")))
        copy = self.draw.choice(["events_00.csv", "events_9.csv"])
        return found | {copy: found[twice]}


def of(shown, event):
    """Whether an event belongs to an exposure."""
    _, user, item, minute, _ = shown
    return event[:2] == (user, item) and (event[3] is None or minute - EARLY <= event[3] <= minute + REACH)


def expected(log, on_violation):
    """Request and item -> labels, minutes until known, and the columns shown, by plain loops."""
    found = {}
    for one in log.shown:
        request, _, item, minute, clicked = one
        events = [event for event in log.events if of(one, event)]
        gifts = [gift for gift in log.gifts if gift[:2] == (request, item)]
        claimed = any(event[2] == "click" for event in events)
        labels, known = {}, {}
        for task, names in (("click", ("click",)), ("order", ("order", "buy"))):
            times = [event[3] for event in events if event[2] in names]
            inside = [at for at in times if at is None or at <= minute + WINDOWS[task]]
            labels[task] = int(bool(inside))
            if task == "order" and times:
                labels[task] = None if clicked is None else int(bool(inside and clicked and labels["click"]))
            dated = [at for at in inside if at is not None]
            first = max(min(dated), minute) - minute if dated and labels[task] == 1 else SETTLED[task]
            known[task] = first
        labels["gift"] = int(any(by is not None for _, _, by in gifts))
        known["gift"] = SETTLED["gift"]
        if on_violation == "quarantine" and not claimed:
            events = [event for event in events if event[2] not in ("order", "buy")]
        order = sorted(((at is None, at or 0), name) for _, _, name, at in events)
        first_event = (None if order[0][0][0] else text(order[0][0][1]), order[0][1]) if order else (None, None)
        givers = [by for _, _, by in gifts]
        giver = min((by for by in givers if by is not None), default=None)
        found[request, item] = (*labels.values(), *known.values(), *first_event, giver)
    return found


def touched(log, lines, kind, shown):
    """The days of committed exposures to which some row of an outcome file belongs."""
    rows = log.events if kind == "events" else log.gifts
    texts = [f"{u},{i},{name},{text(m)}" for u, i, name, m in log.events] if kind == "events" else [
        f"{r},{i},{'' if by is None else by}" for r, i, by in log.gifts]  # fmt: skip
    mine = [row for row, line in zip(rows, texts, strict=True) if line in lines]
    if kind == "events":
        return {day_of(one[3]) for one in shown for row in mine if of(one, row)}
    return {day_of(one[3]) for one in shown for row in mine if row[:2] == (one[0], one[2])}


def home(folder):
    paths = Paths(folder)
    paths.landing.mkdir(parents=True)
    paths.lake.mkdir()
    return paths


def ingest(contract, paths):
    lake, landed = Lake(paths.lake), index(contract, paths)
    return {one.day for one in ingest_days(contract, lake, landed, pending_days(lake, landed), None)}


def put(paths, name, lines):
    write_csv(paths.landing, name, lines, header=HEADERS[name.split("_")[0]])


def read(paths):
    con = connect()
    try:
        names = ("click", "order", "gift")
        labels = ", ".join(f"label_{name}" for name in names)
        known = ", ".join(f"(known_us_{name} - exposed_us) // 60000000" for name in names)
        rows = Lake(paths.lake).scan(con, "impressions").project(
            f"request, item, {labels}, {known}, strftime(event_at, '%Y-%m-%dT%H:%M:%SZ'), event, giver"
        )
        return {row[:2]: row[2:] for row in rows.fetchall()}
    finally:
        con.close()


def contents(paths):
    lake = Lake(paths.lake)
    return {day: lake.manifest("ingest", day).content_hash for day in lake.days("ingest")}


def check(seed, folder):
    on_violation = ("clip", "quarantine")[seed % 2]
    contract, log = contract_of(on_violation), RandomLog(seed)
    files = log.files()
    whole = home(folder / "whole")
    for name, lines in files.items():
        put(whole, name, lines)
    ingest(contract, whole)
    assert read(whole) == expected(log, on_violation)

    steps, names = home(folder / "steps"), log.draw.sample(sorted(files), len(files))
    landed = []
    for name in names:
        put(steps, name, files[name])
        landed.append(name)
        logs = [one for one in landed if one.startswith("log")]
        if not logs:
            continue  # outcomes wait
        lines = {line for one in logs for line in files[one]}
        there = [one for one in log.shown if any(line.startswith(f"{one[0]},") for line in lines)]
        found = ingest(contract, steps)
        if name.startswith("log"):
            mine = [one for one in log.shown if any(line.startswith(f"{one[0]},") for line in files[name])]
            assert found == {day_of(one[3]) for one in mine} or len(logs) == 1
        elif any(files[one] == files[name] for one in landed if one != name):
            assert found == set(), name  # delivered twice
        else:
            assert found == touched(log, files[name], name.split("_")[0], there), name
    assert contents(steps) == contents(whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_any_order_gives_what_plain_loops_give_and_touches_what_they_touch(seed, tmp_path):
    check(seed, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3, 36))
def test_any_order_of_many_logs(seed, tmp_path):
    check(seed, tmp_path)
