"""`from = "ctx.user.id"`: a field of an object in NDJSON, or of a struct in Parquet, unless a column is called so."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_layouts import BASE, FIRST, PLACE, ROW, action, item, time, user

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import Lake

RECORDS = [
    {"ctx": {"user": {"id": "7", "a/b": "x"}, "at": "2026-03-01T10:00:00Z"}, "item": "i1", "deep.action": 1},
    {"ctx": {"user": {"id": "8", "a/b": "y"}, "at": "2026-03-01T10:00:00Z"}, "item": "i2", "deep.action": 0},
    {"ctx": {"user": None, "at": "2026-03-01T10:00:00Z"}, "item": "i3", "deep.action": 0},
]


def contract(file_format, user_from="ctx.user.id"):
    columns = [ROW, PLACE, user(user_from), item("item"), time("ctx.at"), action("deep.action"),
               {"name": "odd", "type": "string", "from": "ctx.user.a/b", "nullable": True}]  # fmt: skip
    source = {"name": "log", "files": "log*", "format": file_format}
    return parse_contract(BASE | {"sources": [source], "columns": columns})


def write(paths, file_format):
    if file_format == "parquet":
        pq.write_table(pa.Table.from_pylist(RECORDS), paths.landing / "log_1.parquet")
    else:
        (paths.landing / "log_1.ndjson").write_text("\n".join(json.dumps(one) for one in RECORDS) + "\n{broken\n")


@pytest.mark.parametrize("file_format", ["ndjson", "parquet"])
def test_fields_of_objects_and_structs(paths, con, file_format):
    write(paths, file_format)
    read, lake = contract(file_format), Lake(paths.lake)
    landed = index(read, paths)
    list(ingest_days(read, lake, landed, landed.days))
    kept = lake.scan(con, "impressions").project('"user", odd, item, label_click, make_timestamp(exposed_us)')
    assert sorted(kept.fetchall()) == [("7", "x", "i1", 1, FIRST), ("8", "y", "i2", 0, FIRST)]
    refused = lake.scan(con, "quarantine").project("record_number, reasons, raw").order("1").fetchall()
    assert [one[:2] for one in refused] == [(3, ["user: missing"]), (4, ["line: not a JSON object"])][: len(refused)]
    assert len(refused) == (2 if file_format == "ndjson" else 1) and '"item"' in refused[0][2]


def test_a_struct_without_the_field_refuses_the_file(paths):
    write(paths, "parquet")
    with pytest.raises(LandingError, match="lacks the column 'ctx.user.name' .* the file has ctx, item, deep.action"):
        index(contract("parquet", user_from="ctx.user.name"), paths)


def test_bytes_of_parquet_are_text_in_utf8_or_refuse_their_record(paths, con):
    """Impala and old Sparks write text without the mark of text."""
    items = (b"\xc3\xa9", b"\xff\xfe", None)
    rows = [one | {"item": item, "other": b"\xff"} for one, item in zip(RECORDS, items, strict=True)]
    rows[2]["ctx"] = RECORDS[0]["ctx"]
    pq.write_table(pa.Table.from_pylist(rows), paths.landing / "log_1.parquet")
    read, lake = contract("parquet"), Lake(paths.lake)
    landed = index(read, paths)
    list(ingest_days(read, lake, landed, landed.days))
    assert lake.scan(con, "impressions").project("item").fetchall() == [("é",)]
    ((reasons, raw), missing) = lake.scan(con, "quarantine").project("reasons, raw").fetchall()
    assert reasons == ["line: invalid encoding"] and json.loads(raw)["item"] == "\\xFF\\xFE"
    assert missing[0] == ["item: missing"]
