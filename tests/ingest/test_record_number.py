"""One number per record: `record:number` of a column, `record_number` of the tables, however a file is read."""

import pytest

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

COLUMNS = [
    {"name": "user", "type": "int64", "role": "user"},
    {"name": "item", "type": "string", "role": "item"},
    {"name": "place", "type": "string", "role": "scenario"},
    {"name": "shown_at", "type": "timestamp", "role": "time"},
    {"name": "clicked", "type": "int8", "role": "outcome"},
]
LOG = {
    "name": "numbers",
    "time_zone": "UTC",
    "first_day": "2026-03-01",
    "scenarios": [{"id": "home"}],
    "tasks": [{"name": "click", "label": "clicked"}],
    "dedupe": {"key": ["user", "item", "shown_at"]},
}


def row(user, day, item="a"):
    return f"{user},{item},home,2026-03-0{day}T00:00:00Z,0"


def as_json(user, day):
    return f'{{"user":"{user}","item":"a","place":"home","shown_at":"2026-03-0{day}T00:00:00Z","clicked":0}}'


FILES = [
    ("csv", [row(1, 1), row("x", 2), row(3, 1), row(4, 2)], {1: 1, 3: 3, 4: 4}, [2]),
    ("csv", [row(1, 1), "no record", row(3, 1), row(4, 2)], {1: 1, 3: 3, 4: 4}, [2]),
    ("csv", [row(1, 1, '"a\n\nb"'), "", row(3, 1), '9,"x', row(4, 2)], {1: 1, 3: 2, 4: 4}, [3]),
    ("ndjson", [as_json(1, 1), as_json("x", 2), as_json(3, 1)], {1: 1, 3: 3}, [2]),
    ("ndjson", [as_json(1, 1), "", "{", as_json(4, 2)], {1: 1, 4: 4}, [3]),  # a line's number: blank ones count
]


@pytest.mark.parametrize("one_by_one", [False, True])  # days alone are read with a filter on the file
@pytest.mark.parametrize("with_column", [False, True])
@pytest.mark.parametrize(("kind", "lines", "kept", "refused"), FILES)
def test_a_record_has_the_same_number_everywhere(paths, con, kind, lines, kept, refused, with_column, one_by_one):
    columns = [*COLUMNS, {"name": "n", "type": "int64", "from": "record:number"}] if with_column else COLUMNS
    contract = parse_contract(
        LOG | {"columns": columns, "sources": [{"name": "log", "files": "log_*", "format": kind}]}
    )
    header = ["user,item,place,shown_at,clicked"] if kind == "csv" else []
    (paths.landing / "log_1").write_text("\n".join([*header, *lines]) + "\n")
    lake, landed = Lake(paths.lake), index(contract, paths)
    for days in [[day] for day in landed.days] if one_by_one else [landed.days]:
        list(ingest_days(contract, lake, landed, days, None))
    found = lake.scan(con, "impressions").project("user, record_number" + (", n" if with_column else "")).fetchall()
    assert {user: set(numbers) for user, *numbers in found} == {user: {number} for user, number in kept.items()}
    assert lake.scan(con, "quarantine").project("record_number").fetchall() == [(number,) for number in refused]
