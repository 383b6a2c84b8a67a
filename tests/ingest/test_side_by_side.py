"""Files are staged and days are written in several threads: the rows, their order and what fails are as in one."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest
from test_damage import LOG, csv, line

from hinet_core.contract import parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.ingest.side_by_side import Cursors
from hinet_core.ingest.stage import even_runs
from hinet_core.lake import Lake

DAYS = ["2026-03-01", "2026-03-02", "2026-03-03"]


@pytest.fixture
def landed(paths):
    """Seven files of mixed days and sizes, one of them read line by line; every tenth row repeats one before."""
    draw = random.Random(4)
    for number in range(7):
        rows = [line(draw.randrange(90), f"i{draw.randrange(4)}") for _ in range(40 * number + 1)]
        rows = [one.replace("2026-03-01", draw.choice(DAYS)) for one in rows] + ["1,a"] * (number == 3)
        (paths.landing / f"log_{number}.csv").write_text(csv(*rows))
    return index(parse_contract(LOG), paths)


def test_the_same_rows_in_the_same_order_with_any_number_of_threads(paths, landed, monkeypatch):
    found = set()
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("HINET_THREADS", threads)
        lake = Lake(paths.root / threads)
        counts = [one.counts for one in ingest_days(landed.contract, lake, landed, landed.days, None)]
        hashes = [lake.manifest("ingest", day).content_hash for day in landed.days]
        found.add(str((counts, hashes)))
        assert sum(one["rows_read"] for one in counts) == sum(40 * n + 1 for n in range(7)) + 1
        assert sum(one["rows_duplicate"] for one in counts) > 100
    assert len(found) == 1


def test_a_day_that_cannot_be_written_takes_no_other_with_it(paths, landed):
    lake = Lake(paths.lake)
    (lake.root / "quarantine").mkdir(parents=True)
    (lake.root / "quarantine" / f"day={DAYS[1]}").write_text("in the way")
    results = ingest_days(landed.contract, lake, landed, landed.days, None)
    assert next(results).manifest is not None
    with pytest.raises(FileExistsError):
        next(results)
    assert [day.isoformat() for day in lake.days("ingest")] == DAYS[:1]
    named = {one for table in lake.tables() for one in lake.files(table)}
    assert set(lake.root.rglob("*.parquet")) == named


def test_who_stops_listening_leaves_nothing_half_written(paths, landed):
    lake = Lake(paths.lake)
    results = ingest_days(landed.contract, lake, landed, landed.days, None)
    next(results)
    results.close()
    assert set(lake.root.rglob("*.parquet")) == {one for table in lake.tables() for one in lake.files(table)}


def endless(cursor):
    return cursor.execute("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range = -b.range - 1")


def test_the_first_failure_stops_the_others_and_is_what_is_said(con):
    def fails(_):
        time.sleep(0.2)
        raise ValueError("the cause")

    began = time.monotonic()
    with pytest.raises(ValueError, match="the cause"):
        Cursors(con).do([endless, fails, endless])
    assert time.monotonic() - began < 20


def test_an_interrupt_stops_work_in_python(con):
    cursors = Cursors(con)
    rows = cursors.going_on(range(5))
    assert next(rows) == 0
    cursors.interrupt()
    with pytest.raises(duckdb.InterruptException):
        next(rows)


def test_an_interrupt_passes_over_a_cursor_that_has_just_ended(con):
    cursors = Cursors(con)
    cursors.cursors = [con.cursor(), con.cursor()]
    cursors.cursors[0].close()
    with pytest.raises(duckdb.InterruptException), ThreadPoolExecutor(1) as pool:
        query = pool.submit(endless, cursors.cursors[1])
        while not query.done():
            cursors.interrupt()
            time.sleep(0.01)
        query.result()


def test_results_come_in_order(con):
    asked = [lambda cursor, n=n: cursor.execute(f"SELECT {n}").fetchall()[0][0] for n in range(9)]
    assert Cursors(con).do(asked) == list(range(9))


def test_runs_hold_every_place_once_in_order_and_about_as_much():
    draw = random.Random(7)
    for _ in range(200):
        sizes = [draw.randint(1, 100) for _ in range(draw.randint(1, 40))]
        most = draw.randint(1, 6)
        runs = even_runs(sizes, most)
        assert [one for run in runs for one in run] == list(range(len(sizes)))
        assert 1 <= len(runs) <= most
        assert max(sum(sizes[one] for one in run) for run in runs) <= sum(sizes) / most + max(sizes)
