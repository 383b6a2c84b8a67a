"""Own online tests kept with a contract: the rows of the verb, by title, whole or not at all, and gone again."""

import csv
import io
import resource
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from hinet_core import cli
from hinet_core.lake import NO_DAY, Lake, LakeError, connect
from hinet_core.lift.own_test.analyse import analyse
from hinet_core.lift.own_test.kept import OWN_TESTS, keep, kept_rows, remove, step_of
from hinet_core.lift.own_test.read import OwnTestError, read
from hinet_core.lift.tables import LIFT

TOTALS = "arm,scenario,users,requests,orders\nA,,900,9000,300\nB,,910,9100,330\nA,home_feed,600,6000,200\n"
TOTALS += "B,home_feed,610,6100,231\nA,elsewhere,600,3000,100\nB,elsewhere,600,3000,99\n"


def write(folder, text=TOTALS, name="spring.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def users(n, *arms):
    return "user,arm,requests,orders\n" + "".join(f"person{i},{arms[i % len(arms)]},3,{i % 3}\n" for i in range(n))


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "home" / "meishi" / "lake")


def hinet(lake, *arguments):
    done = CliRunner().invoke(cli.main, list(arguments), env={"HINET_HOME": str(lake.root.parents[1]), "CONTRACT": ""})
    return done.exit_code, done.stdout, done.stderr


def committed(lake, table="own_tests"):
    return lake.scan(connect(), table).to_arrow_table().to_pylist()


def test_the_rows_that_are_kept_are_those_that_the_verb_prints(lake, tmp_path):
    path = str(write(tmp_path))
    printed = hinet(lake, "ab", path, "--csv", "--overdispersion", "2")[1]
    status, again, said = hinet(lake, "ab", path, "--csv", "--overdispersion", "2", "--keep", " Spring \n sale ")
    assert (status, again) == (0, printed)
    assert said.splitlines() == [
        "'Spring sale': kept; 6 rows in own_tests of meishi. `hinet publish` shows them",
        "not scenarios of meishi, so no simulated lift stands beside them: elsewhere; it has deals, food_channel, "
        "group_meals, home_feed, nearby, new_shops",
    ]
    rows = committed(lake)
    assert list(rows[0]) == OWN_TESTS.names
    assert {(row["title"], row["file"]) for row in rows} == {("Spring sale", "spring.csv")}
    assert [{name: row[name] for name in LIFT.names} for row in rows] == analyse(read(tmp_path / "spring.csv"),
                                                                                 overdispersion=2.0).rows  # fmt: skip
    listed = list(csv.DictReader(io.StringIO(hinet(lake, "own-tests", "--csv")[1])))
    assert [row["lift"] for row in listed] == [row["lift"] for row in csv.DictReader(io.StringIO(printed))]
    assert "Spring sale" in hinet(lake, "own-tests")[1]


def test_the_split_of_every_arm_is_kept_with_what_was_intended(lake, tmp_path):
    keep(lake, "t", write(tmp_path), analyse(read(tmp_path / "spring.csv"), shares={"A": 90.0, "B": 10.0}))
    assert [(row["arm"], row["users"], row["intended_share"], row["light"]) for row in
            committed(lake, "own_test_splits")] == [("A", 900, 0.9, "red"), ("B", 910, 0.1, "red")]  # fmt: skip
    assert {row["status"] for row in committed(lake)} == {"not_estimable"}
    text = "arm,scenario,users,requests,orders\nA,x,50,500,40\nB,x,50,500,44\n"
    keep(lake, "t", write(tmp_path, text), analyse(read(tmp_path / "spring.csv")))
    unknown = committed(lake, "own_test_splits")
    assert [row["users"] for row in unknown] == [None, None]
    assert "may come to several scenarios" in unknown[0]["reason"]


def test_the_same_again_changes_nothing_and_another_result_replaces_the_first(lake, tmp_path):
    path = write(tmp_path)
    first = keep(lake, "Spring", path, analyse(read(path)))
    assert (first.changed, first.before) == (True, None)
    manifest = lake.manifest(step_of("Spring"), NO_DAY)
    assert not keep(lake, "Spring", path, analyse(read(path))).changed
    assert lake.manifest(step_of("Spring"), NO_DAY) == manifest
    keep(lake, "Autumn", path, analyse(read(path)))
    write(tmp_path, TOTALS.replace(",330\n", ",400\n"))
    second = keep(lake, "Spring", path, analyse(read(path)))
    assert second.changed and second.before is not None
    orders = {(row["title"], row["orders_b"]) for row in committed(lake) if row["scope"] == "pooled"}
    assert orders == {("Spring", 400.0), ("Autumn", 330.0)}
    lake.sweep(older_than_s=-1.0)
    assert len(list(lake.root.glob("own_tests/day=*/*.parquet"))) == 2


def test_a_removed_test_is_gone_and_an_unknown_one_names_those_there_are(lake, tmp_path):
    for title in ("Spring", "a/../b"):
        keep(lake, title, write(tmp_path), analyse(read(tmp_path / "spring.csv")))
    with pytest.raises(OwnTestError, match="no test is kept as 'spring'; there are: 'Spring', 'a/../b'"):
        remove(lake, "spring")
    status, said, _ = hinet(lake, "own-tests", "--remove", "Spring")
    assert status == 0 and said.startswith("'Spring': removed from meishi.")
    assert {row["title"] for row in kept_rows(lake)} == {"a/../b"} == {row["title"] for row in committed(lake)}
    remove(lake, "a/../b")
    assert kept_rows(lake) == []
    assert "no test is kept" in hinet(lake, "own-tests")[1]
    lake.sweep(older_than_s=-1.0)
    assert list(lake.root.glob("own_test*/day=*/*")) == []


def test_no_file_that_is_kept_names_a_user(lake, tmp_path):
    keep(lake, "per user", write(tmp_path, users(400, "A", "B")), analyse(read(tmp_path / "spring.csv")))
    files = [path for path in lake.root.rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        assert b"person" not in path.read_bytes(), path


def test_arms_that_are_users_are_not_kept(lake, tmp_path):
    text = "user,arm,requests,orders\n" + "".join(f"v{i},person{i},3,1\n" for i in range(21))
    found = analyse(read(write(tmp_path, text)))
    with pytest.raises(OwnTestError, match="found 21 arms, at most 20 can be kept: is the column arm one of users"):
        keep(lake, "t", tmp_path / "spring.csv", found)
    assert not lake.root.exists()


@pytest.mark.parametrize("title", ["", " \n ", "x" * 101, "bell\x07"])
def test_a_title_is_some_printable_text(lake, tmp_path, title):
    with pytest.raises(OwnTestError, match="allowed: 1 to 100 printable characters"):
        keep(lake, title, write(tmp_path), analyse(read(tmp_path / "spring.csv")))


def test_one_title_in_two_spellings_is_one_test(lake, tmp_path):
    for title in ("Caf\u00e9", "Cafe\u0301"):
        keep(lake, title, write(tmp_path), analyse(read(tmp_path / "spring.csv")))
    assert len({row["title"] for row in committed(lake)}) == 1


def test_on_a_full_disk_the_test_before_stays_and_the_new_one_is_named(lake, tmp_path):
    path = write(tmp_path)
    keep(lake, "Spring", path, analyse(read(path)))
    write(tmp_path, TOTALS.replace(",330\n", ",400\n"))
    found = analyse(read(path))
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(LakeError, match="^'Spring' is not kept: could not write .*free some space"):
            keep(lake, "Spring", path, found)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert {row["orders_b"] for row in committed(lake) if row["scope"] == "pooled"} == {330.0}
    assert len(list(lake.root.glob("own_test*/day=*/*"))) == 2


# Forks of one process that has analysed both files and opened no lake: each dies where it is told to.
PROGRAM = """
import os, sys
from pathlib import Path
from hinet_core.lake import Lake
from hinet_core.lift.own_test.analyse import analyse
from hinet_core.lift.own_test.kept import keep, remove
from hinet_core.lift.own_test.read import read
root, old, new = map(Path, sys.argv[1:4])
found = {file: analyse(read(file)) for file in (old, new)}
for number, death in enumerate(sys.argv[4:]):
    lake = Lake(root / str(number))
    for file, crash_at in ((old, ""), (new, death)):
        child = os.fork()
        if not child:
            os.environ["HINET_CRASH_AT"] = crash_at
            remove(lake, "Spring") if crash_at == "after-withdrawal" else keep(lake, "Spring", file, found[file])
            os._exit(0)
        print(os.waitpid(child, 0)[1], end=" ")
"""
LEFT = {"after-file:2": 330.0, "before-commit": 330.0, "before-replace": 330.0, "after-commit": 400.0,
        "after-withdrawal": None}  # fmt: skip


@pytest.mark.slow
def test_killed_anywhere_the_test_is_the_old_one_or_the_new_one(tmp_path):
    old, new = write(tmp_path), write(tmp_path, TOTALS.replace(",330\n", ",400\n"), "autumn.csv")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "lakes"), str(old), str(new), *LEFT]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["0", "9"] * len(LEFT)
    for number, (death, orders) in enumerate(LEFT.items()):
        lake = Lake(tmp_path / "lakes" / str(number))
        rows = kept_rows(lake)
        assert len(rows) == (6 if orders else 0), death
        assert {row["orders_b"] for row in rows if row["scope"] == "pooled"} == ({orders} if orders else set()), death
        keep(lake, "Spring", new, analyse(read(new)))
        assert {row["orders_b"] for row in committed(lake) if row["scope"] == "pooled"} == {400.0}
