"""Text in any encoding that a contract declares; bytes that are no text in it refuse their record, and nothing else."""

import gzip

import pytest

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import Lake

TIME = "2026-03-01T10:00:00Z"
LOG = {
    "name": "encoded",
    "time_zone": "UTC",
    "first_day": "2026-03-01",
    "columns": [
        {"name": "user", "type": "int64", "role": "user"},
        {"name": "item", "type": "string", "role": "item"},
        {"name": "place", "type": "string", "role": "scenario", "constant": "home"},
        {"name": "shown_at", "type": "timestamp", "role": "time"},
        {"name": "clicked", "type": "int8", "role": "outcome"},
    ],
    "scenarios": [{"id": "home"}],
    "tasks": [{"name": "click", "label": "clicked"}],
    "dedupe": {"key": ["user", "item"]},
}
TEXTS = {
    "utf-8": "tea 🙂 茶", "UTF8": "Jörg", "utf-8-sig": "é", "ascii": "tea", "latin-1": "Jörg", "ISO-8859-15": "10 €",
    "cp1252": "“x”", "cp1251": "жёл", "koi8-r": "жёл", "gbk": "推荐", "gb18030": "㐀🙂", "big5": "推薦",
    "shift_jis": "リスト能", "euc_jp": "リスト", "iso2022_jp": "リスト", "euc_kr": "추천", "utf-16": "茶🙂",
    "utf-16-le": "茶🙂", "utf-16-be": "茶🙂", "utf-32": "茶🙂", "utf-7": "茶", "cp037": "tea", "mac_roman": "Jörg",
}  # fmt: skip


@pytest.fixture
def read(paths, con):
    def run(data, encoding, name="log.csv", file_format="csv"):
        source = {"name": "log", "files": "log*", "format": file_format, "encoding": encoding}
        contract = parse_contract(LOG | {"sources": [source]})
        (paths.landing / name).write_bytes(data)
        landed, lake = index(contract, paths), Lake(paths.lake)
        list(ingest_days(contract, lake, landed, landed.days, None))
        kept = lake.scan(con, "impressions").project("record_number, item").fetchall()
        return kept, lake.scan(con, "quarantine").project("record_number, reasons, raw").fetchall()

    return run


@pytest.mark.parametrize("encoding", TEXTS)
def test_every_encoding_is_read(read, encoding):
    item = TEXTS[encoding]
    text = f'user,item,shown_at,clicked\r\n1,{item},{TIME},1\r\n2,"{item},\n{item}",{TIME},0\r\n'
    kept = [(1, item), (2, f"{item},\n{item}")]
    assert read(text.encode(encoding), encoding) == (kept, [])
    assert read(gzip.compress(text.encode(encoding)), encoding) == (kept, [])


@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be"])
def test_the_mark_decides_the_order_of_bytes(read, mark):
    text = f"\ufeffuser,item,shown_at,clicked\n1,🙂,{TIME},1"
    assert read(text.encode(mark), "utf-16") == ([(1, "🙂")], [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_without_a_mark_the_order_of_bytes_is_little_endian(read, encoding):
    text = f"user,item,shown_at,clicked\n1,🙂,{TIME},1"
    assert read(text.encode(f"{encoding}-le"), encoding) == ([(1, "🙂")], [])


@pytest.mark.parametrize(
    ("encoding", "bad", "shown"),
    [("utf-8", b"\xff", "\\xff"), ("ascii", b"\xc3\xa9", "\\xc3\\xa9"), ("gbk", b"\xff\xff", "\\xff\\xff"),
     ("shift_jis", b"\x85\xa1x", "\\x85\u00a1x"), ("cp1252", b"\x81", "\\x81")],
)  # fmt: skip
def test_bytes_that_are_no_text_refuse_their_record(read, encoding, bad, shown):
    lines = [f"{n},i{n},{TIME},1".encode(encoding) for n in (1, 2, 3)]
    lines[1] = lines[1].replace(b"i2", bad)
    kept, refused = read(b"\n".join([b"user,item,shown_at,clicked", *lines]), encoding)
    assert kept == [(1, "i1"), (3, "i3")]
    ((number, reasons, raw),) = refused
    assert (number, reasons) == (2, ["line: invalid encoding"])
    assert raw.startswith("2,\\x") and raw.endswith(f"{TIME},1")


def test_ndjson_in_another_encoding(read):
    line = '{{"user": {n}, "item": "жёл{n}", "shown_at": "' + TIME + '", "clicked": 1}}'
    data = "\n".join(line.format(n=n) for n in (1, 2)).encode("cp1251")
    assert read(data, "cp1251", file_format="ndjson") == ([(1, "жёл1"), (2, "жёл2")], [])


def test_a_file_in_another_encoding_than_declared_loses_no_other(read):
    text = f"user,item,shown_at,clicked\n1,жёл,{TIME},1\n2,tea,{TIME},1\n"
    kept, refused = read(text.encode("cp1251"), "utf-8")
    assert kept == [(2, "tea")]
    assert refused[0][:2] == (1, ["line: invalid encoding"])


HEADED = f"user,item,shown_at,clicked\n1,i1,{TIME},1\n"


@pytest.mark.parametrize("data", [HEADED.encode(), bytes([0, 255, 254, 0]) * 99])
def test_a_file_without_names_in_the_declared_encoding_says_so(read, data):
    with pytest.raises(LandingError, match=r"lacks the column .*; its first line is no text in utf-16: correct `enc"):
        read(data, "utf-16")
