"""KuaiRand's histories as the contract makes them inputs, against plain Python over the publisher's columns."""

from collections import Counter
from datetime import date

import pyarrow.parquet as pq
import pytest

from hinet_core.contract import load_contract
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake

LISTS = {"watched": "watch_seq", "liked": "like_seq", "long_watched": "long_watch_seq"}


@pytest.mark.slow
def test_lists_and_counts_are_those_of_the_history_table(paths, con, kuairand_data):
    contract = load_contract("kuairand")
    land(contract, paths, kuairand_data)
    lake, landed = Lake(paths.lake), index(contract, paths)
    days = [date(2022, 4, 24), date(2022, 5, 6)]
    list(ingest_days(contract, lake, landed, days, None))

    histories = pq.read_table(kuairand_data / "user_history_to_0424.parquet").to_pylist()
    author = {row["video_id"]: row["author_id"]
              for row in pq.read_table(kuairand_data / "video_features_basic_pure.parquet").to_pylist()}  # fmt: skip
    of_user = {row["user_id"]: row for row in histories}
    names = [f"{who}_{kind}" for kind in LISTS for who in ("video", "author")]
    names += ["video_watched_long", "author_watched_long"]
    columns = ["user_id", "video_id", "history_length", *(f"history_{kind}" for kind in LISTS), *names]
    early = lake.scan(con, "impressions", days[:1]).project(", ".join(columns[2:])).fetchall()
    assert len(early) == 141  # before the table was made: nothing of it
    assert all(value is None for row in early for value in row)

    expected = {}
    counted = {kind: [item for row in histories for item in row[name]] for kind, name in LISTS.items()}
    counted["watched_long"] = [
        item for row in histories for item in row["watch_seq"] if item in set(row["long_watch_seq"])
    ]
    for kind, listed in counted.items():
        items = Counter(listed)
        expected[f"video_{kind}"] = items
        expected[f"author_{kind}"] = Counter()
        for item, n in items.items():
            expected[f"author_{kind}"][author.get(item)] += n
    rows = lake.scan(con, "impressions", days[1:]).project(", ".join(columns)).to_arrow_table().to_pylist()
    assert len(rows) == 13_566
    for row in rows:
        history = of_user.get(row["user_id"])
        assert row["history_length"] == (history and history["history_len"])
        for kind, name in LISTS.items():
            assert row[f"history_{kind}"] == (history and history[name])
        for kind in counted:
            assert row[f"video_{kind}"] == expected[f"video_{kind}"][row["video_id"]]
            maker = author.get(row["video_id"])
            assert row[f"author_{kind}"] == (None if maker is None else expected[f"author_{kind}"][maker])
