"""Side tables against plain Python: keys of other names and of several parts, repeats, bad lines, values of no type."""

from random import Random

import pytest

from hinet_core.contract import parse_contract
from hinet_core.ingest.books import side_books
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

LOG = {
    "name": "sides",
    "time_zone": "UTC",
    "first_day": "2026-03-01",
    "sources": [
        {"name": "log", "files": "log_*", "format": "csv"},
        {"name": "offers", "kind": "side", "files": "offers_*", "format": "csv", "delimiter": ";",
         "join": {"item": "article", "place": "where"}, "null_values": ["NA"]},
        {"name": "people", "kind": "side", "files": "people_*", "format": "csv", "join": {"user": "who"}},
    ],
    "columns": [
        {"name": "user", "type": "int64", "role": "user"},
        {"name": "item", "type": "string", "role": "item"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time"},
        {"name": "clicked", "type": "int8", "role": "outcome"},
        {"name": "price", "type": "float64", "source": "offers", "nullable": True},
        {"name": "since", "type": "date", "from": "from", "source": "offers", "nullable": True},
        {"name": "age", "type": "int16", "source": "people", "nullable": True},
    ],
    "scenarios": [{"id": "home"}, {"id": "map"}],
    "tasks": [{"name": "click", "label": "clicked"}],
    "dedupe": {"key": ["user", "item", "shown_at"]},
}  # fmt: skip
PRICES = {"1.5": 1.5, "7": 7.0, "cheap": None, "NA": None, "": None, "1,5": None}
AGES = {"30": 30, "-1": -1, "40000": None, "old": None, "": None}
KEYS = {"1": 1, "2": 2, "03": 3, "x": None, "": None, "5": 5}


class Table:
    """What plain Python makes of a side table: the first row of each key, and what became of every line."""

    def __init__(self):
        self.rows, self.reasons = {}, []
        self.counts = dict.fromkeys(("read", "used", "repeated", "refused"), 0)

    def refuse(self, reason):
        self.reasons.append(reason)
        self.counts["refused"] += 1

    def take(self, key, values):
        self.counts["repeated" if key in self.rows else "used"] += 1
        self.rows.setdefault(key, values)

    @property
    def books(self):
        return self.counts | {reason: self.reasons.count(reason) for reason in self.reasons}


def offer(draw, offers):
    """A line of `offers`, which is taken into account; one in ten is no record."""
    offers.counts["read"] += 1
    if draw.random() < 0.1:
        offers.refuse("line: missing columns")
        return "a;home"
    article, where = draw.choice(["a", "b", "c|d", "NA", ""]), draw.choice(["home", "map", "moon"])
    price, since = draw.choice(list(PRICES)), draw.choice(["2026-01-02", "2.1.26", ""])
    offers.reasons += ["price: not a float64"] * (price in ("cheap", "1,5"))
    offers.reasons += ["since: not a date"] * (since == "2.1.26")
    if article in ("NA", ""):
        offers.refuse("article: missing")
    else:
        offers.take((article, where), (PRICES[price], since if since == "2026-01-02" else None))
    return f"{article};{price};{where};{since}"


def person(draw, people):
    """A line of `people`, which is taken into account."""
    people.counts["read"] += 1
    who, age = draw.choice(list(KEYS)), draw.choice(list(AGES))
    people.reasons += ["age: not a int16"] * (age in ("40000", "old"))
    if KEYS[who] is None:
        people.refuse("who: not a int64" if who else "who: missing")
    else:
        people.take(KEYS[who], AGES[age])
    return f"{age},{who}"


def write(path, header, lines):
    path.write_text("\n".join([header, *lines]) + "\n")


@pytest.mark.parametrize("seed", range(4))
def test_values_and_counts_are_those_of_plain_python(paths, con, seed):
    draw, offers, people = Random(seed), Table(), Table()
    for number in (1, 2):
        write(paths.landing / f"offers_{number}.txt", "article;price;where;from",
              [offer(draw, offers) for _ in range(40)])  # fmt: skip
        write(paths.landing / f"people_{number}.csv", "age,who", [person(draw, people) for _ in range(10)])
    items, places = ["a", "b", "c|d", "e"], ["home", "map"]
    rows = [(draw.randrange(1, 8), draw.choice(items), draw.choice(places)) for _ in range(60)]
    text = [f"{user},{item},{place},2026-03-0{n % 2 + 1}T00:00:{n:02},0" for n, (user, item, place) in enumerate(rows)]
    write(paths.landing / "log_1.csv", "user,item,place,shown_at,clicked", text)

    lake, landed = Lake(paths.lake), index(contract := parse_contract(LOG), paths)
    list(ingest_days(contract, lake, landed, landed.days, None))
    got = lake.scan(con, "impressions").order("record_number").project("price, CAST(since AS VARCHAR), age").fetchall()
    assert got == [
        (*offers.rows.get((item, place), (None, None)), people.rows.get(user)) for user, item, place in rows
    ]
    counters = lake.scan(con, "ingest_counters").filter("counter = 'unmatched'")
    unmatched = dict(counters.aggregate("detail, CAST(sum(rows) AS BIGINT)").fetchall())
    assert unmatched == {"offers": sum((item, place) not in offers.rows for _, item, place in rows),
                         "people": sum(user not in people.rows for user, _, _ in rows)}  # fmt: skip
    columns, table = side_books(lake)
    assert columns == ["day", "source", "what", "rows"] and {str(row[0]) for row in table} == {"2026-03-02"}
    for name, one in (("offers", offers), ("people", people)):
        assert {what: n for _, source, what, n in table if source == name} == one.books
        assert one.counts["read"] == sum(one.counts[part] for part in ("used", "repeated", "refused"))
