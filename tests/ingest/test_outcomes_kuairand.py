"""KuaiRand with its labels taken out of the log and delivered late, in three files: the same labels again."""

import shutil

import pytest

from hinet_core.contract import load_contract, parse_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.outcome_books import total_counts, write_books
from hinet_core.ingest.pending import pending_days
from hinet_core.lake import Lake
from hinet_core.settings import Paths

LABELS = ("is_click", "long_view")
KEY = {"user_id": "user_id", "video_id": "video_id", "tab": "tab", "shown_at": "time_ms"}


def late_kuairand():
    raw = load_contract("kuairand").model_dump(mode="json", by_alias=True, exclude_defaults=True)
    raw["sources"].append(
        {"name": "told", "kind": "outcomes", "files": "told_*.parquet", "format": "parquet", "join": KEY}
    )
    for column in raw["columns"]:
        if column["name"] in LABELS:
            column["source"] = "told"
    raw["columns"].append(
        {"name": "told_at", "type": "timestamp", "role": "known_at", "source": "told", "parse": "epoch_ms"}
    )
    for task in raw["tasks"]:
        task |= {"known_at": "told_at", "window": "1h", "matures_after": "2h"}
    return parse_contract(raw)


def read(contract, paths):
    lake, landed = Lake(paths.lake), index(contract, paths)
    days = pending_days(lake, landed)
    list(ingest_days(contract, lake, landed, days, None))
    return lake, landed, days


@pytest.mark.long
def test_labels_that_come_late_are_those_of_the_log(kuairand_data, tmp_path, con):
    whole, late = Paths(tmp_path / "whole"), Paths(tmp_path / "late")
    land(load_contract("kuairand"), whole, kuairand_data)
    lake, _, days = read(load_contract("kuairand"), whole)
    lake.scan(con, "impressions").create_view("whole")

    shutil.copytree(whole.landing, late.landing)
    late.lake.mkdir()
    for path in late.landing.glob("log_standard_*.parquet"):
        con.execute(f"CREATE TABLE log AS FROM '{path}'")
        con.execute(f"COPY (SELECT * EXCLUDE ({', '.join(LABELS)}) FROM log) TO '{path}'")
    contract = late_kuairand()
    read(contract, late)
    told = f"SELECT {', '.join((*KEY.values(), *LABELS))}, time_ms + 60000 AS told_at FROM log"
    for number in range(3):
        con.execute(f"COPY ({told} WHERE user_id % 3 = {number}) TO '{late.landing}/told_{number}.parquet'")
        lake, landed, touched = read(contract, late)
        assert touched == days
        books = write_books(lake, landed)
    assert total_counts(books)["unmatched"] == total_counts(books)["quarantined"] == 0
    lake.scan(con, "impressions").create_view("late")
    # Where the log repeats a key with other outcomes, it keeps the first row, and late rows count when any does.
    con.execute(
        f"CREATE TABLE unsure AS SELECT {', '.join(KEY.values())} FROM log GROUP BY ALL "
        f"HAVING count(DISTINCT ({', '.join(LABELS)})) > 1"
    )
    rows, differ = con.execute(
        """
        SELECT count(*), count(*) FILTER (whole.label_click <> late.label_click
                                          OR whole.label_long_view <> late.label_long_view)
        FROM whole JOIN late USING (user_id, video_id, tab, shown_at) ANTI JOIN unsure
        ON user_id = unsure.user_id AND video_id = unsure.video_id AND epoch_ms(shown_at) = unsure.time_ms
        """
    ).fetchall()[0]
    assert (rows > 200_000, differ) == (True, 0)
