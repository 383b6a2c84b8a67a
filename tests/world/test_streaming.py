"""Logs of any size: the same bytes whatever the pieces and processes, in memory that does not grow with the day."""

import hashlib
import tracemalloc
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from small_world import small_contract

from hinet_core.world import day as of_day
from hinet_core.world import log
from hinet_core.world.day import day_pieces, day_table, in_time_order
from hinet_core.world.load import load
from hinet_core.world.log import OtherWorldError, write_log

MONDAY = date(2025, 3, 3)


def bytes_of(folder) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize(("form", "workers"), [("parquet", 2), ("csv", 1)])
def test_processes_and_pieces_change_no_byte(tmp_path, form, workers):
    contract = small_contract(requests_per_day=1100, days=2, item_churn=0.05, units_per_order=1.5)
    write_log(contract, tmp_path / "one", form=form, workers=1, piece=1000)
    write_log(contract, tmp_path / "two", form=form, workers=workers, piece=50_000)
    found = bytes_of(tmp_path / "one")
    assert found == bytes_of(tmp_path / "two")
    assert len(found) == 4 + (form == "csv")
    write_log(small_contract(requests_per_day=1100, days=2, seed=2), tmp_path / "other", form=form)
    assert not set(found.values()) & set(bytes_of(tmp_path / "other").values())


def test_row_groups_are_of_the_log_and_not_of_the_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "ROW_GROUP", 400)
    contract = small_contract(days=1)
    write_log(contract, tmp_path, piece=7)
    file = pq.ParquetFile(tmp_path / "impressions" / "day=2025-03-03.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [400, 400, 400, 300]
    assert file.read().replace_schema_metadata(None).equals(day_table(load(contract), MONDAY))


def test_csv_has_what_parquet_has(tmp_path):
    contract = small_contract(days=1, units_per_order=2.0)
    for form in ("parquet", "csv"):
        write_log(contract, tmp_path, form=form)
    for name in ("users", "shops", "impressions/day=2025-03-03"):
        expected = pq.read_table(tmp_path / f"{name}.parquet").replace_schema_metadata(None)
        found = pc.read_csv(
            tmp_path / f"{name}.csv", convert_options=pc.ConvertOptions(column_types=expected.schema)
        )
        assert found.equals(expected)


@pytest.mark.parametrize(("time_zone", "day"), [("Asia/Shanghai", MONDAY), ("America/New_York", date(2025, 3, 9))])
def test_a_day_is_in_the_order_of_time_however_little_of_it_is_in_memory(monkeypatch, time_zone, day):
    contract = small_contract(requests_per_day=700, days=8).model_copy(update={"time_zone": time_zone})
    world = load(contract)
    whole = day_table(world, day)
    assert (np.diff(whole["shown_at_ms"].to_numpy()) >= 0).all()
    monkeypatch.setattr(of_day, "WINDOW", 97)
    monkeypatch.setattr(of_day, "SCAN", 50)
    assert sorted(np.concatenate(list(in_time_order(world, day, 13))).tolist()) == list(
        range(world.traffic.requests_on(day))
    )
    assert pa.concat_tables(day_pieces(world, day, 13)).equals(whole)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_day(tmp_path, monkeypatch):
    for name, size in {"WINDOW": 500, "SCAN": 500}.items():
        monkeypatch.setattr(of_day, name, size)
    monkeypatch.setattr(log, "ROW_GROUP", 2000)
    peaks, arrow = [], []
    one_piece = of_day.day_table

    def counted(*args):
        arrow[-1] = max(arrow[-1], pa.total_allocated_bytes())
        return one_piece(*args)

    monkeypatch.setattr(of_day, "day_table", counted)
    for requests_per_day in (1000, 5000):
        contract = small_contract(requests_per_day=requests_per_day, days=1)
        load(contract)
        arrow.append(0)
        tracemalloc.start()
        write_log(contract, tmp_path / str(requests_per_day), piece=200)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert arrow[1] < 1.1 * arrow[0] + 2**20


def test_some_days_alone_are_those_of_the_whole_log(tmp_path):
    contract = small_contract()
    write_log(contract, tmp_path / "all")
    write_log(contract, tmp_path / "some", days=[date(2025, 3, 5)])
    found = bytes_of(tmp_path / "some")
    assert sorted(found) == ["impressions/day=2025-03-05.parquet", "shops.parquet", "users.parquet"]
    assert found.items() <= bytes_of(tmp_path / "all").items()
    with pytest.raises(ValueError, match="expected days from 2025-03-03 to 2025-03-06, found 2025-03-07; ask for"):
        write_log(contract, tmp_path / "some", days=[MONDAY, date(2025, 3, 7)])


def test_csv_of_another_world_is_refused_and_left_alone(tmp_path):
    write_log(small_contract(days=1), tmp_path, form="csv")
    before = bytes_of(tmp_path)
    with pytest.raises(OtherWorldError, match=r"world.json: expected a file of world \w+, found world"):
        write_log(small_contract(days=1, seed=2), tmp_path, form="csv")
    assert bytes_of(tmp_path) == before
    (tmp_path / "world.json").unlink()
    with pytest.raises(OtherWorldError, match="found world none"):
        write_log(small_contract(days=1), tmp_path, form="csv")


def test_a_day_that_does_not_get_done_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "ROW_GROUP", 100)
    whole = of_day.day_table

    def full_disk(world, day, numbers):
        if 149 in numbers:
            raise OSError("no space left")
        return whole(world, day, numbers)

    monkeypatch.setattr(of_day, "day_table", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_log(small_contract(days=1), tmp_path, piece=20)
    assert not any((tmp_path / "impressions").iterdir())
