"""hinet import: what is there, what is missing and where it is offered, archives, the first rows, nothing half."""

import io
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from public_logs import taobao_ads, write

from hinet_core.contract import Source, load_contract
from hinet_core.ingest.delivery import land
from hinet_core.ingest.first_rows import copy_first_rows, records
from hinet_core.ingest.landing import LandingError
from hinet_core.ingest.public import import_log
from hinet_core.settings import Paths
from hinet_core.sources.archives import ArchiveError, unpack


@pytest.fixture
def home(tmp_path):
    return Paths(tmp_path / "home")


@pytest.fixture
def ads(tmp_path):
    taobao_ads(tmp_path / "data")
    return tmp_path / "data"


def landed(home):
    return sorted(path.relative_to(home.landing).as_posix() for path in home.root.rglob("*") if path.is_file())


def test_files_are_landed_once_wherever_they_lie(ads, home):
    (ads / "deep").mkdir()
    (ads / "ad_feature.csv").rename(ads / "deep" / "ad_feature.csv")
    imported = import_log(load_contract("taobao_ads"), home, ads)
    assert (imported.files, imported.said) == (3, [])
    assert landed(home) == ["deep/ad_feature.csv", "raw_sample.csv", "user_profile.csv"]
    assert import_log(load_contract("taobao_ads"), home, ads).files == 0


def test_what_has_landed_is_not_landed_again_from_a_folder_around_it(ads):
    home = Paths(ads / "var" / "taobao_ads")
    for expected in (3, 0):
        assert import_log(load_contract("taobao_ads"), home, ads).files == expected
    assert landed(home) == ["ad_feature.csv", "raw_sample.csv", "user_profile.csv"]
    assert land(load_contract("taobao_ads"), home, ads) == []


def test_a_missing_table_is_named_with_its_publisher_and_nothing_is_landed(ads, home):
    (ads / "ad_feature.csv").unlink()
    with pytest.raises(LandingError) as caught:
        import_log(load_contract("taobao_ads"), home, ads)
    assert str(caught.value) == (
        f"taobao_ads: nothing for ads in {ads}; not there: ad_feature.csv; offered as Tianchi data set 56 "
        "(https://tianchi.aliyun.com/dataset/56), in raw_sample.csv.tar.gz, ad_feature.csv.tar.gz, "
        "user_profile.csv.tar.gz"
    )
    assert landed(home) == []


def test_a_log_of_which_a_part_is_missing_is_landed_and_the_part_named(tmp_path, home):
    data = tmp_path / "data"
    for part in ("train", "test"):
        write(data / f"nl_user_{part}.csv", ["1"])
        write(data / f"nl_item_{part}.csv", ["1"])
    imported = import_log(load_contract("aliexpress"), home, data)
    assert imported.files == 4
    (sentence,) = imported.said
    assert sentence.startswith("not there: fr_user_train.csv, fr_item_train.csv, ")
    assert sentence.endswith("offered as Tianchi data set 74690 (https://tianchi.aliyun.com/dataset/74690), in "
                             "aliexpress_??_datasets.zip")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("meishi", "contract 'meishi' names no [origin]: it is no public log"), ("tenrec", "nowhere: no such folder")],
)
def test_no_public_log_and_no_folder_are_one_sentence(tmp_path, home, name, sentence):
    with pytest.raises(LandingError) as caught:
        import_log(load_contract(name), home, tmp_path / "nowhere")
    assert sentence in str(caught.value)


def test_zips_in_a_zip_are_unpacked_as_far_as_needed(tmp_path, home):
    data = tmp_path / "data"
    data.mkdir()
    with zipfile.ZipFile(data / "aliexpress_NL_datasets.zip", "w") as outer:
        for name in ("nl_user_train", "nl_item_train", "nl_user_test", "nl_item_test", "notes"):
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(f"{name}.csv", f"{name}\n")
            outer.writestr(f"aliexpress_NL_datasets/{name}.zip", inner.getvalue())
    assert import_log(load_contract("aliexpress"), home, data).files == 4
    assert landed(home) == [
        f"aliexpress_NL_datasets/nl_{kind}_{part}.csv" for kind in ("item", "user") for part in ("test", "train")
    ]
    assert (home.landing / "aliexpress_NL_datasets" / "nl_user_test.csv").read_text() == "nl_user_test\n"
    unpack(data / "aliexpress_NL_datasets.zip", home.root / "all", lambda name: name.endswith(".csv"))
    assert len([path for path in (home.root / "all").rglob("*") if path.is_file()]) == 5  # no zip is left


def test_a_tar_is_unpacked_only_for_what_is_missing(ads, home):
    for name in ("raw_sample.csv", "ad_feature.csv"):
        with tarfile.open(ads / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(ads / name, name)
    (ads / "ad_feature.csv").unlink()
    first = (ads / "raw_sample.csv").stat().st_mtime_ns
    assert import_log(load_contract("taobao_ads"), home, ads).said == []
    assert landed(home) == ["ad_feature.csv", "raw_sample.csv", "user_profile.csv"]
    assert (home.landing / "raw_sample.csv").stat().st_mtime_ns == first


def test_a_broken_archive_and_one_that_leads_out_of_its_folder_are_refused(tmp_path, ads, home):
    (ads / "ad_feature.csv").unlink()
    (ads / "ad_feature.csv.tar.gz").write_bytes(b"no tar")
    with pytest.raises(ArchiveError, match="ad_feature.csv.tar.gz: not readable as an archive"):
        import_log(load_contract("taobao_ads"), home, ads)
    assert landed(home) == []
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../out.csv", "x")
    with pytest.raises(ArchiveError, match="holds '../out.csv', which leads out of its folder"):
        unpack(tmp_path / "out.zip", tmp_path / "into", lambda name: True)
    assert not (tmp_path / "out.csv").exists()


def test_only_the_first_rows_of_the_log_and_whole_side_tables(ads, home):
    imported = import_log(load_contract("taobao_ads"), home, ads, rows=3)
    assert imported.files == 3
    whole = (ads / "raw_sample.csv").read_text().splitlines()
    assert (home.landing / "raw_sample.csv").read_text().splitlines() == whole[:4]
    assert (home.landing / "ad_feature.csv").read_text() == (ads / "ad_feature.csv").read_text()


def test_an_interrupted_import_leaves_no_part_of_a_file(ads, home, monkeypatch):
    def stop(source, origin, target, rows):
        target.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr("hinet_core.ingest.public.copy_first_rows", stop)
    with pytest.raises(KeyboardInterrupt):
        import_log(load_contract("taobao_ads"), home, ads, rows=3)
    assert landed(home) == []
    assert list(home.root.glob(".import-*")) == []


def source(**keys):
    return Source(**{"name": "log", "files": "*", "format": "csv", **keys})


@pytest.mark.parametrize(
    ("keys", "text", "cut"),
    [
        ({}, b"a,b\r\n1,2\r\n3,4\r\n5,6", b"a,b\r\n1,2\r\n3,4\r\n"),
        ({"header": False, "names": ["a"]}, b"1\n2\n3\n", b"1\n2\n"),
        ({}, b'a\n"x\ny"\n"""\n",2\n3\n', b'a\n"x\ny"\n"""\n",2\n'),
        ({"quote": ""}, b'a\n"x\ny"\nz\n', b'a\n"x\ny"\n'),
        ({}, b"\xef\xbb\xbfa\n\xff\n2\n3\n", b"\xef\xbb\xbfa\n\xff\n2\n"),
        ({"encoding": "latin-1"}, b"a\n\xfc\n2\n3\n", b"a\n\xfc\n2\n"),
        ({"encoding": "utf-16"}, "a\nü\n2\n3\n".encode("utf-16"), "a\nü\n2\n".encode("utf-16")),
        ({"format": "ndjson"}, b'{"a": "\\""}\n{}\n{}\n', b'{"a": "\\""}\n{}\n'),
        ({}, b"a\n1", b"a\n1"),
    ],
)
def test_the_first_two_rows_of_a_text_file(tmp_path, keys, text, cut):
    (tmp_path / "a").write_bytes(text)
    copy_first_rows(source(**keys), tmp_path / "a", tmp_path / "b", 2)
    assert (tmp_path / "b").read_bytes() == cut


@pytest.mark.parametrize(("end", "codec"), [(".gz", "gzip"), (".zst", "zstd")])
def test_the_first_rows_of_a_compressed_file_are_compressed_alike(tmp_path, end, codec):
    origin, target = tmp_path / f"a.csv{end}", tmp_path / "draft"
    with pa.output_stream(origin, codec) as file:
        file.write(b"a\n1\n2\n3\n")
    copy_first_rows(source(), origin, target, 2)
    with pa.input_stream(target, codec) as file:
        assert file.read() == b"a\n1\n2\n"


def test_the_first_rows_of_a_parquet_file(tmp_path):
    table = pa.table({"a": list(range(100)), "b": [[1]] * 100})
    pq.write_table(table, tmp_path / "a", row_group_size=3)
    for rows in (1, 7, 100, 500):
        copy_first_rows(source(format="parquet"), tmp_path / "a", tmp_path / "b", rows)
        assert pq.read_table(tmp_path / "b").equals(table.slice(0, rows))


def test_a_record_goes_on_while_a_quote_is_open():
    assert list(records(['1,"a\n', 'b"\n', "2\n", '"'], '"')) == ['1,"a\nb"\n', "2\n", '"']
