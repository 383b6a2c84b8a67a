import json
import os
import shutil
import threading
import time
from datetime import date
from pathlib import Path

import duckdb
import pytest
from planted_lake import (
    AS_OFS,
    BLOCKED,
    CHAMPION,
    GAP,
    calibration_rows,
    estimated_lift,
    online_rows,
    plant,
    planted_contract,
    write,
)
from planted_own_log import DAYS, estimates, gates

from hinet_core.lake import Lake
from hinet_core.publish.run import POINTER, PublishError, publish
from hinet_core.publish.schema import TABLES
from hinet_core.settings import Paths

pytestmark = pytest.mark.slow


@pytest.fixture
def contract(tmp_path):
    return planted_contract(tmp_path)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted") / "lake")


@pytest.fixture
def lake(planted, tmp_path):
    """A copy, to be changed by a test."""
    shutil.copytree(planted.root, tmp_path / "lake")
    return Lake(tmp_path / "lake")


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def pointer(paths: Paths) -> dict:
    return json.loads((paths.published / POINTER).read_text())


def rows(path: Path, query: str) -> list[tuple]:
    con = duckdb.connect(str(path), read_only=True)
    try:
        return con.execute(query).fetchall()
    finally:
        con.close()


def test_every_table_has_its_rows(contract, lake, paths):
    path = publish(contract, lake, paths, CHAMPION, "http://127.0.0.1:3000")
    counts = dict(rows(path, "SELECT table_name, n_rows FROM table_manifest"))
    assert set(counts) == {table.name for table in TABLES} - {"publish_manifest", "table_manifest"}
    assert all(count > 0 for count in counts.values())
    assert pointer(paths)["file"] == path.name
    manifest = rows(path, "SELECT contract, schema_version, data_through, dagster_base_url FROM publish_manifest")
    assert manifest == [("tea", 1, date(2026, 3, 14), "http://127.0.0.1:3000")]


def test_blocked_days_and_gaps_are_told(contract, lake, paths):
    path = publish(contract, lake, paths)
    status = dict(rows(path, "SELECT day, status FROM ingest_days"))
    assert len(status) == 14
    assert {day for day, word in status.items() if word != "committed"} == {BLOCKED, GAP}
    assert status[BLOCKED] == "blocked" and status[GAP] == "gap"
    failed = rows(path, "SELECT day, check_name, day_status FROM dq_results WHERE status = 'fail' ORDER BY day")
    assert failed[0] == (BLOCKED, "quarantined_share", "blocked")
    assert len(failed) == 2
    assert rows(path, f"SELECT rows_quarantined FROM ingest_days WHERE day = '{BLOCKED}'") == [(4000,)]


def test_the_words_come_from_the_contract(contract, lake, paths):
    path = publish(contract, lake, paths, CHAMPION)
    assert rows(path, "SELECT task, name, unit, after FROM tasks ORDER BY sort_order") == [
        ("click", "Click", "clicks per impression", ""),
        ("order", "Order", "orders per impression", "click"),
    ]
    assert rows(path, "SELECT model, display_name, role, color_slot FROM models ORDER BY color_slot") == [
        ("hinet", "HiNet", "champion", 0),
        ("shared_bottom", "Shared bottom", "baseline", 1),
        ("mmoe", "MMoE", "challenger", 2),
    ]
    names = rows(path, "SELECT name FROM scenarios ORDER BY sort_order")
    assert [name for (name,) in names] == ["Home", "Nearby", "Search", "Late night", "Coupons", "New shops"]
    assert rows(path, "SELECT round(traffic_share, 2) FROM scenarios WHERE scenario_id = 'a'") == [(0.42,)]


def test_an_empty_lake_publishes(contract, tmp_path, paths):
    path = publish(contract, Lake(tmp_path / "nothing"), paths)
    assert rows(path, "SELECT count(*) FROM eval_metrics") == [(0,)]
    assert rows(path, "SELECT data_through FROM publish_manifest") == [(None,)]
    assert rows(path, "SELECT count(*) FROM tasks") == [(2,)]


def test_content_is_the_same_twice(contract, lake, paths):
    query = "SELECT * FROM table_manifest ORDER BY table_name"
    first, second = (rows(publish(contract, lake, paths, CHAMPION), query) for _ in range(2))
    assert first == second


def test_label_rates_of_a_day_come_from_its_newest_evaluation(contract, tmp_path, paths):
    lake, day = Lake(tmp_path / "lake"), date(2026, 3, 11)
    base = {"day": day, "scenario_id": "a", "task": "click", "low": 0.1, "high": 0.2, "n": 10, "n_positives": 1}
    write(lake, "evaluation", date(2026, 3, 10), {"label_rates": [base | {"rate": 0.15}]})
    write(lake, "evaluation", date(2026, 3, 11), {"label_rates": [base | {"rate": 0.17}]})
    assert rows(publish(contract, lake, paths), "SELECT rate FROM label_rates") == [(0.17,)]


def broken(**change: object) -> list[dict]:
    first, *rest = [row | {"as_of": AS_OFS[1]} for row in estimated_lift(AS_OFS[1])]
    return [first | change, *rest]


@pytest.mark.parametrize(
    ("lift_rows", "sentence"),
    [
        (broken() + broken()[:1], "lift: 1 keys .* occur more than once"),
        (broken(scope=None), "lift: 1 rows lack a part of the key"),
        (broken(lift=float("nan")), "an estimated lift is a finite number"),
        (broken(status="maybe"), "status is one of estimated, not_estimable"),
        (broken(status="not_estimable"), "says why and shows no number"),
    ],
)
def test_a_broken_table_leaves_the_pointer(contract, lake, paths, lift_rows, sentence):
    publish(contract, lake, paths)
    before = pointer(paths)
    write(lake, "lift", AS_OFS[1], {"lift": lift_rows})
    with pytest.raises(PublishError, match=sentence):
        publish(contract, lake, paths)
    assert pointer(paths) == before
    assert [path.name for path in paths.published.iterdir() if "pub-" in path.name] == [before["file"]]


@pytest.mark.parametrize(
    ("table", "change", "sentence"),
    [
        ("lift_calibration", {"inside": True}, "a figure is inside of its bounds, or said to be outside"),
        ("lift_guardrails", {"verdict": None}, "holds, is broken or is undecided"),
        ("lift_splits", {"light": None}, "a split has a light or a reason"),
    ],
)
def test_a_broken_table_of_the_simulated_test_is_named(contract, tmp_path, paths, table, change, sentence):
    rows = online_rows(AS_OFS[0]) | {"lift_calibration": calibration_rows(AS_OFS[0], out=1)}
    first, *rest = rows[table]
    lake = Lake(tmp_path / "lake")
    write(lake, "step", AS_OFS[0], {table: [first | change, *rest]})
    with pytest.raises(PublishError, match=f"{table}: 1 rows break the rule .*{sentence}"):
        publish(contract, lake, paths)


def test_old_snapshots_go_but_three_and_the_young_stay(contract, lake, paths):
    files = [publish(contract, lake, paths) for _ in range(6)]
    assert all(path.exists() for path in files)
    for age, path in zip(range(6, 0, -1), files, strict=True):
        old = time.time() - 3600 - age
        os.utime(path, (old, old))
    newest = publish(contract, lake, paths)
    assert [path.exists() for path in files] == [False, False, False, False, True, True]
    assert newest.exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(contract, lake, tmp_path):
    (tmp_path / "home").write_text("a file, not a folder")
    with pytest.raises(PublishError, match="could not publish"):
        publish(contract, lake, Paths(tmp_path / "home"))


@pytest.mark.slow
def test_readers_never_see_a_torn_snapshot(contract, tmp_path, paths):
    """Fifteen publishes of alternating content while two readers follow the pointer: each read is one of the two."""
    lake = Lake(tmp_path / "lake")
    done, torn, seen = threading.Event(), [], set()

    def tables(value: float) -> dict[str, list[dict]]:
        rates = [
            {"day": date(2026, 3, 1), "scenario_id": one, "task": "click", "rate": value, "low": value, "high": value,
             "n": 1, "n_positives": 1}
            for one in "abcdef"
        ]  # fmt: skip
        return {"label_rates": rates}

    def read() -> None:
        while not done.is_set():
            path = paths.published / pointer(paths)["file"]
            found = rows(path, "SELECT rate, publish_id FROM label_rates, publish_manifest")
            seen.add(found[0][1])
            if len(set(found)) != 1 or len(found) != 6:
                torn.append(found)

    write(lake, "evaluation", date(2026, 3, 1), tables(0.0))
    publish(contract, lake, paths)
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(15):
            write(lake, "evaluation", date(2026, 3, 1), tables(float(number)))
            publish(contract, lake, paths)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert torn == []
    assert len(seen) > 3


@pytest.mark.parametrize(
    ("table", "change", "sentence"),
    [
        ("off_policy", {"status": "refused"}, "an estimate is refused with a reason, or it is a number"),
        ("off_policy", {"high": float("inf")}, "1 rows break the rule 'estimate, low, high, truth are finite"),
        ("off_policy_gates", {"reason": ""}, "a gate that is not green says why"),
    ],
)
def test_a_broken_table_of_the_own_log_is_named(contract, tmp_path, paths, table, change, sentence):
    lake = Lake(tmp_path / "lake")
    rows = {"off_policy": estimates(DAYS[1]), "off_policy_gates": gates(DAYS[1])}
    rows[table][0] |= change
    write(lake, "off_policy", DAYS[1], rows)
    with pytest.raises(PublishError, match=sentence):
        publish(contract, lake, paths)
