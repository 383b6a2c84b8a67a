"""Literal files in, literal rows out; every record is kept, a duplicate or quarantined, and each is accounted for."""

import json
import random
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hinet_core.contract import load_contract, parse_contract
from hinet_core.ingest.days import day_groups, ingest_days, is_current
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import Lake
from hinet_core.settings import Paths

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
    return lake, list(ingest_days(contract, lake, landed, days or landed.days))


def rows(lake, con, table, columns, days=None):
    return lake.scan(con, table, days).project(columns).fetchall()


def test_good_rows_arrive_typed_dated_and_labelled(tiny, paths, con):
    write_log(paths, GOOD)
    lake, _ = run(tiny, paths)
    assert lake.days("ingest") == [date(2026, 3, 27), date(2026, 3, 29), date(2026, 3, 30)]
    got = rows(lake, con, "impressions", "user, item, scenario_id, day, hour, label_click, label_order, price, brand")
    assert sorted(got) == [
        (1, "a", "home", date(2026, 3, 27), 11, 1, 1, 9.5, "Acme"),
        (1, "b", "search", date(2026, 3, 27), 11, 0, 0, None, None),
        (2, "a", "other", date(2026, 3, 29), 0, 1, 0, 3.0, "Acme"),
        # ordered, but after the window of 24 hours: no order
        (3, "c", "search", date(2026, 3, 29), 23, 1, 0, 0.0, None),
        (3, "c", "search", date(2026, 3, 30), 0, 0, 0, 1.0, None),
    ]


def test_when_an_outcome_is_known(tiny, paths, con):
    write_log(paths, GOOD)
    lake, _ = run(tiny, paths)
    got = rows(lake, con, "impressions", "user, exposed_us, known_us_order - exposed_us, known_day_order - day_number")
    hours = {(user, exposed): (known // 3_600_000_000, days) for user, exposed, known, days in got}
    assert hours[1, 1774605600000000] in {(2, 0), (24, 1)}  # bought after two hours; the other row of the user was not
    assert sorted(value for value in hours.values() if value[0] == 24)[0] == (24, 1)
    clicks = rows(lake, con, "impressions", "known_us_click - exposed_us, known_day_click - day_number")
    assert set(clicks) == {(0, 0)}


def test_refused_rows_keep_text_place_and_every_reason(tiny, paths, con):
    write_log(paths, [*GOOD, *BAD])
    lake, _ = run(tiny, paths)
    got = {number: (day, reasons) for number, day, reasons in
           rows(lake, con, "quarantine", "record_number, day, reasons")}  # fmt: skip
    first = date(2026, 3, 27)
    assert got == {
        6: (first, ["user: below 1"]),
        7: (first, ["user: not a int64", "slot: above 10", "price: below 0"]),
        8: (first, ["scenario: unknown to the contract"]),
        9: (first, ["item: missing", "clicked: not an allowed value", "price: not a float64"]),
        10: (first, ["shown_at: not a timestamp"]),
        11: (first, ["time: outside the contract's days"]),
    }
    raw = dict(rows(lake, con, "quarantine", "record_number, raw"))
    assert json.loads(raw[7])["user"] == "x"
    assert json.loads(raw[10])["shown_at"] == "not a time"


def test_read_is_kept_plus_duplicate_plus_quarantined(tiny, paths, con):
    write_log(paths, [*GOOD, GOOD[0], *BAD])
    write_log(paths, [GOOD[1], GOOD[4]], name="log_2.csv")
    lake, results = run(tiny, paths)
    columns = "day, source_file, rows_read, rows_kept, rows_duplicate, rows_quarantined"
    assert rows(lake, con, "ingest_files", columns) == [
        (date(2026, 3, 27), "log_1.csv", 9, 2, 1, 6),
        (date(2026, 3, 27), "log_2.csv", 1, 0, 1, 0),
        (date(2026, 3, 29), "log_1.csv", 2, 2, 0, 0),
        (date(2026, 3, 30), "log_1.csv", 1, 1, 0, 0),
        (date(2026, 3, 30), "log_2.csv", 1, 0, 1, 0),
    ]
    assert sum(one.counts["rows_read"] for one in results) == 14
    counters = set(rows(lake, con, "ingest_counters", "counter, detail, rows", [date(2026, 3, 27)]))
    assert {("unknown_scenario", "moon", 1), ("scenario_rows", "home", 1), ("unmatched", "items", 0)} <= counters
    # Item a stands twice in the side table: the first is taken, and the one row that meets it is counted.
    assert ("repeated_key", "items", 1) in counters


def test_among_equal_keys_the_first_of_a_total_order_is_kept(tiny, paths, con):
    line = "1,a,1,2026-03-27T10:00:00Z,{slot},{click},0,,1"
    write_log(paths, [line.format(slot=5, click=1), line.format(slot=2, click=0)], name="log_b.csv")
    write_log(paths, [line.format(slot=7, click=0)], name="log_a.csv")
    lake, _ = run(tiny, paths)
    assert rows(lake, con, "impressions", "slot, source_file") == [(7, "log_a.csv")]


def test_a_later_step_without_the_earlier_is_clipped_and_counted(tiny, tiny_raw, paths, con):
    lines = ["1,a,1,2026-03-27T10:00:00Z,1,0,1,2026-03-27T11:00:00Z,1", GOOD[0].replace("10:00", "10:01")]
    write_log(paths, lines)
    lake, _ = run(tiny, paths)
    assert rows(lake, con, "impressions", "label_click, label_order") == [(0, 0), (1, 1)]
    assert ("funnel_violation", "order", 1) in rows(lake, con, "ingest_counters", "counter, detail, rows")
    tiny_raw["tasks"][1]["on_violation"] = "quarantine"
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert rows(lake, con, "quarantine", "reasons") == [(["order: without click"],)]


def test_any_order_and_any_number_of_times_gives_the_same_rows(tiny, paths):
    write_log(paths, [*GOOD, *BAD])
    lake, _ = run(tiny, paths)
    before = {day: lake.manifest("ingest", day).content_hash for day in lake.days("ingest")}
    for days in (lake.days("ingest")[::-1], lake.days("ingest")[1:2], lake.days("ingest")):
        for day in days:
            run(tiny, paths, [day])
    assert {day: lake.manifest("ingest", day).content_hash for day in lake.days("ingest")} == before


def test_current_until_a_file_of_the_day_or_a_rule_changes(tiny, tiny_raw, paths):
    write_log(paths, GOOD)
    lake, _ = run(tiny, paths)
    landed = index(tiny, paths)
    assert all(is_current(lake, landed, day) for day in landed.days)
    write_log(paths, ["9,a,1,2026-03-30T10:00:00Z,1,0,0,,1"], name="log_2.csv")
    landed = index(tiny, paths)
    assert [is_current(lake, landed, day) for day in landed.days] == [True, True, False]
    tiny_raw["columns"][4]["max"] = 2
    changed = parse_contract(tiny_raw)
    assert not any(is_current(lake, index(changed, paths), day) for day in landed.days)


def test_an_index_is_reused_only_while_the_file_is_the_same(tiny, paths):
    write_log(paths, GOOD)
    assert len(index(tiny, paths).days) == 3
    write_log(paths, GOOD[:2])
    assert index(tiny, paths).days == [date(2026, 3, 27)]


def test_a_day_without_files_says_so(tiny, paths):
    write_log(paths, GOOD)
    with pytest.raises(LandingError, match="2026-03-28: no landed file has a row of this day; landed days are 2026-03"):
        run(tiny, paths, [date(2026, 3, 28)])


def test_lines_that_are_no_record_are_quarantined_with_their_text(tiny, paths, con):
    write_log(paths, [*GOOD[:2], "1,a,1,2026-03-27T11:00:00Z,1", GOOD[0] + ",9,9,9", GOOD[0].replace("10:00", "12:00")])
    lake, results = run(tiny, paths)
    assert results[0].counts == {
        "rows_read": 5, "rows_kept": 3, "rows_duplicate": 0, "rows_quarantined": 2, "unknown_scenario": 0,
    }  # fmt: skip
    got = rows(lake, con, "quarantine", "record_number, reasons, raw")
    assert got[0] == (3, ["line: missing columns"], "1,a,1,2026-03-27T11:00:00Z,1")
    assert got[1][:2] == (4, ["line: too many columns"])
    assert sorted(rows(lake, con, "impressions", "record_number")) == [(1,), (2,), (5,)]


def test_a_record_keeps_its_number_whatever_is_wrong_before_it(tiny, paths, con):
    quoted = GOOD[1].replace("1,b", '1,"b\nc"')
    write_log(paths, ["1,a", GOOD[0], quoted, "2,a", "3,a", BAD[2], GOOD[4], "4,a", GOOD[3]])
    expected = {1: (30, 7), 2: (27, 2), 3: (27, 3), 9: (29, 9)}
    for days in (None, [date(2026, 3, 29)], [date(2026, 3, 30)]):
        lake, _ = run(tiny, paths, days)
        assert sorted(rows(lake, con, "quarantine", "record_number", [date(2026, 3, 27)])) == [
            (1,), (4,), (5,), (6,), (8,),
        ]  # fmt: skip
        got = rows(lake, con, "impressions", "day, record_number")
        assert sorted((day.day, number) for day, number in got) == sorted(expected.values())


def test_a_bad_line_of_a_side_table_is_no_row_of_the_log(tiny, paths, con):
    write_log(paths, GOOD[:2])
    (paths.landing / "items.csv").write_text(ITEMS + "c\nd,Brand,9\n")
    lake, results = run(tiny, paths)
    assert results[0].counts["rows_read"] == results[0].counts["rows_kept"] == 2
    assert rows(lake, con, "quarantine", "raw") == []


def test_columns_of_a_side_table_have_any_name(tiny_raw, paths, con):
    tiny_raw["columns"][-1] |= {"name": "found", "from": "brand"}
    tiny_raw["columns"].append(tiny_raw["columns"][-1] | {"name": "key_item"})
    write_log(paths, GOOD[:2])
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert rows(lake, con, "impressions", "item, found, key_item") == [("a", "Acme", "Acme"), ("b", None, None)]


def test_one_bad_line_among_the_first_does_not_refuse_the_file(tiny, paths, con):
    write_log(paths, [GOOD[0], GOOD[1].replace("1,b", '1,"b"x')])
    lake, results = run(tiny, paths)
    assert (results[0].counts["rows_kept"], results[0].counts["rows_quarantined"]) == (1, 1)
    assert rows(lake, con, "quarantine", "record_number, reasons") == [(2, ["line: unquoted value"])]


def test_a_positive_whose_time_is_missing_is_known_when_it_has_matured(tiny, paths, con):
    write_log(paths, [GOOD[0].replace("2026-03-27T12:00:00Z", "")])
    lake, _ = run(tiny, paths)
    day = 24 * 3_600_000_000
    assert rows(lake, con, "impressions", "label_order, known_us_order - exposed_us") == [(1, day)]


@pytest.mark.parametrize(
    ("kind", "condition", "positive"),
    [
        ("float64", {}, ["1"]),
        ("float64", {"equals": 2}, ["2"]),
        ("float32", {"one_of": [0.1, 2]}, ["0.1", "2"]),
        ("int8", {"equals": 2.0}, ["2"]),
        ("int8", {"equals": False}, ["0"]),
        ("bool", {"one_of": [True]}, ["1"]),
        ("bool", {"equals": 1}, ["1"]),
        ("string", {"one_of": [1, "2"]}, ["1", "2"]),
        ("string", {"present": True}, ["0", "0.1", "1", "2"]),
    ],
)
def test_a_label_compares_in_the_columns_own_type(tiny_raw, paths, con, kind, condition, positive):
    texts = {"bool": ["0", "1"], "int8": ["0", "1", "2"]}.get(kind, ["0", "0.1", "1", "2"])
    tiny_raw["columns"][5] |= {"type": kind, "values": [True, False] if kind == "bool" else []}
    tiny_raw["tasks"] = [{"name": "click", "label": {"column": "clicked", **condition}}]
    write_log(paths, [f"{n + 1},a,1,2026-03-27T10:00:00Z,1,{text},0,,1" for n, text in enumerate(texts)])
    lake, _ = run(parse_contract(tiny_raw), paths)
    got = dict(rows(lake, con, "impressions", "user, label_click"))
    assert [text for n, text in enumerate(texts) if got[n + 1]] == positive


def test_true_and_false_name_scenarios(tiny_raw, paths, con):
    tiny_raw["columns"][2]["type"] = "bool"
    tiny_raw["scenarios"] = [{"id": "home", "values": [True]}, {"id": "search", "values": [False]}]
    write_log(paths, [GOOD[0], GOOD[1].replace("2b", "0")])
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert rows(lake, con, "impressions", "user, scenario_id") == [(1, "home"), (1, "search")]


def test_what_is_read_is_the_named_file_and_its_own_columns(tiny_raw, paths, con):
    """Neither a pattern in a file's name nor a folder called key=value changes what is read."""
    tiny_raw["sources"][0]["files"] = "**/log_*.csv"
    folder = paths.landing / "user=9"
    folder.mkdir()
    (folder / "log_1.csv").write_text(f"{HEADER}\n{GOOD[0]}\n")
    write_log(paths, [GOOD[1]], name="log_[1].csv")
    write_log(paths, [GOOD[3]], name="log_1.csv")
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert sorted(rows(lake, con, "impressions", "source_file, user, item")) == [
        ("log_1.csv", 3, "c"), ("log_[1].csv", 1, "b"), ("user=9/log_1.csv", 1, "a"),
    ]  # fmt: skip


def test_a_day_is_read_again_when_a_copy_lands_or_the_contract_grows_longer(tiny, tiny_raw, paths, con):
    tiny_raw["last_day"] = "2026-03-29"
    short = parse_contract(tiny_raw)
    write_log(paths, GOOD)
    lake, _ = run(short, paths)
    first = date(2026, 3, 27)
    assert len(rows(lake, con, "quarantine", "raw", [first])) == 1
    assert not is_current(lake, index(tiny, paths), first)
    lake, _ = run(tiny, paths)
    assert is_current(lake, index(tiny, paths), first)
    write_log(paths, GOOD, name="log_copy.csv")
    assert not is_current(lake, index(tiny, paths), first)


def test_days_are_staged_together_only_up_to_a_bound(tiny, paths, monkeypatch):
    write_log(paths, GOOD)
    landed = index(tiny, paths)
    assert list(day_groups(landed, landed.days)) == [landed.days]
    monkeypatch.setattr("hinet_core.ingest.days.ROWS_AT_ONCE", 3)
    assert list(day_groups(landed, landed.days)) == [landed.days]  # one file: it would be read again for each day
    monkeypatch.setattr("hinet_core.ingest.days.SPILLED_ROW", 2**60)  # no disk has room
    assert [len(group) for group in day_groups(landed, landed.days)] == [1, 2]
    monkeypatch.undo()

    (paths.landing / "log_1.csv").unlink()
    for number, rows_of_day in enumerate((GOOD[:2], GOOD[2:4], GOOD[4:])):
        write_log(paths, rows_of_day, f"log_{number}.csv")
    landed = index(tiny, paths)
    monkeypatch.setattr("hinet_core.ingest.days.ROWS_AT_ONCE", 2)
    assert [len(group) for group in day_groups(landed, landed.days)] == [1, 1, 1]


def test_days_mixed_in_a_file_end_as_in_a_file_each(tiny, paths, con, tmp_path, monkeypatch):
    """30 days in any order, spilled in small batches; equal keys are found among rows that are far apart."""
    monkeypatch.setattr("hinet_core.ingest.stage.ROWS_A_BATCH", 64)
    monkeypatch.setenv("HINET_THREADS", "1")
    made = [f"{n % 7},i{n % 11},1,2026-03-{n % 30 + 1:02}T{n % 5 + 8:02}:00:00Z,1,1,0,,{n}" for n in range(3_000)]
    random.Random(1).shuffle(made)
    write_log(paths, made)
    lake, results = run(tiny, paths)

    by_day = Paths(tmp_path / "by_day")
    by_day.landing.mkdir(parents=True)
    for day in range(1, 31):
        write_log(by_day, [one for one in made if f"03-{day:02}T" in one], f"log_{day:02}.csv")
    other, expected = run(tiny, by_day)
    columns = "* EXCLUDE (source_file, record_number)"
    for one, two in zip(results, expected, strict=True):
        assert (one.day, one.counts) == (two.day, two.counts)
        assert rows(lake, con, "impressions", columns, [one.day]) == rows(other, con, "impressions", columns, [one.day])
    assert sum(one.counts["rows_read"] for one in results) == 3_000
    assert 0 < sum(one.counts["rows_duplicate"] for one in results) < 3_000


def ndjson(line):
    return json.dumps(dict(zip(HEADER.split(","), line.split(","), strict=True)))


def test_the_same_rows_from_csv_ndjson_and_parquet(tiny, tiny_raw, paths, con, tmp_path):
    write_log(paths, GOOD)
    lake, _ = run(tiny, paths)
    columns = "user, item, scenario_id, exposed_us, slot, label_click, label_order, known_us_order, price, brand"
    expected = sorted(rows(lake, con, "impressions", columns), key=str)

    other = Paths(tmp_path / "ndjson")
    other.landing.mkdir(parents=True)
    (other.landing / "log_1.ndjson").write_text("\n".join([*map(ndjson, GOOD), "{broken"]) + "\n")
    (other.landing / "items.csv").write_text(ITEMS)
    tiny_raw["sources"][0] |= {"files": "log_*.ndjson", "format": "ndjson"}
    lake, results = run(parse_contract(tiny_raw), other)
    assert sorted(rows(lake, con, "impressions", columns), key=str) == expected
    assert sum(one.counts["rows_quarantined"] for one in results) == 1
    assert rows(lake, con, "quarantine", "raw") == [("{broken",)]

    typed = Paths(tmp_path / "parquet")
    typed.landing.mkdir(parents=True)
    fields = [line.split(",") for line in GOOD]
    table = pa.table({
        "user": pa.array([int(one[0]) for one in fields], pa.int64()),
        "item": [one[1] for one in fields],
        "place": [one[2] for one in fields],
        "shown_at": [one[3] for one in fields],
        "slot": pa.array([float(one[4]) for one in fields], pa.float64()),
        "clicked": pa.array([int(one[5]) for one in fields], pa.int8()),
        "ordered": pa.array([one[6] == "1" for one in fields], pa.bool_()),
        "ordered_at": [one[7] or None for one in fields],
        "price": pa.array([float(one[8]) if one[8] else None for one in fields], pa.float64()),
    })  # fmt: skip
    pq.write_table(table, typed.landing / "log_1.parquet")
    (typed.landing / "items.csv").write_text(ITEMS)
    tiny_raw["sources"][0] |= {"files": "log_*.parquet", "format": "parquet"}
    lake, _ = run(parse_contract(tiny_raw), typed)
    assert sorted(rows(lake, con, "impressions", columns), key=str) == expected


def test_any_name_of_a_column_is_found(tiny_raw, paths, con, tmp_path):
    """Quotes, slashes and blanks in a name; names that ingest could use itself, in the file and in the contract."""
    names = ['say "hi"', "a/b~1", "$.x", "user_id ", "record_number", "file_row_number", "the line", "'; --", "raw.a"]
    for name, column in zip(names, tiny_raw["columns"], strict=False):
        column["from"] = name
    tiny_raw["columns"][8] |= {"name": "raw_line"}
    fields = [line.split(",") for line in GOOD]
    texts = {
        "csv": "\n".join(",".join(one) for one in [['"say ""hi"""', *names[1:]], *fields]),
        "ndjson": "\n".join(json.dumps(dict(zip(names, one, strict=True))) for one in fields),
    }
    table = pa.table([pa.array(one) for one in zip(*fields, strict=True)], names=names)
    for form in ("csv", "ndjson", "parquet"):
        home = Paths(tmp_path / form)
        home.landing.mkdir(parents=True)
        if form == "parquet":
            pq.write_table(table, home.landing / "log_1.parquet")
        else:
            (home.landing / f"log_1.{form}").write_text(texts[form])
        (home.landing / "items.csv").write_text(ITEMS)
        tiny_raw["sources"][0] |= {"files": f"log_*.{form}", "format": form}
        lake, _ = run(parse_contract(tiny_raw), home)
        got = sorted(rows(lake, con, "impressions", "record_number, user, item, raw_line"))
        assert got == [(1, 1, "a", 9.5), (2, 1, "b", None), (3, 2, "a", 3.0), (4, 3, "c", 0.0), (5, 3, "c", 1.0)]


def test_scenario_from_the_file_name(tiny_raw, paths, con):
    tiny_raw["sources"][0] |= {"files": "*/log_*.csv", "path_pattern": r"^(?P<country>[a-z]+)/log_(?P<part>\d+)"}
    tiny_raw["columns"][2] = {"name": "country", "type": "string", "role": "scenario", "from": "path:country"}
    tiny_raw["scenarios"] = [{"id": "germany", "values": ["de"]}, {"id": "france", "values": ["fr"]}]
    for country in ("de", "fr"):
        (paths.landing / country).mkdir()
        (paths.landing / country / "log_1.csv").write_text(HEADER + "\n" + GOOD[0] + "\n")
    (paths.landing / "items.csv").write_text(ITEMS)
    tiny_raw["dedupe"]["key"].append("country")
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert rows(lake, con, "impressions", "scenario_id, source_file") == [
        ("germany", "de/log_1.csv"),
        ("france", "fr/log_1.csv"),
    ]


def test_json_lists_blank_lines_and_broken_text(tiny_raw, paths, con):
    tiny_raw["sources"][0] |= {"files": "log_*.ndjson", "format": "ndjson"}
    tiny_raw["columns"].append({"name": "tags", "type": "list<string>", "role": "plain", "nullable": True})
    first, second = (json.loads(ndjson(line)) | {"tags": ["x", "y, z"]} for line in (GOOD[0], GOOD[3]))
    lines = [b"", json.dumps(first).encode(), ndjson(GOOD[1]).encode().replace(b'"b"', b'"\xff"'), b"  ",
             b"{broken", json.dumps(second).encode(), b""]  # fmt: skip
    (paths.landing / "log_1.ndjson").write_bytes(b"\r\n".join(lines))
    (paths.landing / "items.csv").write_text(ITEMS)
    lake, _ = run(parse_contract(tiny_raw), paths)
    got = rows(lake, con, "impressions", "record_number, tags")
    assert sorted(got) == [(2, ["x", "y, z"]), (6, ["x", "y, z"])]
    got = rows(lake, con, "quarantine", "record_number, reasons[1]")
    assert got == [(3, "line: invalid encoding"), (5, "line: not a JSON object")]


@pytest.mark.slow
def test_kuairand_is_accounted_for_exactly(kuairand_data, tmp_path, con):
    contract, paths = load_contract("kuairand"), Paths(tmp_path / "kuairand")
    land(contract, paths, kuairand_data)
    lake, results = run(contract, paths)
    totals = {name: sum(one.counts[name] for one in results) for name in results[0].counts}
    assert totals == {
        "rows_read": 212_582, "rows_kept": 206_974, "rows_duplicate": 5_608, "rows_quarantined": 0,
        "unknown_scenario": 0,
    }  # fmt: skip
    violations = "SELECT sum(rows) FROM counters WHERE counter = 'funnel_violation'"
    lake.scan(con, "ingest_counters").create_view("counters")
    assert con.sql(violations).fetchall() == [(221,)]
    assert con.sql("SELECT count(DISTINCT detail) FROM counters WHERE counter = 'scenario_rows'").fetchall() == [(15,)]
