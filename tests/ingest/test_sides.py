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


def told(reasons):
    return {reason: reasons.count(reason) for reason in set(reasons)}


@pytest.mark.parametrize("seed", range(4))
def test_values_and_counts_are_those_of_plain_python(paths, con, seed):
    draw = Random(seed)
    offers, people = {}, {}
    counts = {name: dict.fromkeys(("read", "used", "repeated", "refused"), 0) for name in ("offers", "people")}
    reasons = {"offers": [], "people": []}
    for number in (1, 2):
        lines = []
        for _ in range(40):
            counts["offers"]["read"] += 1
            if draw.random() < 0.1:
                lines.append("a;home")
                reasons["offers"].append("line: missing columns")
                counts["offers"]["refused"] += 1
                continue
            article, where = draw.choice(["a", "b", "c|d", "NA", ""]), draw.choice(["home", "map", "moon"])
            price, since = draw.choice(list(PRICES)), draw.choice(["2026-01-02", "2.1.26", ""])
            lines.append(f"{article};{price};{where};{since}")
            if price in ("cheap", "1,5"):
                reasons["offers"].append("price: not a float64")
            if since == "2.1.26":
                reasons["offers"].append("since: not a date")
            if article in ("NA", ""):
                reasons["offers"].append("article: missing")
                counts["offers"]["refused"] += 1
            elif (article, where) in offers:
                counts["offers"]["repeated"] += 1
            else:
                counts["offers"]["used"] += 1
                offers[article, where] = PRICES[price], since if since == "2026-01-02" else None
        (paths.landing / f"offers_{number}.txt").write_text("\n".join(["article;price;where;from", *lines]) + "\n")
        lines = []
        for _ in range(10):
            who, age = draw.choice(list(KEYS)), draw.choice(list(AGES))
            lines.append(f"{age},{who}")
            counts["people"]["read"] += 1
            if age in ("40000", "old"):
                reasons["people"].append("age: not a int16")
            if KEYS[who] is None:
                reasons["people"].append("who: not a int64" if who else "who: missing")
                counts["people"]["refused"] += 1
            else:
                counts["people"]["repeated" if KEYS[who] in people else "used"] += 1
                people.setdefault(KEYS[who], AGES[age])
        (paths.landing / f"people_{number}.csv").write_text("\n".join(["age,who", *lines]) + "\n")
    items, places = ["a", "b", "c|d", "e"], ["home", "map"]
    rows = [(draw.randrange(1, 8), draw.choice(items), draw.choice(places)) for _ in range(60)]
    text = [f"{user},{item},{place},2026-03-0{n % 2 + 1}T00:00:{n:02},0" for n, (user, item, place) in enumerate(rows)]
    (paths.landing / "log_1.csv").write_text("\n".join(["user,item,place,shown_at,clicked", *text]) + "\n")

    lake, landed = Lake(paths.lake), index(contract := parse_contract(LOG), paths)
    list(ingest_days(contract, lake, landed, landed.days))
    got = lake.scan(con, "impressions").order("record_number").project("price, CAST(since AS VARCHAR), age").fetchall()
    assert got == [(*offers.get((item, place), (None, None)), people.get(user)) for user, item, place in rows]
    counters = lake.scan(con, "ingest_counters").filter("counter = 'unmatched'")
    unmatched = dict(counters.aggregate("detail, CAST(sum(rows) AS BIGINT)").fetchall())
    assert unmatched == {"offers": sum((item, place) not in offers for _, item, place in rows),
                         "people": sum(user not in people for user, _, _ in rows)}  # fmt: skip
    columns, table = side_books(lake)
    assert columns == ["day", "source", "what", "rows"] and {str(row[0]) for row in table} == {"2026-03-02"}
    for name in ("offers", "people"):
        assert {what: n for _, source, what, n in table if source == name} == counts[name] | told(reasons[name])
        assert counts[name]["read"] == sum(counts[name][one] for one in ("used", "repeated", "refused"))
