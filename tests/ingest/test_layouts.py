"""Layouts of other public logs, a few literal lines each: what a contract says of them and what comes out."""

import copy
import gzip
import json
from datetime import datetime

import pytest

from hinet_core.contract import Source, parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.readers import FileReader
from hinet_core.lake import Lake, connect

FIRST = datetime(2026, 3, 1, 10)
BASE = {
    "name": "layout",
    "time_zone": "UTC",
    "first_day": "2026-03-01",
    "scenarios": [{"id": "all"}],
    "tasks": [{"name": "click", "label": {"column": "action", "equals": 1}}],
    "dedupe": {"key": ["row"]},
}
ROW = {"name": "row", "type": "int64", "from": "record:number"}
PLACE = {"name": "place", "type": "string", "role": "scenario", "constant": "all"}


def user(name, **keys):
    return {"name": "user", "type": "string", "role": "user", "from": name, **keys}


def item(name, **keys):
    return {"name": "item", "type": "string", "role": "item", "from": name, **keys}


def time(name, **keys):
    return {"name": "at", "type": "timestamp", "role": "time", "from": name, **keys}


def action(name, kind="int8", **keys):
    return {"name": "action", "type": kind, "role": "outcome", "from": name, **keys}


def csv(**keys):
    return {"name": "log", "files": "*", "format": "csv", **keys}


# Source, columns, label, the file, and (user, item, time, label) of its rows.
LAYOUTS = {
    "movielens 1m": (
        csv(delimiter="::", quote="", header=False, encoding="latin-1", names=["u", "i", "rating", "t"]),
        [user("u"), item("i"), time("t", parse="epoch_s"), action("rating", values=[1, 2, 3, 4, 5])],
        {"column": "action", "at_least": 4},
        "1::Amélie::5::1772359200\n2::7::3::1772359200\n".encode("latin-1"),
        [("1", "Amélie", FIRST, 1), ("2", "7", FIRST, 0)],
    ),
    "rees46": (
        csv(),
        [user("user_id"), item("product_id"), time("event_time", parse="%Y-%m-%d %H:%M:%S UTC"),
         action("event_type", "string")],
        {"column": "action", "one_of": ["cart", "purchase"]},
        b"event_time,event_type,product_id,brand,user_id\n2026-03-01 10:00:00 UTC,view,7,,1\n"
        b"2026-03-01 10:00:00 UTC,cart,8,x,1\n",
        [("1", "7", FIRST, 0), ("1", "8", FIRST, 1)],
    ),
    "retailrocket": (
        csv(),
        [user("visitorid"), item("itemid"), time("timestamp", parse="epoch_ms"),
         action("transactionid", "string", nullable=True)],
        {"column": "action", "present": True},
        b"timestamp,visitorid,event,itemid,transactionid\n1772359200000,1,view,7,\n1772359200000,1,transaction,8,55\n",
        [("1", "7", FIRST, 0), ("1", "8", FIRST, 1)],
    ),
    "yoochoose": (
        csv(header=False, names=["session", "t", "i", "category"]),
        [user("session"), item("i"), time("t"), action("category", "string")],
        {"column": "action", "equals": "S"},
        b"1,2026-03-01T10:00:00.000Z,214,0\n1,2026-03-01T10:00:00.000Z,215,S\n",
        [("1", "214", FIRST, 0), ("1", "215", FIRST, 1)],
    ),
    "criteo attribution": (
        csv(delimiter="\t"),
        [user("uid"), item("campaign"), time("timestamp", parse="epoch_s"), action("click"),
         {"name": "conversion_at", "type": "timestamp", "role": "known_at", "parse": "epoch_s", "nullable": True,
          "from": "conversion_timestamp", "null_values": [-1]}],
        [{"column": "action"}, {"column": "conversion_at", "present": True}],
        gzip.compress(b"timestamp\tuid\tcampaign\tconversion_timestamp\tclick\n1772359200\t1\t7\t-1\t1\n"
                      b"1772359200\t1\t8\t1772359300\t1\n1772359200\t1\t9\t1772359300\t0\n"),
        [("1", "7", FIRST, 0), ("1", "8", FIRST, 1), ("1", "9", FIRST, 0)],
    ),
    "epochs with a fraction": (
        csv(),
        [user("u"), item("i"), time("t", parse="epoch_s"), action("c")],
        {"column": "action", "equals": 1},
        b"u,i,t,c\n1,7,1772359200.0,0\n1,8,1772359200.25,1\n",
        [("1", "7", FIRST, 0), ("1", "8", FIRST.replace(microsecond=250_000), 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_another_layout(name, paths, con):
    source, columns, label, content, expected = LAYOUTS[name]
    raw = copy.deepcopy(BASE) | {"sources": [source], "columns": [ROW, PLACE, *columns]}
    raw["tasks"][0]["label"] = label
    (paths.landing / ("log.gz" if content[:2] == b"\x1f\x8b" else "log.dat")).write_bytes(content)
    contract = parse_contract(raw)
    lake, landed = Lake(paths.lake), index(contract, paths)
    list(ingest_days(contract, lake, landed, landed.days, None))
    assert lake.scan(con, "impressions").project('"user", item, "at", label_click').fetchall() == expected


def test_json_with_many_keys_is_read_in_little_memory(monkeypatch, tmp_path):
    """Two vectors of wide lines; a parser for each key took more than this limit, whatever the file's size."""
    monkeypatch.setenv("HINET_HOME", str(tmp_path))
    names = [f"key_{n}" for n in range(60)]
    path = tmp_path / "wide.ndjson"
    path.write_text("\n".join(json.dumps({name: f"{row}-{name}" for name in names}) for row in range(4_096)))
    source = Source(name="log", files="*", format="ndjson")
    reader = FileReader(source, path, dict.fromkeys(names, "VARCHAR"), path.name)
    con = connect(threads=1, memory_limit="200MB")
    values = ", ".join(f"sum(length({reader.raw(name)}))" for name in names)
    found = con.execute(f"SELECT {values} FROM ({reader.scan(numbered=False)})").fetchone()
    assert found == tuple(sum(len(f"{row}-{name}") for row in range(4_096)) for name in names)
