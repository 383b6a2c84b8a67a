"""Refused rows by every view, the books, and replay after the contract or a file was corrected."""

import csv
import gzip
import io
import json
import shutil
from datetime import date

import pyarrow.parquet as pq
import pytest
from tiny_shop import CONTRACT, HEADER, line

from hinet_core import quality
from hinet_core.contract import load_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.refused_files import recorded
from hinet_core.ingest.replay import replay_days
from hinet_core.lake import Lake
from hinet_core.settings import Paths

pytestmark = pytest.mark.slow

LOOSE = CONTRACT + "\n[quality]\nmax_quarantined_share = 1\nmax_unknown_scenario_share = 0.3\n"
FIRST = [line(1, "2026-03-01T09:00:00Z"), line(1, "2026-03-01T09:00:00Z"), line(2, "2026-03-01T10:00:00Z"),
         line(3, "2026-03-01T11:00:00Z", clicked="maybe"), line(4, "02.03.2026 09:30")]  # fmt: skip
SECOND = [line(1, "2026-03-02T09:00:00Z")]
THIRD = [line(1, "2026-03-03T09:00:00Z"), line(2, "2026-03-03T09:00:00Z", place="moon")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data of three days with 5, 1 and 2 lines, landed and ingested: the third day is kept out."""
    root = tmp_path_factory.mktemp("made")
    (root / "shop.toml").write_text(LOOSE)
    (root / "data").mkdir()
    for number, lines in enumerate([FIRST, SECOND, THIRD], 1):
        (root / "data" / f"log_{number}.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    contract, paths = load_contract(str(root / "shop.toml")), Paths(root / "home" / "shop")
    land(contract, paths, root / "data")
    landed = index(contract, paths)
    results = list(ingest_days(contract, Lake(paths.lake), landed, landed.days, quality))
    assert [one.manifest is None for one in results] == [False, False, True]
    return root


@pytest.fixture
def shop(made, tmp_path):
    """Contract file, data and folders: a copy of what was made, in the home that `call` works in."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "shop.toml", tmp_path / "data", Paths(tmp_path / "home" / "shop")


def table(call, *arguments):
    status, text = call(*arguments, "--csv")
    assert status == 0
    return list(csv.reader(io.StringIO(text)))


def test_books_balance_per_file_and_day_with_a_total_per_state(call, shop):
    contract = shop[0]
    assert table(call, "books", "--contract", contract) == [
        ["day", "file", "state", "read", "kept", "duplicate", "quarantined"],
        ["2026-03-01", "log_1.csv", "committed", "5", "2", "1", "2"],
        ["2026-03-02", "log_2.csv", "committed", "1", "1", "0", "0"],
        ["2026-03-03", "log_3.csv", "kept out", "2", "1", "0", "1"],
        ["all", "", "committed", "6", "3", "1", "2"],
        ["all", "", "kept out", "2", "1", "0", "1"],
    ]
    by_day = table(call, "books", "--contract", contract, "--by", "day")
    assert by_day[1] == ["2026-03-01", "committed", "5", "2", "1", "2"]


def test_a_share_of_refused_rows_that_is_too_high_names_some_of_them(call, shop):
    (path,) = Lake(shop[2].lake).blocked_files("ingest", "dq_results")
    (found,) = [one for one in pq.read_table(path).to_pylist() if one["status"] == "fail"]
    assert found["kind"] == "unknown_scenario_share"
    row = {"source_file": "log_3.csv", "record_number": 2, "reasons": ["scenario: unknown to the contract"]}
    assert json.loads(found["sample"]) == [row]
    _, said = call("ingest", "--contract", shop[0])
    assert "; such as log_3.csv record 2 (scenario: unknown to the contract)" in said


def test_books_before_anything_is_read(call, tmp_path):
    (tmp_path / "shop.toml").write_text(CONTRACT)
    assert call("books", "--contract", tmp_path / "shop.toml") == (0, "no day is read yet\n")


def test_refused_rows_by_file_by_day_and_one_by_one(call, shop):
    contract = shop[0]
    assert [row[:2] for row in table(call, "quarantine", "--contract", contract)[1:]] == [
        ["clicked: not a int8", "1"], ["scenario: unknown to the contract", "1"], ["shown_at: not a timestamp", "1"],
    ]  # fmt: skip
    assert [row[:2] for row in table(call, "quarantine", "--contract", contract, "--by", "file")[1:]] == [
        ["log_1.csv", "2"], ["log_3.csv", "1"],
    ]  # fmt: skip
    assert [row[:4] for row in table(call, "quarantine", "--contract", contract, "--by", "day")[1:]] == [
        ["2026-03-01", "committed", "2", "1"], ["2026-03-03", "kept out", "1", "1"],
    ]  # fmt: skip
    rows = table(call, "quarantine", "--contract", contract, "--by", "row")[1:]
    assert [row[:4] for row in rows] == [
        ["2026-03-01", "committed", "log_1.csv", "4"],
        ["2026-03-01", "committed", "log_1.csv", "5"],
        ["2026-03-03", "kept out", "log_3.csv", "2"],
    ]
    assert "maybe" in rows[0][5]


def test_a_refused_file_stands_in_the_books_until_it_is_delivered_whole(call, shop):
    contract, data, paths = shop
    whole = gzip.compress(("\n".join([HEADER, line(9, "2026-03-02T12:00:00Z")]) + "\n").encode())
    (data / "log_4.csv").write_bytes(whole[:-9])
    call("land", "--contract", contract, data)
    assert "refused file: log_4.csv: " in call("quarantine", "--contract", contract)[1]
    by_file = table(call, "quarantine", "--contract", contract, "--by", "file")
    assert by_file[-1][0] == "log_4.csv" and by_file[-1][1:4] == [""] * 3
    for by, cells in (("file", ["log_4.csv"]), ("day", [])):
        last = table(call, "books", "--contract", contract, "--by", by)[-1]
        assert last == ["unknown", *cells, "file refused: rows unknown", "", "", "", ""]
    query = "SELECT source, kind, file, bytes, sha256, first_seen <= now()::timestamp FROM refused_files"
    shown = table(call, "sql", "--contract", contract, query)[1:]
    assert shown == [["log", "log", "log_4.csv", str(len(whole) - 9), "", "True"]]
    before = recorded(Lake(paths.lake))
    assert call("ingest", "--contract", contract)[0] == 1
    assert recorded(Lake(paths.lake)) == before
    (data / "log_4.csv").write_bytes(whole)
    call("land", "--contract", contract, data)
    assert recorded(Lake(paths.lake)) == []
    assert "refused file" not in call("quarantine", "--contract", contract)[1]
    assert table(call, "sql", "--contract", contract, query)[1:] == []


def test_a_file_that_an_archive_should_have_is_refused_under_the_archives_name(call, shop):
    contract, data, paths = shop
    (data / "log_5.csv").write_bytes(b"PK\x03\x04 torn")
    call("land", "--contract", contract, data)
    assert [(one.file, one.bytes) for one in recorded(Lake(paths.lake))] == [("log_5.csv", 9)]


def test_a_refused_file_is_replayed_after_the_contract_is_corrected(call, shop):
    contract, data, paths = shop
    rows = [line(9, "2026-02-20T12:00:00Z"), line(9, "2026-02-21T12:00:00Z", place="moon")]
    (data / "log_4.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    call("land", "--contract", contract, data)
    status, said = call("quarantine", "replay", "--contract", contract)
    assert status == 1 and "nothing to replay" in said and "Error: log_4.csv: none of its 2 rows" in said
    (before,) = recorded(Lake(paths.lake))
    contract.write_text(LOOSE.replace("first_day = 2026-03-01", "first_day = 2026-02-25"))
    assert call("quarantine", "replay", "--contract", contract)[0] == 1  # still not early enough
    (again,) = recorded(Lake(paths.lake))
    assert again.first_seen == before.first_seen and again.reason != before.reason
    contract.write_text(LOOSE.replace("first_day = 2026-03-01", "first_day = 2026-02-20"))
    status, said = call("quarantine", "replay", "--contract", contract)
    assert "log_4.csv: refused before, 2 rows are read now" in said
    assert "2026-02-20: 1 read = 1 kept + 0 duplicate + 0 quarantined\n" in said
    assert recorded(Lake(paths.lake)) == []
    assert table(call, "books", "--contract", contract)[1:3] == [
        ["2026-02-20", "log_4.csv", "committed", "1", "1", "0", "0"],
        ["2026-02-21", "log_4.csv", "kept out", "1", "0", "0", "1"],
    ]


def test_nothing_changed_nothing_to_replay(call, shop):
    contract, _, paths = shop
    before = Lake(paths.lake).manifest("ingest", date(2026, 3, 1)).run
    status, said = call("quarantine", "replay", "--contract", contract)
    assert (status, said.startswith("nothing to replay")) == (0, True)
    assert Lake(paths.lake).manifest("ingest", date(2026, 3, 1)).run == before


def test_a_corrected_contract_brings_rows_back(call, shop):
    contract = shop[0]
    # 'maybe' counts as missing and the moon is a scenario; the time with dots still cannot be read.
    fixed = LOOSE.replace('id = "home"', 'id = "home"\n\n[[scenarios]]\nid = "moon"')
    fixed = fixed.replace('format = "csv"', 'format = "csv"\nnull_values = ["maybe"]')
    fixed = fixed.replace("values = [0, 1]", "values = [0, 1]\nnullable = true")
    contract.write_text(fixed)
    status, said = call("quarantine", "replay", "--contract", contract)
    assert status == 0, said
    assert "2 of 2 days committed; of the rows refused before 2 are kept now, 1 are still refused, 0 are good" in said
    assert "1 more days have new files or rules: `hinet ingest` reads them" in said
    assert table(call, "books", "--contract", contract)[-1] == ["all", "", "committed", "8", "6", "1", "1"]


def test_a_row_whose_time_is_corrected_moves_to_its_day_and_stays_in_the_books(call, shop):
    contract, data, paths = shop
    (data / "log_1.csv").write_text("\n".join([HEADER, *FIRST[:4], line(4, "2026-03-02T09:30:00Z")]) + "\n")
    call("land", "--contract", contract, data)
    found = load_contract(str(contract))
    lake, landed = Lake(paths.lake), index(found, paths)
    assert replay_days(lake, landed) == [date(2026, 3, 1), date(2026, 3, 2)]
    _, said = call("quarantine", "replay", "--contract", contract)
    assert "of the rows refused before 1 are kept now, 1 are still refused, 0 are good" in said
    assert table(call, "books", "--contract", contract, "--by", "day")[1:3] == [
        ["2026-03-01", "committed", "4", "2", "1", "1"],
        ["2026-03-02", "committed", "2", "2", "0", "0"],
    ]


def test_a_day_that_is_still_kept_out_is_said_with_status_1(call, shop):
    contract, data, _ = shop
    (data / "log_3.csv").write_text("\n".join([HEADER, *THIRD, line(2, "2026-03-03T10:00:00Z", place="mars")]) + "\n")
    call("land", "--contract", contract, data)
    status, said = call("quarantine", "replay", "--contract", contract)
    assert status == 1
    assert "2026-03-03: 3 read = 1 kept + 0 duplicate + 2 quarantined; still kept out" in said
    assert "0 of 1 days committed; of the rows refused before 0 are kept now, 1 are still refused" in said
    assert "Error: 2026-03-03 is kept out by check unknown_scenario_share" in said


def test_days_whose_rows_were_read_as_landed_are_left_alone(shop):
    contract, _, paths = shop
    found = load_contract(str(contract))
    found = found.model_copy(update={"quality": found.quality.model_copy(update={"min_rows": 0})})
    lake, landed = Lake(paths.lake), index(found, paths)
    # The rules changed for all three days, but only two of them have something to gain.
    assert replay_days(lake, landed) == [date(2026, 3, 1), date(2026, 3, 3)]


def test_the_books_of_side_tables_tell_repeats_and_values_of_a_wrong_type(call, shop):
    contract, data, _ = shop
    assert call("books", "--contract", contract, "--sides") == (0, "no side table is read yet\n")
    side = '\n[[sources]]\nname = "dishes"\nkind = "side"\nfiles = "dishes.csv"\nformat = "csv"\n'
    side += 'join = { item = "dish" }\n'
    price = '[[columns]]\nname = "price"\ntype = "float64"\nsource = "dishes"\nnullable = true\n\n[[scenarios]]'
    contract.write_text(LOOSE.replace("[[scenarios]]", price) + side)
    (data / "dishes.csv").write_text("dish,price\nsoup,cheap\nsoup,2\npie,3\n,4\n")
    call("land", "--contract", contract, data)
    call("ingest", "--contract", contract)
    assert [row[1:] for row in table(call, "books", "--contract", contract, "--sides")[1:]] == [
        ["dishes", "read", "4"], ["dishes", "used", "2"], ["dishes", "repeated", "1"], ["dishes", "refused", "1"],
        ["dishes", "dish: missing", "1"], ["dishes", "price: not a float64", "1"],
    ]  # fmt: skip
