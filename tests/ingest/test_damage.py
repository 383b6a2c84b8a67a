"""Files as they should not be: no clean row is lost, no record changes its number, and each fault is told by name."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hinet_core.contract import parse_contract
from hinet_core.ingest import refused_files
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.files import LandedFile
from hinet_core.ingest.landing import INDEX, index
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import Lake

HEADER = "user,item,place,shown_at,clicked"
LOG = {
    "name": "damaged",
    "time_zone": "UTC",
    "first_day": "2026-03-01",
    "sources": [{"name": "log", "files": "log_*", "format": "csv"}],
    "columns": [
        {"name": "user", "type": "int64", "role": "user"},
        {"name": "item", "type": "string", "role": "item"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time"},
        {"name": "clicked", "type": "int8", "role": "outcome", "values": [0, 1]},
    ],
    "scenarios": [{"id": "home"}],
    "tasks": [{"name": "click", "label": "clicked"}],
    "dedupe": {"key": ["user", "item", "shown_at"]},
}


def line(user, item="a"):
    return f"{user},{item},home,2026-03-01T10:00:00Z,1"


@pytest.fixture
def read(paths, con):
    """Land bytes as one file; answers with record number -> item of what was kept, and -> reasons of what was not."""

    def run(data, name="log_1.csv", columns="record_number, item", **source):
        contract = parse_contract(LOG | {"sources": [LOG["sources"][0] | source]})
        (paths.landing / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        lake, landed = Lake(paths.lake), index(contract, paths)
        results = list(ingest_days(contract, lake, landed, landed.days, None))
        kept = lake.scan(con, "impressions").project(columns).fetchall()
        refused = dict(lake.scan(con, "quarantine").project("record_number, reasons").fetchall())
        counts = results[0].counts
        assert counts["rows_read"] == counts["rows_kept"] + counts["rows_duplicate"] + counts["rows_quarantined"]
        assert counts["rows_read"] == len(kept) + len(refused)
        assert [row[0] for row in kept] == sorted(row[0] for row in kept)
        return dict(kept), refused

    return run


def csv(*lines, end="\n", last="\n"):
    return end.join([HEADER, *lines]) + last


CLEAN = {1: "a", 2: "b", 3: "c"}
ROWS = [line(n, item) for n, item in CLEAN.items()]


@pytest.mark.parametrize(
    "data",
    [
        csv(*ROWS),
        csv(*ROWS, last=""),
        csv(*ROWS, end="\r\n"),
        csv(*ROWS, end="\r", last="\r"),
        csv(*ROWS, end="\r", last=""),
        "\n" + csv(*ROWS),
        csv("", ROWS[0], "   ", ROWS[1], "\t", ROWS[2], "", ""),
        f"{HEADER}\r\n{ROWS[0]}\n{ROWS[1]}\r{ROWS[2]}\r\n",
        b"\xef\xbb\xbf" + csv(*ROWS).encode(),
        csv(*('"' + row.replace(",", '","') + '"' for row in ROWS)),
    ],
)
def test_lines_end_as_they_like(read, data):
    assert read(data) == (CLEAN, {})


def test_an_open_quote_costs_its_own_line_only(read):
    lines = [ROWS[0], line(9, '"x'), *[line(n, f"i{n}") for n in range(10, 40)], line(50, '"y"'), line(51, '""')]
    kept, refused = read(csv(*lines))
    assert refused == {2: ["line: unterminated quote"], 34: ["item: missing"]}
    assert kept == {1: "a", 33: "y"} | {n - 7: f"i{n}" for n in range(10, 40)}


def test_two_open_quotes_do_not_close_each_other_over_clean_rows(read):
    kept, refused = read(csv(ROWS[0], line(9, '"x'), ROWS[1], ROWS[2], line(8, 'y"').replace('y"', '"'), line(7, "d")))
    assert refused == {2: ["line: unterminated quote"], 5: ["line: unterminated quote"]}
    assert kept == {1: "a", 3: "b", 4: "c", 6: "d"}


def test_values_hold_line_ends_quotes_and_delimiters(read):
    kept, refused = read(csv(line(1, '"x\ny"'), line(2, '"say ""hi"", then\r\n, go"'), ROWS[2], end="\r\n"))
    assert (kept, refused) == ({1: "x\ny", 2: 'say "hi", then\r\n, go', 3: "c"}, {})


def test_each_line_that_is_no_record_says_why(read):
    bad = ["1,a", line(1) + ",9", line(1, '"a"b'), line(1, "a\0b"), "5,\xff,home,2026-03-01T10:00:00Z,1"]
    data = csv(ROWS[0], *bad, ROWS[1]).encode("latin-1")
    kept, refused = read(data)
    assert kept == {1: "a", 7: "b"}
    assert refused == {
        2: ["line: missing columns"], 3: ["line: too many columns"], 4: ["line: unquoted value"],
        5: ["line: null byte"], 6: ["line: invalid encoding"],
    }  # fmt: skip


LAST_MAY_BE_EMPTY = [*LOG["columns"][:-1], LOG["columns"][-1] | {"nullable": True}]


@pytest.mark.parametrize(("delimiter", "end", "text", "value", "extra"), [
    (",", "\n", "x", "x", ","), ("|", "\r\n", '"x|x"', "x|x", "|"), ("\t", "\n", '"x""x"', 'x"x', '\t""'),
    (" ", "\n", 'x"x', 'x"x', "  "), ("||", "\n", '"x||x"', "x||x", "||"), (",", "\n", 'x"x', 'x"x', ', ""'),
])  # fmt: skip
def test_an_empty_field_too_many_is_one_too_many(read, delimiter, end, text, value, extra, monkeypatch):
    """DuckDB's reader drops it even in strict mode, and so takes a shifted record whose last cell is empty."""
    monkeypatch.setitem(LOG, "columns", LAST_MAY_BE_EMPTY)
    shown = ["home", "2026-03-01"]
    rows = [HEADER.split(","), ["1", text, *shown, "1"], ["2", "y", *shown, "1"], ["3", text, *shown, ""],
            ["4", text, "y", *shown, ""], ["5", "z", *shown, "0"]]  # fmt: skip
    lines = [delimiter.join(one) for one in rows]
    lines[2] += extra
    kept, refused = read(end.join(lines), delimiter=delimiter)
    assert refused == {2: ["line: too many columns"], 4: ["line: too many columns"]}
    assert kept == {1: value, 3: value, 5: "z"}


def test_delimiters_in_quotes_and_empty_last_cells_are_no_damage(read, monkeypatch, paths):
    monkeypatch.setitem(LOG, "columns", LAST_MAY_BE_EMPTY)
    lines = [line(n, '"x,y,"').removesuffix("1") + ("" if n % 2 else '""') for n in range(1, 5)]
    assert read(csv(*lines)) == (dict.fromkeys(range(1, 5), "x,y,"), {})
    assert not LandedFile(**json.loads((paths.lake / INDEX).read_text())["files"][0]).careful  # DuckDB reads it


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("item", ["d", '"d,d"'])
def test_a_file_whose_records_all_end_in_a_delimiter_is_read_without_these(read, item, encoding):
    rows = [*ROWS, line(4, item)]
    value = item.strip('"')
    assert read(csv(*(row + "," for row in rows)), encoding=encoding) == (CLEAN | {4: value}, {})


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_where_most_records_end_in_a_delimiter_the_others_are_refused(read, encoding):
    clean = [line(n, "x") for n in range(10, 16)]
    other = [line(5), line(6)[:-1], line(7) + ",x", line(8, '"open') + ",", line(9, "") + ","]
    kept, refused = read(csv(*(row + "," for row in clean), *other), encoding=encoding)
    assert kept == dict.fromkeys(range(1, 7), "x")
    assert refused == {
        7: ["line: missing columns"], 8: ["line: missing columns"], 9: ["line: too many columns"],
        10: ["line: unterminated quote"], 11: ["item: missing"],
    }  # fmt: skip


def test_a_file_in_which_no_record_can_be_read_says_why_of_the_first(read):
    with pytest.raises(LandingError, match=r"none of its 3 rows .* the first is refused \(line: too many columns\)"):
        read(csv(*(row + ",," for row in ROWS)))


@pytest.mark.parametrize("bad", [b"\xff", b"\0"])
@pytest.mark.parametrize("place", [b'"x%s\ny"', b'"x\ny%s"', b'"x\n%s\ny"'])
def test_a_damaged_record_of_several_lines_is_one_record(read, bad, place):
    lines = [HEADER, line(1), line(2, "ITEM"), line(3, '"c\nd"')]
    data = ("\n".join(lines) + "\n").encode().replace(b"ITEM", place % bad)
    kept, refused = read(data)
    assert kept == {1: "a", 3: "c\nd"}
    assert list(refused) == [2]


def test_a_line_longer_than_duckdb_takes_is_read(read):
    kept, refused = read(csv(ROWS[0], line(2, "x" * 3_000_000), ROWS[2]))
    assert {number: len(item) for number, item in kept.items()} == {1: 1, 2: 3_000_000, 3: 1}
    assert refused == {}


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "::", "\x01", " "])
def test_any_delimiter(read, delimiter):
    data = csv(*ROWS).replace(",", delimiter)
    assert read(data, delimiter=delimiter) == (CLEAN, {})
    short = data + delimiter.join(["4", "d"]) + "\n" + line(5, "e").replace(",", delimiter) + "\n"
    assert read(short, delimiter=delimiter) == (CLEAN | {5: "e"}, {4: ["line: missing columns"]})


def test_columns_stand_in_any_order_among_others_under_any_name(read):
    header = ' clicked,"a, ""b""",shown_at,Ünïcode,item ,place,user'
    rows = [f"1,x,2026-03-01T10:00:00Z,y,{item},home,{n}" for n, item in CLEAN.items()]
    assert read("\n".join([header, *rows])) == (CLEAN, {})


def test_a_name_that_comes_again_feeds_a_list(read, paths, con):
    tags = {"name": "tags", "type": "list<int64>", "from": "tag", "role": "plain", "nullable": True}
    contract = parse_contract(LOG | {"columns": [*LOG["columns"], tags]})
    rows = [f"{line(1)},7,x,8,", f"{line(2)},,x,,", f"{line(3)},1,x,2,3", f"{line(4)},1,x,?,3"]
    (paths.landing / "log_1.csv").write_text("\n".join([f"{HEADER},tag,other,tag,tag", *rows]))
    landed, lake = index(contract, paths), Lake(paths.lake)
    list(ingest_days(contract, lake, landed, landed.days, None))
    assert lake.scan(con, "impressions").project("user, tags").fetchall() == [(1, [7, 8]), (2, []), (3, [1, 2, 3])]
    assert lake.scan(con, "quarantine").project("record_number, reasons").fetchall() == [
        (4, ["tags: not a list<int64>"]),
    ]
    (paths.landing / "log_1.csv").write_text(f"{HEADER},tag,user\n{line(1)},1,2\n")
    with pytest.raises(LandingError, match="its header has the column 'user' more than once, which only a list may"):
        index(contract, paths)


def refused_beside_a_good_one(paths, name, data):
    (paths.landing / "log_good.csv").write_text(csv(*ROWS))
    (paths.landing / name).write_bytes(data)
    landed = index(parse_contract(LOG), paths)
    assert [one.path for one in landed.log_files] == ["log_good.csv"]
    return landed.refused[name]


@pytest.mark.parametrize("cut", [0.5, 0.999])
@pytest.mark.parametrize("pack", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
def test_an_archive_that_was_cut_off_is_refused_whole(paths, pack, cut):
    packed = pack(csv(*(line(n, f"item{n}") for n in range(5000))).encode())
    said = refused_beside_a_good_one(paths, "log_2.csv", packed[: int(len(packed) * cut)])
    assert "log_2.csv: not readable: damaged or cut off" in said or "Truncated compressed stream" in said
    assert "Deliver the file again" in said


def test_a_wrong_checksum_is_refused(paths):
    packed = bytearray(gzip.compress(csv(*ROWS).encode()))
    packed[-6] ^= 0x55
    assert "CRC check failed" in refused_beside_a_good_one(paths, "log_2.csv.gz", bytes(packed))


def test_archives_are_known_by_their_bytes_and_may_have_several_parts(read):
    first, rest = csv(ROWS[0]).encode(), "\n".join(ROWS[1:]).encode()
    assert read(gzip.compress(first) + gzip.compress(rest), name="log_1.csv") == (CLEAN, {})


def test_zeros_behind_an_archive_are_no_damage(read):
    packed = gzip.compress(csv(line(1), line(2)).encode())
    assert read(packed + bytes(512), name="log_1.csv.gz") == ({1: "a", 2: "a"}, {})


@pytest.mark.parametrize("header", [True, False])
def test_a_mark_of_byte_order_between_files_put_together_is_no_part_of_a_value(read, header):
    names = {} if header else {"names": HEADER.split(",")}
    parts = [[HEADER, line(1)], [HEADER, line(2)]] if header else [[line(1)], [line(2)]]
    data = b"".join(codecs.BOM_UTF8 + "\n".join([*part, ""]).encode() for part in parts)
    kept, refused = read(data, columns="record_number, user", header=header, **names)
    assert kept == ({1: 1, 3: 2} if header else {1: 1, 2: 2})
    assert list(refused) == ([2] if header else [])


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n", "\r"])
def test_a_header_alone_is_an_hour_without_traffic(read, paths, end):
    (paths.landing / "log_2.csv").write_bytes((HEADER + end).encode())
    assert read(csv(*ROWS)) == (CLEAN, {})
    assert refused_files.recorded(Lake(paths.lake)) == []


def test_a_parquet_file_without_rows_is_an_hour_without_traffic(paths):
    columns = {"user": [1], "item": ["a"], "place": ["home"], "shown_at": ["2026-03-01T10:00:00Z"], "clicked": [1]}
    pq.write_table(pa.table(columns), paths.landing / "log_1")
    pq.write_table(pa.table(columns).slice(0, 0), paths.landing / "log_2")
    contract = parse_contract(LOG | {"sources": [LOG["sources"][0] | {"format": "parquet"}]})
    landed = index(contract, paths)
    assert [(one.path, one.rows) for one in landed.log_files] == [("log_1", {"2026-03-01": 1}), ("log_2", {})]
    assert next(ingest_days(contract, Lake(paths.lake), landed, landed.days, None)).counts["rows_kept"] == 1


def test_nothing_but_files_without_rows_is_said_so(paths):
    (paths.landing / "log_2.csv").write_text(HEADER)
    with pytest.raises(LandingError, match="no landed file of source 'log' has a row"):
        index(parse_contract(LOG), paths)


def packed_by_tar(data):
    with tarfile.open(fileobj=(file := io.BytesIO()), mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("log.csv"), io.BytesIO(data))
    return file.getvalue()


def zipped(*names):
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        for name in names:
            archive.writestr(name, HEADER)
    return file.getvalue()


@pytest.mark.parametrize(("pack", "said"), [
    (bz2.compress, "packed by bzip2"), (lzma.compress, "packed by xz"), (packed_by_tar, "it is a tar archive"),
    (lambda _: zipped(), "the archive is empty"), (lambda _: zipped("[Content_Types].xml", "xl/a.xml"), "an Excel"),
])  # fmt: skip
def test_a_file_of_another_kind_is_named(paths, pack, said):
    assert said in refused_beside_a_good_one(paths, "log_2.csv", pack(csv(*ROWS).encode()))


def test_a_file_of_no_bytes_stays_refused(paths):
    assert "the file is empty (0 bytes)" in refused_beside_a_good_one(paths, "log_2.csv", b"")


@pytest.mark.parametrize("text", ["7", "null", "[1]", '"x"', "{broken", '{"user": 1'])
def test_a_line_that_is_no_object_has_one_reason(read, text):
    good = '{"user": 1, "item": "a", "place": "home", "shown_at": "2026-03-01T10:00:00Z", "clicked": 1}'
    kept, refused = read("\n".join([good, "\t", text, good.replace('"a"', '"b"')]), format="ndjson")
    assert (kept, refused) == ({1: "a", 4: "b"}, {3: ["line: not a JSON object"]})


OBJECT = '{"user": 1, "item": "a", "place": "home", "shown_at": "2026-03-01T10:00:00Z", "clicked": 1}'


@pytest.mark.parametrize("form", ["[\n%s,\n%s\n]\n", "[%s, %s]", "\ufeff [ %s,%s]", "[%s,%s", "[\n  %s\n,%s\n]"])
def test_a_json_array_is_told_as_such(read, form):
    with pytest.raises(LandingError, match=r"it is one JSON array, not one object a line; .* jq -c '\.\[\]' FILE"):
        read(form % (OBJECT, OBJECT), format="ndjson")


def test_an_array_on_one_line_costs_its_own_line_only(read):
    assert read(f"[{OBJECT}]\n{OBJECT}\n", format="ndjson") == ({2: "a"}, {1: ["line: not a JSON object"]})


def test_of_a_key_that_an_object_has_twice_the_first_counts(read):
    assert read(OBJECT.replace('"item": "a"', '"item": "a", "item": "b"'), format="ndjson") == ({1: "a"}, {})


def test_a_file_that_changes_or_goes_after_it_was_looked_at_is_named(paths):
    contract = parse_contract(LOG)
    path = paths.landing / "log_1.csv"
    path.write_text(csv(*ROWS))
    landed = index(contract, paths)
    path.write_text(csv(*ROWS, ROWS[0]))
    with pytest.raises(LandingError, match="log_1.csv: changed since it was looked at; run again"):
        list(ingest_days(contract, Lake(paths.lake), landed, landed.days, None))
    path.unlink()
    with pytest.raises(LandingError, match="log_1.csv: gone since it was looked at; run again"):
        list(ingest_days(contract, Lake(paths.lake), landed, landed.days, None))
