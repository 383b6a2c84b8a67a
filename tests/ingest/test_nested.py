"""`from = "ctx.user.id"`: a field of an object in NDJSON, or of a struct in Parquet, unless a column is called so."""

import json
from decimal import Decimal

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
    list(ingest_days(read, lake, landed, landed.days, None))
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
    list(ingest_days(read, lake, landed, landed.days, None))
    assert lake.scan(con, "impressions").project("item").fetchall() == [("é",)]
    ((reasons, raw), missing) = lake.scan(con, "quarantine").project("reasons, raw").fetchall()
    assert reasons == ["line: invalid encoding"] and json.loads(raw)["item"] == "\\xFF\\xFE"
    assert missing[0] == ["item: missing"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("price", "float64"), ("priced.in", "float64"), ("prices", "list<float64>"), ("narrow", "float64")],
)
def test_a_decimal_of_more_digits_than_duckdb_has_refuses_a_file_that_is_read_for_it(paths, con, name, kind):
    wide = pa.array([Decimal("1.25")], pa.decimal256(50, 2))
    table = pa.Table.from_pylist(RECORDS[:1])
    table = table.append_column("price", wide).append_column("priced", pa.StructArray.from_arrays([wide], ["in"]))
    table = table.append_column("prices", pa.ListArray.from_arrays([0, 1], wide))
    pq.write_table(table.append_column("narrow", wide.cast(pa.decimal128(38, 2))), paths.landing / "log_1.parquet")
    columns = [ROW, PLACE, user("ctx.user.id"), item("item"), time("ctx.at"), action("deep.action")]
    columns.append({"name": "cost", "from": name, "type": kind})
    source = {"name": "log", "files": "log*", "format": "parquet"}
    read, lake = parse_contract(BASE | {"sources": [source], "columns": columns}), Lake(paths.lake)
    if name != "narrow":
        with pytest.raises(LandingError, match=f"the column '{name}' is a decimal of more than 38 digits.* deliver"):
            index(read, paths)
        return
    landed = index(read, paths)
    list(ingest_days(read, lake, landed, landed.days, None))
    assert lake.scan(con, "impressions").project("cost").fetchall() == [(1.25,)]
