"""Counts of the items of a side table's lists, and side tables that are as of a day, against plain Python."""

from collections import Counter
from random import Random

import pytest

from hinet_core.contract import ContractError, parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

COUNTED = {"type": "int64", "source": "histories", "counted_by": "item", "nullable": True}
LOG = {
    "name": "histories",
    "time_zone": "UTC",
    "first_day": "2026-03-01",
    "sources": [
        {"name": "log", "files": "log.csv", "format": "csv"},
        {"name": "items", "kind": "side", "files": "items.csv", "format": "csv", "join": {"item": "id"}},
        {"name": "histories", "kind": "side", "files": "histories.csv", "format": "csv", "join": {"user": "who"},
         "as_of": "2026-03-02"},
    ],
    "columns": [
        {"name": "user", "type": "int64", "role": "user"},
        {"name": "item", "type": "int64", "role": "item"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time"},
        {"name": "clicked", "type": "int8", "role": "outcome"},
        {"name": "maker", "type": "string", "source": "items", "nullable": True},
        {"name": "seen", "type": "list<int64>", "source": "histories", "nullable": True, "separator": " "},
        COUNTED | {"name": "times_seen", "from": "seen", "separator": " "},
        COUNTED | {"name": "times_bought", "from": "bought", "separator": " "},
        COUNTED | {"name": "maker_seen", "from": "seen", "separator": " ", "counted_by": "maker", "through": "item"},
        COUNTED | {"name": "bought_and_seen", "from": "bought", "separator": " ", "also_in": "times_seen"},
    ],
    "scenarios": [{"id": "home"}],
    "tasks": [{"name": "click", "label": "clicked"}],
    "dedupe": {"key": ["user", "item", "shown_at"]},
}  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
def test_rows_get_the_counts_that_plain_python_finds(paths, con, seed):
    draw = Random(seed)
    makers = {1: "a", 2: "b", 3: "a", 4: None}
    histories, lines = {}, []
    for _ in range(30):  # a record without a user, and one that repeats another, count nowhere
        who = draw.choice(["", "x", *range(1, 15)])
        seen, bought = ([draw.choice([1, 2, 3, 4, 9, "odd"]) for _ in range(draw.randrange(5))] for _ in range(2))
        # An item is the same however its number is written.
        written = [" ".join(draw.choice(["", "0"]) + str(one) for one in items) for items in (seen, bought)]
        lines.append(f"{who},{','.join(written)}")
        if isinstance(who, int):
            histories.setdefault(who, (seen, bought))
    (paths.landing / "histories.csv").write_text("\n".join(["who,seen,bought", *lines]) + "\n")
    # The second record of item 1 repeats its key: the first says who made it.
    records = [f"{item},{maker or ''}" for item, maker in makers.items()]
    (paths.landing / "items.csv").write_text("\n".join(["id,maker", *records, "1,b"]) + "\n")
    rows = [(draw.randrange(1, 17), draw.choice([1, 2, 3, 4, 5]), draw.choice([1, 2])) for _ in range(40)]
    text = [f"{user},{item},home,2026-03-0{day}T00:00:{n:02},0" for n, (user, item, day) in enumerate(rows)]
    (paths.landing / "log.csv").write_text("\n".join(["user,item,place,shown_at,clicked", *text]) + "\n")

    lake, landed = Lake(paths.lake), index(contract := parse_contract(LOG), paths)
    list(ingest_days(contract, lake, landed, landed.days, None))
    columns = "seen, times_seen, times_bought, maker_seen, bought_and_seen"
    got = lake.scan(con, "impressions").order("record_number").project(columns).fetchall()

    seen = Counter(item for items, _ in histories.values() for item in items)
    bought = Counter(item for _, items in histories.values() for item in items)
    both = Counter(item for items, others in histories.values() for item in others if item in items)
    of_maker = Counter(makers.get(item) for items, _ in histories.values() for item in items)

    def expected(user, item, day):
        if day == 1:  # before the table was made
            return None, None, None, None, None
        # One item that is no whole number spoils a list of them, but is counted nowhere.
        own = histories.get(user, (["odd"], []))[0]
        maker = makers.get(item)
        counts = seen[item], bought[item], of_maker[maker] if maker else None, both[item]
        return (None if "odd" in own else own or None, *counts)

    assert got == [expected(*row) for row in rows]


@pytest.mark.parametrize(
    ("place", "change", "sentence"),
    [
        (("columns", 7), {"counted_by": "shop"}, "columns.times_seen.counted_by: found 'shop', allowed: "),
        (("columns", 7), {"counted_by": "clicked"},
         "columns.times_seen.counted_by: found 'clicked', allowed: a column of single values known before the"),
        (("columns", 7), {"counted_by": "seen"}, "columns.times_seen.counted_by: found 'seen', allowed: a column of"),
        (("columns", 7), {"source": "log"},
         "columns.times_seen.counted_by: found 'item' in source 'log', allowed: in a side table"),
        (("columns", 7), {"type": "float64"}, "counted_by: found 'item', allowed: with a whole type, found 'float64'"),
        (("columns", 9), {"through": "user"},
         "columns.maker_seen.through: found 'user', allowed: the only column by which the side table of 'maker' is"),
        (("columns", 5), {"through": "item"}, "through: found 'item', allowed: with counted_by"),
        (("columns", 5), {"also_in": "seen"}, "also_in: found 'seen', allowed: with counted_by"),
        (("columns", 10), {"also_in": "maker"},
         "columns.bought_and_seen.also_in: found 'maker', allowed: a list, or a count, of source 'histories'"),
        (("columns", 10), {"also_in": "shop"}, "columns.bought_and_seen.also_in: found 'shop', allowed: "),
        (("sources", 0), {"as_of": "2026-03-02"},
         "as_of: found 2026-03-02, allowed: only with kind = 'side', found 'log'"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_refused(place, change, sentence):
    part, number = place
    entries = [one | change if n == number else one for n, one in enumerate(LOG[part])]
    with pytest.raises(ContractError) as caught:
        parse_contract(LOG | {part: entries})
    assert sentence in str(caught.value)
