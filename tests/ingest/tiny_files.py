"""Files of the tiny log, good lines and bad ones, and ingest over them."""

import json

from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

HEADER = "user,item,place,shown_at,slot,clicked,ordered,ordered_at,price"
ITEMS = "item_id,brand\na,Acme\nb,\na,Second\n"
# 2026-03-29 is the day on which Berlin changes to summer time: 23:30Z of the 28th is 00:30 of the 29th.
GOOD = [
    "1,a,1,2026-03-27T10:00:00Z,1,1,1,2026-03-27T12:00:00Z,9.5",
    "1,b,2b,2026-03-27T10:00:00Z,2,0,0,,",
    "2,a,other,2026-03-28T23:30:00Z,1,1,0,,3",
    "3,c,2,2026-03-29T21:59:59Z,3,1,1,2026-03-31T08:00:00Z,0",
    "3,c,2,2026-03-29T22:00:00Z,3,0,0,,1",
]
BAD = [
    "0,a,1,2026-03-27T10:00:00Z,1,0,0,,1",
    "x,a,1,2026-03-27T10:00:00Z,99,0,0,,-1",
    "4,a,moon,2026-03-27T10:00:00Z,1,0,0,,1",
    "5,,1,2026-03-27T10:00:00Z,1,2,0,,abc",
    "6,a,1,not a time,1,0,0,,1",
    "7,a,1,2031-01-01T00:00:00Z,1,0,0,,1",
]


def write_log(paths, lines, name="log_1.csv", header=HEADER):
    (paths.landing / name).write_text("\n".join([header, *lines]) + "\n")
    (paths.landing / "items.csv").write_text(ITEMS)


def run(contract, paths, days=None):
    lake, landed = Lake(paths.lake), index(contract, paths)
    return lake, list(ingest_days(contract, lake, landed, days or landed.days, None))


def rows(lake, con, table, columns, days=None):
    return lake.scan(con, table, days).project(columns).fetchall()


def ndjson(line):
    return json.dumps(dict(zip(HEADER.split(","), line.split(","), strict=True)))
