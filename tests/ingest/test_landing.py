"""Files as a whole: landed once, packed or plain, refused by name where they are damaged, and the others go on."""

import gzip
import io
import os
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_files import BAD, GOOD, HEADER, rows, run, write_log

from hinet_core.contract import parse_contract
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.readers import LandingError
from hinet_core.lake import spill_folder
from hinet_core.settings import Paths


def test_damaged_files_are_refused_by_name_and_the_others_go_on(tiny, paths):
    write_log(paths, GOOD)
    (paths.landing / "log_0.csv").write_bytes(b"")
    (paths.landing / "log_2.csv").write_text("user,item\n1,a\n")
    (paths.landing / "log_3.csv").write_text(HEADER + "\n" + BAD[4] + "\n")
    refused = index(tiny, paths).refused
    assert set(refused) == {"log_0.csv", "log_2.csv", "log_3.csv"}
    assert "the file is empty" in refused["log_0.csv"]
    assert "lacks the column 'place', 'shown_at'" in refused["log_2.csv"]
    assert "none of its 1 rows has a readable time between 2026-03-01 and 2026-04-30" in refused["log_3.csv"]
    assert len(index(tiny, paths).days) == 3


def test_damage_in_the_middle_of_a_parquet_file_refuses_the_file(tiny_raw, paths):
    tiny_raw["sources"][0] |= {"files": "log_*.parquet", "format": "parquet"}
    write_log(paths, [])
    names = HEADER.split(",")
    table = pa.table({name: [line.split(",")[i] for line in GOOD * 2000] for i, name in enumerate(names)})
    for name in ("log_1.parquet", "log_2.parquet"):
        pq.write_table(table, paths.landing / name, compression="snappy", use_dictionary=False)
    whole = bytearray((paths.landing / "log_2.parquet").read_bytes())
    for at in range(200, len(whole) - 3000, 97):
        whole[at] ^= 0xFF
    (paths.landing / "log_2.parquet").write_bytes(whole)
    landed = index(parse_contract(tiny_raw), paths)
    assert list(landed.refused) == ["log_2.parquet"]
    assert "log_2.parquet: not readable" in landed.refused["log_2.parquet"]
    assert len(landed.days) == 3


def test_each_file_in_a_zip_archive_is_a_file(tiny_raw, paths, con, tmp_path, monkeypatch):
    monkeypatch.setenv("HINET_HOME", str(tmp_path))
    tiny_raw["sources"][0]["files"] = "log_*"
    write_log(paths, GOOD[:2])
    with zipfile.ZipFile(paths.landing / "log_2.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/log_3.csv", "\n".join([HEADER, GOOD[2], "1,a"]))
        archive.writestr("log_4.csv.gz", gzip.compress("\n".join([HEADER, GOOD[3]]).encode()))
        archive.writestr("readme.txt", "hello")
        archive.writestr("__MACOSX/log_3.csv", "x")
    lake, _ = run(parse_contract(tiny_raw), paths)
    assert sorted(rows(lake, con, "impressions", "source_file, record_number, user")) == [
        ("log_1.csv", 1, 1), ("log_1.csv", 2, 1), ("log_2.zip/in/log_3.csv", 1, 2), ("log_2.zip/log_4.csv.gz", 1, 3),
    ]  # fmt: skip
    assert rows(lake, con, "quarantine", "source_file, record_number, reasons") == [
        ("log_2.zip/in/log_3.csv", 2, ["line: missing columns"]),
    ]
    refused = index(parse_contract(tiny_raw), paths).refused
    assert list(refused) == ["log_2.zip/readme.txt"]
    assert refused["log_2.zip/readme.txt"].startswith("log_2.zip/readme.txt: lacks the column")
    assert list(spill_folder().glob("*-*-*")) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_files_of_one_name_is_refused(tiny, paths):
    write_log(paths, GOOD)
    with zipfile.ZipFile(paths.landing / "log_2.csv", "w") as archive:
        archive.writestr("a.csv", HEADER)
        archive.writestr("a.csv", GOOD[0])
    assert "not readable: it holds 'a.csv' more than once" in index(tiny, paths).refused["log_2.csv"]


def zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("log.parquet", data)
    return packed.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True), zipped])
def test_packed_parquet_is_read_as_parquet(tiny_raw, paths, con, tmp_path, monkeypatch, pack):
    monkeypatch.setenv("HINET_HOME", str(tmp_path))
    names = HEADER.split(",")
    log = pa.table([pa.array(one) for one in zip(*(line.split(",") for line in GOOD), strict=True)], names=names)
    plain = io.BytesIO()
    pq.write_table(log, plain)
    write_log(paths, [])
    (paths.landing / "log_1.csv").unlink()
    packed = pack(plain.getvalue())
    (paths.landing / "log_1.packed").write_bytes(packed)
    (paths.landing / "log_2.packed").write_bytes(packed[: len(packed) // 2])
    tiny_raw["sources"][0] |= {"files": "log_*", "format": "parquet"}
    contract = parse_contract(tiny_raw)
    lake, _ = run(contract, paths)
    assert rows(lake, con, "impressions", "user") == [(1,), (1,), (2,), (3,), (3,)]
    assert [(name, "not readable" in said) for name, said in index(contract, paths).refused.items()] == [
        ("log_2.packed", True)
    ]
    assert list(spill_folder().glob("*-*-*")) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "encrypted"])
def test_a_damaged_zip_archive_is_refused_and_the_others_go_on(tiny_raw, paths, damage):
    tiny_raw["sources"][0]["files"] = "log_*"
    write_log(paths, GOOD)
    path = paths.landing / "log_2.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("log_2.csv", "\n".join([HEADER, *GOOD]))
    data = bytearray(path.read_bytes())
    if damage == "encrypted":  # the bit that says so, in both headers
        data[6] |= 1
        data[data.rindex(b"PK\x01\x02") + 8] |= 1
    elif damage == "flipped":
        data[100] ^= 0xFF
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    landed = index(parse_contract(tiny_raw), paths)
    assert [one.path for one in landed.log_files] == ["log_1.csv"]
    (reason,) = landed.refused.values()
    assert "not readable: damaged" in reason and "Deliver the file again" in reason


def test_nothing_usable_is_one_sentence(tiny, paths):
    with pytest.raises(LandingError, match="no landed file matches 'log_.*hinet land FOLDER"):
        index(tiny, paths)
    write_log(paths, [BAD[4]])
    with pytest.raises(LandingError, match="no landed file can be used: log_1.csv: none of its 1 rows"):
        index(tiny, paths)


def test_a_missing_folder_or_file_is_one_sentence(tiny, paths, tmp_path):
    with pytest.raises(LandingError, match="no such folder"):
        land(tiny, paths, tmp_path / "nowhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "other.txt").write_text("x")
    with pytest.raises(LandingError, match=r"no file matches 'log_\*.csv' .* the folder holds other.txt"):
        land(tiny, paths, tmp_path / "data")


def test_a_log_and_its_side_table_land_from_two_folders_in_any_order(tiny, paths, tmp_path, caplog):
    for folder, name in (("a", "items.csv"), ("b", "log_1.csv")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("x")
        assert [one.name for one in land(tiny, paths, tmp_path / folder)] == [name]
        assert ("no file of source 'log' has landed yet (log_*.csv)" in caplog.text) == (folder == "a")
        caplog.clear()


def test_files_that_no_source_names_are_named(tiny, paths, tmp_path, caplog):
    data = tmp_path / "data"
    (data / "more").mkdir(parents=True)
    for name in ("log_1.csv", "items.csv", "lag_2.csv", ".hidden", "more/log_3.csv"):
        (data / name).write_text("x")
    land(tiny, paths, data)
    assert caplog.messages == [
        f"{data}: 2 files match no source (log_*.csv, items.csv) and do not land: lag_2.csv, more/log_3.csv"
    ]


def test_landing_copies_once(tiny, paths, tmp_path):
    data = Paths(tmp_path / "data")
    data.landing.mkdir(parents=True)
    write_log(data, GOOD)
    assert len(land(tiny, paths, data.landing)) == 2
    assert land(tiny, paths, data.landing) == []
    write_log(data, GOOD[:1])
    assert "log_1.csv" in [one.name for one in land(tiny, paths, data.landing)]


def test_a_file_of_other_content_under_a_landed_name_is_named(tiny, paths, tmp_path, caplog):
    data = Paths(tmp_path / "data")
    data.landing.mkdir(parents=True)
    write_log(data, GOOD)
    land(tiny, paths, data.landing)
    (data.landing / "log_1.csv").touch()
    land(tiny, paths, data.landing)
    assert "replaced" not in caplog.text
    write_log(data, GOOD[:1])
    land(tiny, paths, data.landing)
    assert "1 landed files are replaced by other content" in caplog.text and ": log_1.csv; if these" in caplog.text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PAR1\x15\x04\x15", "it is a Parquet file: correct `format`"),
        ("user,item\n1,a\n".encode("utf-16"), "it starts with the mark of UTF-16: correct `encoding`"),
        (gzip.compress(b""), "it holds nothing: deliver it again"),
        (b"\xef\xbb\xbf\n\n", "it holds nothing: deliver it again"),
        (gzip.compress(gzip.compress(b"user,item\n")), "it is a gzip inside another archive"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it holds null bytes, as no text does"),
        (b"us\x1b[2Jer," + b"x" * 1000 + b",y" * 60 + b"\n1\n", f"the file has us?[2Jer, {'x' * 60}, y"),
    ],
    ids=["parquet", "utf-16", "empty-gzip", "blank-lines", "gzip-in-gzip", "image", "foreign-header"],
)
def test_a_file_of_another_kind_is_told_as_what_it_is(tiny, paths, data, said):
    write_log(paths, GOOD)
    (paths.landing / "log_2.csv").write_bytes(data)
    (reason,) = index(tiny, paths).refused.values()
    assert said in reason and len(reason) < 700 and reason.isprintable()


@pytest.mark.slow
def test_a_line_that_never_ends_is_refused_alone(tiny, paths, con):
    write_log(paths, [*GOOD[:2], "9," + "x" * 17_000_000, *GOOD[2:]])
    lake, _ = run(tiny, paths)
    assert len(rows(lake, con, "impressions", "user")) == len(GOOD)
    assert rows(lake, con, "quarantine", "record_number, reasons") == [
        (3, ["line: longer than 16 million characters"])
    ]


def test_a_name_that_is_no_text_refuses_its_file_alone(tiny, paths, tmp_path):
    data = Paths(tmp_path / "data")
    data.landing.mkdir(parents=True)
    write_log(data, GOOD, name="log_\udcff.csv")
    write_log(data, GOOD)
    assert len(land(tiny, paths, data.landing)) == 3
    landed = index(tiny, paths)
    assert [one.path for one in landed.log_files] == ["log_1.csv"]
    assert landed.refused == {
        r"log_\xff.csv": r"log_\xff.csv: its name is no text in UTF-8; deliver the file under another name"
    }


def test_what_is_called_like_a_log_file_and_is_none_is_named(tiny, paths, tmp_path):
    delivery = tmp_path / "delivery"
    (delivery / "log_folder.csv").mkdir(parents=True)
    (delivery / "log_2.csv").symlink_to("nowhere.csv")
    said = r"log_2.csv \(a link to nowhere.csv, where no file is\)"
    with pytest.raises(LandingError, match=f"^{said} did not land"):
        land(tiny, paths, delivery)
    os.mkfifo(delivery / "log_3.csv")
    (delivery / "real.csv").write_text("\n".join([HEADER, *GOOD]))
    (delivery / "log_1.csv").symlink_to("real.csv")
    with pytest.raises(LandingError, match=rf"^1 new files have landed, but {said}, log_3.csv \(a pipe"):
        land(tiny, paths, delivery)
    assert (paths.landing / "log_1.csv").read_text() == (delivery / "real.csv").read_text()
