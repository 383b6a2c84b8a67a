"""How alike a row's item is to those of its user's record, against plain Python and by hand."""

from collections import Counter
from itertools import permutations
from math import sqrt
from random import Random

import pytest

from hinet_core.contract import ContractError, parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

LOG = {
    "name": "alike",
    "time_zone": "UTC",
    "first_day": "2026-03-01",
    "sources": [
        {"name": "log", "files": "log.csv", "format": "csv"},
        {"name": "histories", "kind": "side", "files": "histories.csv", "format": "csv", "join": {"user": "who"},
         "as_of": "2026-03-02"},
    ],
    "columns": [
        {"name": "user", "type": "int64", "role": "user"},
        {"name": "item", "type": "int64", "role": "item"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time"},
        {"name": "clicked", "type": "int8", "role": "outcome"},
        {"name": "like_seen", "type": "float64", "role": "feature", "encode": "number", "source": "histories",
         "from": "seen", "separator": " ", "alike_to": "item", "nullable": True},
        {"name": "like_bought", "type": "float64", "source": "histories", "from": "bought", "separator": " ",
         "alike_to": "item", "nullable": True},
    ],
    "scenarios": [{"id": "home"}],
    "tasks": [{"name": "click", "label": "clicked"}],
    "dedupe": {"key": ["user", "shown_at"]},
}  # fmt: skip


def ingested(paths, con, histories, rows):
    """`like_seen` and `like_bought` of (user, item, day of March) after (user, seen, bought) were ingested."""
    listed = [f"{who},{' '.join(map(str, seen))},{' '.join(map(str, bought))}" for who, seen, bought in histories]
    (paths.landing / "histories.csv").write_text("\n".join(["who,seen,bought", *listed]) + "\n")
    text = [f"{user},{item},home,2026-03-0{day}T00:00:{n:02},0" for n, (user, item, day) in enumerate(rows)]
    (paths.landing / "log.csv").write_text("\n".join(["user,item,place,shown_at,clicked", *text]) + "\n")
    lake, landed = Lake(paths.lake), index(contract := parse_contract(LOG), paths)
    list(ingest_days(contract, lake, landed, landed.days, None))
    return lake.scan(con, "impressions").order("record_number").project("like_seen, like_bought").fetchall()


def test_three_records_worked_by_hand(paths, con):
    # Items 1 and 2 are both in two records of three; item 1 is in 2, item 2 in 3, item 3 in 1.
    histories = [(7, [1, 2, 2], []), (8, [1, 2], [5]), (9, [2, 3], [5])]
    rows = [(9, 1, 2), (7, 1, 2), (7, 2, 2), (7, 4, 2), (6, 1, 2), (9, 1, 1)]
    found = ingested(paths, con, histories, rows)
    one_two = 2 / sqrt((2 + 10) * (3 + 10))
    assert [seen for seen, _ in found] == pytest.approx(
        # Of user 9: items 2 and 3, and no record has 1 and 3. Of user 7's own item only the other one counts.
        [one_two / 2, one_two, one_two, 0, None, None], abs=1e-6
    )  # fmt: skip
    # User 9 bought 5 alone, which nobody has beside item 1; user 7 bought nothing.
    assert [bought for _, bought in found] == [0, None, None, None, None, None]


@pytest.mark.parametrize("seed", range(2))
def test_rows_get_what_plain_python_finds(paths, con, seed):
    draw = Random(seed)
    records, first = [], {}
    for _ in range(40):  # a record without a user, and one that repeats another, tell nothing
        who = draw.choice(["", "x", *range(1, 20)])
        lists = [[draw.choice([*range(1, 8), "odd"]) for _ in range(draw.randrange(6))] for _ in range(2)]
        records.append((who, *lists))
        if isinstance(who, int):
            first.setdefault(who, [{one for one in items if one != "odd"} for items in lists])
    rows = [(draw.randrange(1, 22), draw.randrange(1, 10), draw.choice([1, 2, 2])) for _ in range(50)]

    def expected(user, item, day, which):
        others = first.get(user, [set(), set()])[which] - {item}
        if day == 1 or not others:  # before the table was made, or nothing to compare with
            return None
        held = Counter(one for lists in first.values() for one in lists[which])
        both = Counter(pair for lists in first.values() for pair in permutations(lists[which], 2))
        alike = [both[one, item] / sqrt((held[one] + 10) * (held[item] + 10)) for one in others]
        return sum(alike) / len(alike)

    for row, found in zip(rows, ingested(paths, con, records, rows), strict=True):
        assert found == pytest.approx(tuple(expected(*row, which) for which in (0, 1)), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"alike_to": "shop"}, "columns.like_seen.alike_to: found 'shop', allowed: "),
        ({"alike_to": "clicked"}, "columns.like_seen.alike_to: found 'clicked', allowed: a column of single values"),
        ({"alike_to": "like_bought"}, "columns.like_seen.alike_to: found 'like_bought', allowed: a column of single"),
        ({"source": "log"}, "columns.like_seen.alike_to: found 'item' in source 'log', allowed: in a side table"),
        ({"type": "int64"}, "alike_to: found 'item', allowed: without counted_by, with type float"),
        ({"counted_by": "item", "type": "int64"}, "alike_to: found 'item', allowed: without counted_by, with"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(change, sentence):
    columns = [one | change if one["name"] == "like_seen" else one for one in LOG["columns"]]
    with pytest.raises(ContractError) as caught:
        parse_contract(LOG | {"columns": columns})
    assert sentence in str(caught.value)
