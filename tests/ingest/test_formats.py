"""The same rows from CSV, NDJSON and Parquet; what is no record is quarantined under its own number."""

import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
from tiny_files import BAD, GOOD, HEADER, ITEMS, ndjson, rows, run, write_log

from hinet_core.contract import parse_contract
from hinet_core.settings import Paths


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


def test_one_bad_line_among_the_first_does_not_refuse_the_file(tiny, paths, con):
    write_log(paths, [GOOD[0], GOOD[1].replace("1,b", '1,"b"x')])
    lake, results = run(tiny, paths)
    assert (results[0].counts["rows_kept"], results[0].counts["rows_quarantined"]) == (1, 1)
    assert rows(lake, con, "quarantine", "record_number, reasons") == [(2, ["line: unquoted value"])]


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
