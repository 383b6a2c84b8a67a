"""What a contract can say about a log, clause by clause: literal files in, literal rows out."""

import copy
import hashlib
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hinet_core.contract import ContractError, parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

LOG = {
    "name": "mapped",
    "time_zone": "UTC",
    "first_day": "2026-03-01",
    "sources": [{"name": "log", "files": "**/*.csv", "format": "csv"}],
    "columns": [
        {"name": "user", "type": "string", "role": "user"},
        {"name": "item", "type": "string", "role": "item"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time"},
        {"name": "clicked", "type": "string", "role": "outcome", "nullable": True},
    ],
    "scenarios": [{"id": "home"}, {"id": "search"}],
    "tasks": [{"name": "click", "label": {"column": "clicked", "equals": "1"}}],
    "dedupe": {"key": ["user", "item", "shown_at"]},
}
HEADER = "user,item,place,shown_at,clicked"
USER, ITEM, PLACE, TIME, CLICKED = range(5)


@pytest.fixture
def raw():
    return copy.deepcopy(LOG)


@pytest.fixture
def ingest(paths, con):
    """Ingest files (name -> text) under a contract; answers with rows of a table."""

    def run(raw, files):
        contract = parse_contract(raw)
        for name, text in files.items():
            path = paths.landing / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        lake, landed = Lake(paths.lake), index(contract, paths)
        list(ingest_days(contract, lake, landed, landed.days, None))
        return lambda columns, table="impressions": sorted(
            lake.scan(con, table).project(columns).fetchall(), key=str
        )

    return run


def log_lines(*lines, header=HEADER):
    return "\n".join([header, *lines]) + "\n"


def test_values_are_renamed_and_merged_and_what_is_not_named_stays(raw, ingest):
    raw["columns"][PLACE]["map"] = {"430548_1007": "home", "430539_1007": "home", "": "search"}
    at = "2026-03-01T10:00:00Z,1"
    found = ingest(raw, {"a.csv": log_lines(*(f"u,{n},{place},{at}" for n, place in enumerate(
        ["430548_1007", "430539_1007", "", "search", "moon"])))})  # fmt: skip
    assert found("item, scenario_id") == [("0", "home"), ("1", "home"), ("2", "search"), ("3", "search")]
    assert found("counter, detail, rows", "ingest_counters")[-1] == ("unknown_scenario", "moon", 1)


def test_a_mapped_value_outside_values_is_refused(raw, ingest):
    raw["columns"].append({"name": "age", "type": "int8", "map": {"young": 1, "old": 2}, "values": [1, 2]})
    lines = [f"u,{age},home,2026-03-01T10:00:00Z,1,{age}" for age in ("young", "old", "3", "ancient")]
    found = ingest(raw, {"a.csv": log_lines(*lines, header=f"{HEADER},age")})
    assert found("item, age") == [("old", 2), ("young", 1)]
    assert found("reasons", "quarantine") == [(["age: not a int8"],), (["age: not an allowed value"],)]


def test_a_value_may_be_mapped_to_missing(raw, ingest):
    raw["columns"].append({"name": "age", "type": "int8", "map": {"-1": "", "99": ""}, "nullable": True})
    lines = [f"u,{age},home,2026-03-01T10:00:00Z,1,{age}" for age in (-1, 99, 30)]
    assert ingest(raw, {"a.csv": log_lines(*lines, header=f"{HEADER},age")})("item, age") == [
        ("-1", None), ("30", 30), ("99", None),
    ]  # fmt: skip


def test_the_scenario_is_the_folder_and_the_time_the_publishers_part(raw, ingest):
    raw["sources"][0]["path_pattern"] = r"aliexpress_(?P<country>[A-Z]{2})_datasets/.*_(?P<part>train|test)\.csv$"
    raw["columns"][PLACE] |= {"from": "path:country", "map": {"NL": "home", "ES": "search"}}
    raw["columns"][TIME] |= {"from": "path:part", "map": {"train": date(2026, 3, 1), "test": "2026-03-05"}}
    header = "user,item,clicked"
    files = {
        "x/aliexpress_NL_datasets/nl_train.csv": log_lines("u,1,1", header=header),
        "x/aliexpress_ES_datasets/es_test.csv": log_lines("u,2,0", header=header),
        "x/aliexpress_US_datasets/us_test.csv": log_lines("u,3,0", header=header),
    }
    found = ingest(raw, files)
    assert found("item, scenario_id, shown_at") == [
        ("1", "home", datetime(2026, 3, 1)), ("2", "search", datetime(2026, 3, 5)),
    ]  # fmt: skip
    assert found("source_file, reasons", "quarantine") == [
        ("x/aliexpress_US_datasets/us_test.csv", ["scenario: unknown to the contract"]),
    ]  # fmt: skip


def test_the_scenario_is_several_columns(raw, ingest):
    raw["columns"][PLACE:TIME] = [
        {"name": "campaign", "type": "string", "role": "scenario", "map": {"men": "m"}},
        {"name": "slot", "type": "int8", "role": "scenario"},
    ]
    raw["scenarios"] = [{"id": "men, left", "values": ["m|1"]}, {"id": "women", "values": ["women|1", "women|2"]}]
    at = "2026-03-01T10:00:00Z,1"
    lines = [f"u{slot},{place},{slot},{place},{at}" for place, slot in (("men", 1), ("women", 1), ("women", 2))]
    found = ingest(raw, {"a.csv": log_lines(*lines, header="user,item,slot,campaign,shown_at,clicked")})
    assert found("item, slot, scenario_id") == [("men", 1, "men, left"), ("women", 1, "women"), ("women", 2, "women")]


def test_a_log_with_one_scenario_and_without_ids_or_times(raw, ingest):
    """The contract says what the log leaves out: the scenario, the user, the item and the day."""
    raw["columns"][USER]["from"] = "record:number"
    raw["columns"][ITEM] |= {"from": ["path:file", "record:number"]}
    raw["columns"][PLACE]["constant"] = "home"
    raw["columns"][TIME] |= {"spread": {"over_days": 5, "by": "item"}}
    raw["sources"][0]["path_pattern"] = r"(?P<file>\w+)\.csv"
    raw["dedupe"]["key"] = ["item"]
    files = {f"{name}.csv": log_lines(*"101", header="clicked") for name in "ab"}
    found = ingest(raw, files)("user, item, scenario_id, day, hour, label_click")
    assert [row[:3] for row in found] == [(str(n), f"{file} {n}", "home") for n in (1, 2, 3) for file in "ab"]
    for _, item, _, day, hour, _ in found:
        dealt = int(hashlib.md5(item.encode()).hexdigest()[:8], 16) % 5
        assert (day, hour) == (date(2026, 3, 1) + timedelta(days=dealt), 0)
    assert [row[5] for row in found] == [1, 1, 0, 0, 1, 1]


def test_spread_starts_at_the_time_that_the_log_has_and_keeps_local_midnights(raw, ingest):
    """Berlin's clocks change on 2026-03-29; every row still falls on the midnight of its day."""
    raw |= {"time_zone": "Europe/Berlin", "first_day": "2026-03-27"}
    raw["columns"][TIME] |= {
        "from": "path:part", "zone": "Europe/Berlin", "map": {"train": "2026-03-27", "test": "2026-04-03"},
        "spread": {"over_days": 7, "by": ["user", "item"]},
    }  # fmt: skip
    raw["sources"][0]["path_pattern"] = r"(?P<part>train|test)"
    lines = [f"u{n},{n},home,1" for n in range(40)]
    found = ingest(raw, {f"{part}.csv": log_lines(*lines, header="user,item,place,clicked") for part in
                         ("train", "test")})("source_file, user, item, day, hour")  # fmt: skip
    assert len(found) == 80 and {row[4] for row in found} == {0}
    starts = {"train.csv": date(2026, 3, 27), "test.csv": date(2026, 4, 3)}
    for file, user, item, day, _ in found:
        dealt = int(hashlib.md5(f"{user}|{item}".encode()).hexdigest()[:8], 16) % 7
        assert day == starts[file] + timedelta(days=dealt)


PACKED = "205\x02i7\x031.0\x01127\x02b1\x032.5\x01127_14\x02b8\x030.5\x01127_14\x02b9\x031"


def field(number, group=r"([^\x03]+)"):
    return rf"(?:^|\x01){number}\x02{group}"


def test_fields_are_extracted_from_a_packed_cell(raw, ingest):
    raw["columns"][ITEM] |= {"from": "packed", "extract": field("205")}
    raw["columns"] += [
        {"name": "brand", "type": "string", "from": "packed", "extract": field("127"), "nullable": True},
        {"name": "brands", "type": "list<string>", "from": "packed", "extract": field("127_14"), "nullable": True},
        {"name": "weights", "type": "list<float64>", "from": "packed", "nullable": True,
         "extract": field("127_14", r"[^\x03]*\x03([^\x01]+)")},
    ]  # fmt: skip
    cells = [PACKED, PACKED[:10], "127\x02b1\x031"]
    lines = [f"u{n},{packed},home,2026-03-01T10:00:00Z,1" for n, packed in enumerate(cells)]
    found = ingest(raw, {"a.csv": log_lines(*lines, header="user,packed,place,shown_at,clicked")})
    assert found("item, brand, brands, weights") == [
        ("i7", "b1", ["b8", "b9"], [0.5, 1.0]), ("i7", None, None, None),
    ]  # fmt: skip
    assert found("record_number, reasons", "quarantine") == [(3, ["item: missing"])]


def test_a_line_of_repeated_fields_is_read_as_one_cell(raw, ingest):
    """PaddleRec: row,click,conversion,field:id,field:id,… with as many fields as a row happens to have."""
    raw["sources"][0] |= {"delimiter": "\x01", "quote": "", "header": False, "names": ["line"]}
    extracts = {USER: r",101:(\w+)", ITEM: r",205:(\w+)", PLACE: r",301:(\w+)", CLICKED: r"^\w+,([01]),"}
    for place, pattern in extracts.items():
        raw["columns"][place] |= {"from": "line", "extract": pattern}
    raw["columns"][TIME]["constant"] = date(2026, 3, 1)
    raw["columns"].append({"name": "tags", "type": "list<int64>", "from": "line", "extract": r",210:(\d+)"})
    raw["scenarios"][0]["values"] = [1]
    text = "1,1,0,101:u1,205:i1,301:1,210:7,210:8\n2,0,0,101:u1,210:9,205:i2,301:1\n"
    assert ingest(raw, {"a.csv": text})("user, item, label_click, tags") == [
        ("u1", "i1", 1, [7, 8]), ("u1", "i2", 0, [9]),
    ]  # fmt: skip


def test_numbered_columns_are_a_list_and_padding_is_no_item(raw, ingest):
    raw["columns"] += [
        {"name": "hist", "type": "list<int64>", "null_values": [0]},
        {"name": "two", "type": "list<int64>"},
        {"name": "tags", "type": "list<string>", "null_values": ["-", "UNKNOWN"], "separator": "|"},
        {"name": "gender", "type": "int8", "null_values": [0], "nullable": True},
    ]
    raw["columns"][5]["from"], raw["columns"][6]["from"] = "h_*", "h_{1..2}"
    header = f"{HEADER},h_1,h_2,h_3,tags,gender"
    first = "u,1,home,2026-03-01T10:00:00Z,1"
    lines = [f"{first},7,0,9,a|-|b,0", f"{first.replace('1,', '2,', 1)},0,0,0,UNKNOWN|-|c,2",
             f"{first.replace('1,', '3,', 1)},1.5,2,3,a,1"]  # fmt: skip
    found = ingest(raw, {"a.csv": log_lines(*lines, header=header)})
    assert found("item, hist, two, tags, gender") == [
        ("1", [7, 9], [7, 0], ["a", "b"], None), ("2", [], [0, 0], ["c"], 2),
    ]  # fmt: skip
    assert found("reasons", "quarantine") == [(["hist: not a list<int64>", "two: not a list<int64>"],)]


def test_padding_in_parquet_is_no_item_either(raw, paths, ingest):
    raw["sources"][0] |= {"files": "*.parquet", "format": "parquet", "null_values": ["-1"]}
    raw["columns"] += [{"name": "hist", "type": "list<int64>", "from": "h{1..2}", "null_values": [0]},
                       {"name": "ids", "type": "list<int64>", "null_values": [0]},
                       {"name": "age", "type": "int8", "nullable": True}]  # fmt: skip
    row = {"user": "u", "item": 1, "place": "home", "shown_at": datetime(2026, 3, 1), "clicked": 1,
           "h1": 0, "h2": 5.0, "ids": [0, 3, 0], "age": -1}  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row]), paths.landing / "a.parquet")
    assert ingest(raw, {})("hist, ids, age") == [([5], [3], None)]


def test_a_column_that_some_files_lack(raw, paths, ingest):
    raw["columns"] += [{"name": "read", "type": "int8", "optional": True, "nullable": True},
                       {"name": "kind", "type": "string", "optional": True, "map": {"": "video"}},
                       {"name": "hist", "type": "list<int64>", "from": "h*", "optional": True, "nullable": True},
                       ]  # fmt: skip
    files = {
        "a.csv": log_lines("u,1,home,2026-03-01,1,1,news,5", header=f"{HEADER},read,kind,h1"),
        "b.csv": log_lines("u,2,home,2026-03-01,1"),
    }
    assert ingest(raw, files)("item, read, kind, hist") == [("1", 1, "news", [5]), ("2", None, "video", None)]
    del raw["columns"][5]["optional"]
    landed = index(parse_contract(raw), paths)
    assert list(landed.refused) == ["b.csv"]
    assert "b.csv: lacks the column 'read' that contract" in landed.refused["b.csv"]


def test_optional_fields_of_json(raw, ingest):
    raw["sources"][0] |= {"files": "*.json", "format": "ndjson"}
    raw["columns"].append({"name": "read", "type": "int8", "optional": True, "nullable": True})
    line = '{"user": "u", "item": 1, "place": "home", "shown_at": "2026-03-01", "clicked": 1, "read": 1}\n'
    text = line + line.replace('1, "place"', '2, "place"').replace(', "read": 1', "")
    assert ingest(raw, {"a.json": text})("item, read") == [("1", 1), ("2", None)]


SIDE = {"name": "goods", "kind": "side", "files": "*/goods.txt", "format": "csv",
        "path_pattern": r"(?P<campaign>\w+)/goods", "join": {"campaign": "path:campaign", "item": "id"}}  # fmt: skip


def test_a_side_table_is_joined_by_several_keys_one_of_them_from_its_folder(raw, ingest):
    raw["sources"].append(SIDE)
    raw["columns"] += [{"name": "campaign", "type": "string"},
                       {"name": "brand", "type": "string", "source": "goods", "nullable": True}]  # fmt: skip
    at = "home,2026-03-01T10:00:00Z,1"
    found = ingest(raw, {
        "a.csv": log_lines(f"u,0,{at},men", f"v,0,{at},women", f"w,1,{at},men", header=f"{HEADER},campaign"),
        "men/goods.txt": "id,brand\n0,A\n", "women/goods.txt": "id,brand\n0,B\n1,C\n",
    })  # fmt: skip
    assert found("user, item, campaign, brand") == [
        ("u", "0", "men", "A"), ("v", "0", "women", "B"), ("w", "1", "men", None),
    ]  # fmt: skip
    assert ("unmatched", "goods", 1) in found("counter, detail, rows", "ingest_counters")


def test_the_key_of_a_side_table_is_read_as_it_stands(raw, ingest):
    """extract and map belong to the log's column: the log says u_7, the side table 7."""
    raw["sources"].append({"name": "people", "kind": "side", "files": "p.txt", "format": "csv", "join": {"user": "id"}})
    raw["columns"][USER] |= {"extract": r"u_(\d+)"}
    raw["columns"].append({"name": "city", "type": "string", "source": "people", "nullable": True})
    found = ingest(raw, {"a.csv": log_lines("u_7,0,home,2026-03-01,1"), "p.txt": "id,city\n7,Oslo\n"})
    assert found("user, city") == [("7", "Oslo")]


LABELS = [
    ({"label": "clicked"}, ["1", "true"]),
    ({"label": {"column": "clicked", "equals": 0}}, ["0"]),  # nonclk: what was not clicked, said the other way round
    ({"label": {"column": "clicked", "one_of": ["pv", "buy"]}}, ["buy", "pv"]),
    ({"label": {"column": "clicked", "present": True}}, ["0", "1", "2", "buy", "pv", "true"]),
]


@pytest.mark.parametrize(("task", "positive"), LABELS)
def test_a_label_from_flags_codes_and_event_names(raw, ingest, task, positive):
    raw["tasks"] = [{"name": "click", **task}]
    texts = ("0", "1", "2", "pv", "buy", "true", "")
    lines = [f"u,{text or 'none'},home,2026-03-01T10:00:00Z,{text}" for text in texts]
    found = dict(ingest(raw, {"a.csv": log_lines(*lines)})("item, label_click"))
    assert sorted(item for item, label in found.items() if label) == positive


def test_a_code_makes_both_steps_of_the_funnel_and_a_product_makes_one(raw, ingest):
    raw["columns"][CLICKED] |= {"type": "int8", "values": [0, 1, 2]}
    raw["columns"].append({"name": "seconds", "type": "float32", "role": "outcome"})
    raw["tasks"] = [
        {"name": "click", "label": {"column": "clicked", "at_least": 1}},
        {"name": "buy", "label": {"column": "clicked", "equals": 2}, "after": "click"},
        {"name": "stay", "label": [{"column": "clicked", "at_least": 1}, {"column": "seconds", "at_least": 7.5}]},
    ]
    lines = [f"u,{n},home,2026-03-01T10:00:00Z,{code},{seconds}" for n, (code, seconds) in enumerate(
        [(0, 9), (1, 7.5), (2, 7), (3, 1)])]  # fmt: skip
    found = ingest(raw, {"a.csv": log_lines(*lines, header=f"{HEADER},seconds")})
    assert found("item, label_click, label_buy, label_stay") == [("0", 0, 0, 0), ("1", 1, 0, 1), ("2", 1, 1, 0)]
    assert found("reasons", "quarantine") == [(["clicked: not an allowed value"],)]


MISTAKES = [
    (ITEM, {"constant": 1, "from": "x"}, "columns.item.constant: found '1' beside from, allowed: one of them"),
    (CLICKED, {"optional": True, "nullable": False}, "columns.clicked.optional: found true, allowed: with nullable"),
    (CLICKED, {"type": "list<string>", "map": {"a": "b"}}, "columns.clicked.map: found one of a list<string>, allowed"),
    (ITEM, {"spread": {"over_days": 2, "by": "user"}}, "columns.item.spread: found one of a column with role 'item'"),
    (TIME, {"spread": {"over_days": 0, "by": "user"}}, "columns.shown_at.spread.over_days: found 0, allowed: at"),
    (TIME, {"spread": {"over_days": 2, "by": []}}, "columns.shown_at.spread.by: found [], allowed: at least 1 item"),
    (TIME, {"spread": {"over_days": 2, "by": "usr"}}, "columns.shown_at.spread.by: found 'usr', allowed: clicked,"),
    (TIME, {"spread": {"over_days": 2, "by": "clicked"}}, "columns.shown_at.spread.by: 'clicked' has role 'outcome'"),
    (TIME, {"spread": {"days": 2}}, "columns.shown_at.spread.days: unknown key; did you mean 'over_days'?"),
    (ITEM, {"extract": "a"}, "columns.item.extract: found 'a', allowed: a regular expression with exactly one group"),
    (ITEM, {"extract": "(?=a)(b)"}, "columns.item.extract: found '(?=a)(b)', allowed: a regular expression without"),
    (ITEM, {"map": {"a": [1]}}, "columns.item.map.a: found [1], allowed: text"),
    (ITEM, {"from": "record:line"}, "columns.item.from: found 'record:line', allowed: 'record:number'"),
    (ITEM, {"thousands": "_"}, "columns.item.thousands: found '_', allowed: '.', ',', an apostrophe or a blank"),
    (ITEM, {"thousands": "."}, "columns.item.thousands: found '.', allowed: another mark than that of decimals"),
    (ITEM, {"strip": "kr."}, "columns.item.strip: found '.', allowed: no digit, sign or decimal mark"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "keys", "sentence"), MISTAKES)
def test_a_mistake_names_key_found_and_allowed(raw, place, keys, sentence):
    raw["columns"][place] |= keys
    with pytest.raises(ContractError) as caught:
        parse_contract(raw)
    assert sentence in str(caught.value)


def test_a_spread_longer_than_the_log_and_a_key_from_no_folder_are_told(raw):
    raw["last_day"] = "2026-03-03"
    raw["columns"][TIME]["spread"] = {"over_days": 4, "by": "user"}
    raw["sources"].append(SIDE | {"path_pattern": "(?P<town>x)", "join": {"item": "path:campaign"}})
    with pytest.raises(ContractError) as caught:
        parse_contract(raw)
    first, second = str(caught.value).split("\n")
    assert "sources.goods.join: found 'path:campaign', allowed by path_pattern of source 'goods': path:town" in first
    assert "columns.shown_at.spread.over_days: found 4, allowed: at most the days from first_day (2026-03-01)" in second
