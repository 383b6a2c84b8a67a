"""Days: read in any order and again when something changed, staged together up to a bound, to the same rows."""

import random
from datetime import date

import pytest
from tiny_files import BAD, GOOD, rows, run, write_log

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import day_groups, is_current
from hinet_core.ingest.landing import index
from hinet_core.ingest.readers import LandingError
from hinet_core.settings import Paths


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
