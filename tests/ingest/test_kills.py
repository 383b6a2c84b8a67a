"""Killed at each boundary of a commit, ingest, replay, forgetting and importing end where undisturbed ones do."""

import json
import multiprocessing
import os
import shutil
import signal

import pyarrow.parquet as pq
import pytest
from late_log import late_raw, write_csv
from public_logs import taobao_ads

from hinet_core.contract import load_contract, parse_contract
from hinet_core.features.tables import day_tables
from hinet_core.forget import forget
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.delivery import land
from hinet_core.ingest.landing import index
from hinet_core.ingest.outcome_books import write_books
from hinet_core.ingest.pending import pending_days
from hinet_core.ingest.public import import_log
from hinet_core.ingest.refused_files import STEP as REFUSED_FILES
from hinet_core.ingest.refused_files import recorded
from hinet_core.ingest.replay import replay, replay_days
from hinet_core.lake import Lake, connect
from hinet_core.lock import TRAINING
from hinet_core.settings import Paths

BOUNDARIES = ["after-file", "before-replace", "before-commit", "after-commit", "before-catalog", "before-landing"]
SHOWN = [f"{n},{n % 3},{'abc'[n % 3]},home,2026-03-{27 + n % 2}T1{n}:00:00Z,{n % 2}" for n in range(1, 7)]
ORDERS = ["1,b,1,2026-03-28T12:00:00Z,9.5", "3,a,1,2026-03-29T08:00:00Z,", "7,z,1,2026-03-28T12:00:00Z,", "x,a,1,,"]
WRONG = ["8,1,a,cellar,2026-03-27T10:00:00Z,1", "9,1,a,home,2026-03-28T10:00:00Z,7"]


def contract_of(cellar=False):
    raw = late_raw()
    raw["quality"] = {"max_unknown_scenario_share": 1}
    raw["scenarios"] += [{"id": "cellar"}] if cellar else []
    return parse_contract(raw)


def ingest(root):
    """All that `hinet ingest` does, without the audit."""
    contract, paths = contract_of((root / "cellar").exists()), Paths(root / "late")
    lake, landed = Lake(paths.lake), index(contract, paths)
    list(ingest_days(contract, lake, landed, pending_days(lake, landed), None))
    write_books(lake, landed)
    lake.rebuild_catalog(paths.catalog)


def compute_features(root):
    contract, lake = contract_of(), Lake(Paths(root / "late").lake)
    con = connect()
    for table in day_tables(contract):
        table.write(con, contract, lake, table.pending(contract, lake))
    con.close()


def replay_then_ingest(root):
    (root / "cellar").touch()  # the contract knows the scenario now
    contract, paths = contract_of(cellar=True), Paths(root / "late")
    lake = Lake(paths.lake)
    refused_before = [one.file for one in recorded(lake)]
    landed = index(contract, paths)
    replay(contract, lake, landed, replay_days(lake, landed, refused_before), None)
    ingest(root)


def forget_user(root):
    paths = Paths(root / "late")
    forget(contract_of(), paths, Lake(paths.lake), "1", delete_models=False)


def land_twice(root):
    """The files of the log, then a corrected one for the one that is refused."""
    land(contract_of(), Paths(root / "late"), root / "data")
    ingest(root)


def import_ads(root):
    contract, paths = load_contract("taobao_ads"), Paths(root / "ads")
    import_log(contract, paths, root / "public")
    index(contract, paths)


WORK = {"ingest": ingest, "replay": replay_then_ingest, "forget": forget_user, "land": land_twice, "import": import_ads}


def prepare(root, work):
    """What there is before the work that is killed."""
    if work == "import":
        taobao_ads(root / "public")
        return
    paths = Paths(root / "late")
    paths.landing.mkdir(parents=True)
    write_csv(paths.landing, "log_1.csv", [*SHOWN, *WRONG])
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    (paths.landing / "log_2.csv").write_bytes(b"")
    (root / "data").mkdir()
    write_csv(root / "data", "log_2.csv", ["11,4,a,home,2026-03-28T20:00:00Z,1"])
    write_csv(root / "data", "log_3.csv", ["12,5,a,home,2026-03-29T20:00:00Z,1"])
    if work != "ingest":
        ingest(root)
    if work == "forget":
        compute_features(root)


def state(root):
    """Content hash of every committed day, the refused files, and the bytes of what has landed."""
    found = {}
    for folder in sorted(path for path in root.iterdir() if (path / "landing").exists()):
        lake = Lake(folder / "lake")
        for step in lake.steps():
            found |= {(step, day): lake.manifest(step, day).content_hash for day in lake.days(step)
                      if step != REFUSED_FILES}  # fmt: skip
            for path in lake.files("impressions"):
                pq.read_table(path)
        found["refused"] = [(one.file, one.bytes, one.reason) for one in recorded(lake)]
        for path in (folder / "landing").rglob("*"):
            found[path.relative_to(root)] = path.read_bytes() if path.is_file() else None
        known = folder / "forgotten.json"
        found["forgotten"] = len(json.loads(known.read_text())["hashes"]) if known.exists() else 0
    return found


def run(root, work, crash_at):
    os.environ |= {"HINET_HOME": str(root), "HINET_CRASH_AT": crash_at, "HINET_THREADS": "1"}
    WORK[work](root)


@pytest.fixture(scope="module")
def processes():
    """Processes that are forked from one that has imported everything and opened nothing."""
    context = multiprocessing.get_context("forkserver")
    rooms = ["hinet_core.forget", "hinet_core.ingest.public", "hinet_core.ingest.replay"]
    context.set_forkserver_preload(["pytest", *rooms])
    return context


def ends_with(processes, root, work, crash_at=""):
    process = processes.Process(target=run, args=(root, work, crash_at))
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize("nths", [pytest.param([3], marks=pytest.mark.slow, id="third"),
                                  pytest.param(range(1, 1000), marks=pytest.mark.long, id="each")])  # fmt: skip
@pytest.mark.parametrize("work", WORK)
def test_killed_at_boundaries_a_second_run_ends_as_an_undisturbed_one(processes, tmp_path, monkeypatch, work, nths):
    monkeypatch.setenv("HINET_HOME", str(tmp_path / "start"))
    (tmp_path / "start").mkdir()
    prepare(tmp_path / "start", work)
    shutil.copytree(tmp_path / "start", tmp_path / "whole")
    assert ends_with(processes, tmp_path / "whole", work) == 0
    expected, kills = state(tmp_path / "whole"), 0
    for boundary in BOUNDARIES:
        for nth in nths:
            root = tmp_path / f"{boundary}-{nth}"
            shutil.copytree(tmp_path / "start", root)
            status = ends_with(processes, root, work, f"{boundary}:{nth}")
            assert status in (0, -signal.SIGKILL)
            state(root)  # every committed table can be read
            if died := status != 0:
                kills += 1
                assert ends_with(processes, root, work) == 0
            assert state(root) == expected, (boundary, nth)
            assert leftovers(root) == [], (boundary, nth)
            shutil.rmtree(root)
            if not died:
                break
    assert kills >= (1 if work == "import" else 3)


def leftovers(root):
    """Files that nothing names, after what is old was swept."""
    found = []
    for folder in (path for path in root.iterdir() if (path / "lake").exists()):
        lake = Lake(folder / "lake")
        lake.sweep(older_than_s=-1)
        named = {file for table in lake.tables() for file in lake.files(table)}
        found += [path for path in lake.root.rglob("*.parquet") if path not in named]
        hidden = [path for path in folder.rglob(".*") if path.name not in (".run.lock", TRAINING)]
        found += [path for path in hidden if "catalog" not in path.name]
    return found
