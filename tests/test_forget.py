"""After forgetting a user, no file of the lake has the id, every other row is as it was, and nothing brings it back."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import torch

from hinet_core import models, quality, registry
from hinet_core.contract import parse_contract
from hinet_core.dataset import Encoder
from hinet_core.dataset.training_set import training_set
from hinet_core.experiments.grid import own_rows
from hinet_core.features.tables import day_tables
from hinet_core.forget import ForgetError, forget, holdings, user_text
from hinet_core.forget.matching import is_raw_of
from hinet_core.forget.models import models_with, remove_models
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.forgotten import Forgotten
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake, connect
from hinet_core.quality.docs import page_of, write_docs
from hinet_core.quality.hashed_ids import hash_of, key_of
from hinet_core.settings import Paths
from hinet_core.training import checkpoint
from hinet_core.training.description import contract_of
from hinet_core.training.progress import Progress

pytestmark = pytest.mark.slow

WHO = "4711001"
HEADER = "user,item,place,shown_at,slot,clicked,ordered,ordered_at,price"
ITEMS = "item_id,brand\na,x\nb,y\n"
DAYS = [date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)]


def line(user, day, hour, item="a", place="1", slot="1"):
    return f"{user},{item},{place},{day}T{hour:02}:00:00Z,{slot},1,0,,9.5"


def write_log(paths):
    """Three days: rows of two others and of the user, a repeat, a refused record, a line that is none, a bad day."""
    paths.landing.mkdir(parents=True, exist_ok=True)
    (paths.landing / "items.csv").write_text(ITEMS)
    for number, day in enumerate(DAYS, 1):
        rows = [line(user, day, hour) for user in (5, 6) for hour in (8, 9, 10)]
        rows += [line(WHO, day, 8), line(WHO, day, 9, "b"), line(WHO, day, 9, "b")] if number < 3 else []
        rows += [line(WHO, day, 11, slot="99"), line(5, day, 11, slot="98"), f'{WHO};"x', "5;y"] if number == 2 else []
        rows += [line(WHO, day, 12, place="moon")] if number == 3 else []
        (paths.landing / f"log_{number}.csv").write_text("\n".join([HEADER, *rows]) + "\n")


MADE: list[Path] = []  # the folder below, made once


@pytest.fixture
def home(tiny_raw, tmp_path, tmp_path_factory):
    """Contract, folders and lake after ingest with its audit and features; the last day is kept out."""
    tiny_raw["quality"] = {"max_quarantined_share": 0.6}
    tiny_raw["features"]["entities"].append({"name": "pair", "keys": ["user", "item"]})
    tiny_raw["features"]["entities"][0]["lifetime"] = True
    tiny_raw["features"]["recent"] = [
        {"name": "last_items", "entity": "user", "of": "item", "length": 3},
        {"name": "last_users", "entity": "item", "of": "user", "length": 3},
    ]
    contract = parse_contract(tiny_raw)
    if not MADE:
        made = Paths(tmp_path_factory.mktemp("made"))
        write_log(made)
        ingest(contract, made, Lake(made.lake))
        compute(contract, Lake(made.lake))
        MADE.append(made.root)
    paths = Paths(shutil.copytree(MADE[0], tmp_path / "home" / "tiny"))
    return contract, paths, Lake(paths.lake)


def ingest(contract, paths, lake, auditor=quality):
    landed = index(contract, paths)
    return list(ingest_days(contract, lake, landed, landed.days, auditor))


def compute(contract, lake):
    con = connect()
    for table in day_tables(contract):
        table.write(con, contract, lake, lake.days("ingest"))
    con.close()


def texts_of(root):
    """Every value of every Parquet file under a folder and every other file's text."""
    for path in sorted(root.rglob("*")):
        if path.suffix == ".parquet":
            yield path, json.dumps(pq.read_table(path).to_pylist(), default=str)
        elif path.is_file():
            yield path, path.read_bytes().decode("utf-8", "replace")


def where_it_stands(root, folders=("lake", "models", "published")):
    return [path for folder in folders if (root / folder).exists() for path, text in texts_of(root / folder)
            if WHO in text]  # fmt: skip


def others(lake, table):
    con = connect()
    rows = lake.scan(con, table).filter(f"CAST(user AS VARCHAR) <> '{WHO}'").order("day, source_file, record_number")
    found = rows.fetchall()
    con.close()
    return found


def test_no_file_has_the_id_and_all_other_rows_are_as_they_were(home):
    contract, paths, lake = home
    assert list(lake.blocked("ingest")) == [DAYS[2]]
    before = others(lake, "impressions")
    tables = {path.relative_to(paths.lake).parts[0] for path in where_it_stands(paths.root)}
    rewritten = {"impressions", "quarantine", "examples", "entity_daily", "entity_recent", "entity_state"}
    assert rewritten | {"_blocked"} <= tables
    said = forget(contract, paths, lake, WHO, delete_models=False)
    assert where_it_stands(paths.root) == []
    assert others(lake, "impressions") == before and len(before) == 12
    counted = {(one.table, one.kept_out): one.rows for one in said.held}
    assert counted["impressions", False] == 4 and counted["quarantine", False] == 2
    assert counted["quarantine", True] == 1
    assert said.landed == ["log_1.csv", "log_2.csv", "log_3.csv"]
    assert said.rewritten["ingest"] == DAYS[:2]
    assert [one for one in holdings(contract, lake, WHO) if one.rows] == []


def test_the_books_balance_and_the_users_rows_are_quarantined_without_their_text(home):
    contract, paths, lake = home
    forget(contract, paths, lake, WHO, delete_models=False)
    con = connect()
    refused = lake.scan(con, "quarantine").order("day, record_number").fetchall()
    mine = [row for row in refused if row[3] == ["user: forgotten"]]
    assert len(mine) == 6 and all(row[4] is None for row in mine)
    assert [row[4] is None for row in refused if row[3] != ["user: forgotten"]] == [False, False]
    for day in DAYS[:2]:
        counts = lake.manifest("ingest", day).info["counts"]
        assert counts["rows_read"] == sum(counts[f"rows_{one}"] for one in ("kept", "duplicate", "quarantined"))
        books = lake.scan(con, "ingest_files", [day]).fetchall()
        assert [sum(row[place] for row in books) for place in (2, 3, 4, 5)] == [
            counts[f"rows_{one}"] for one in ("read", "kept", "duplicate", "quarantined")]  # fmt: skip
    counters = dict(lake.scan(con, "ingest_counters", DAYS[:1]).project("counter || detail, rows").fetchall())
    con.close()
    assert counters["scenario_rowshome"] == 6 and counters["reasonuser: forgotten"] == 2


def test_reading_the_log_again_does_not_bring_the_user_back(home):
    contract, paths, lake = home
    before = others(lake, "impressions")
    forget(contract, paths, lake, WHO, delete_models=False)
    shutil.rmtree(paths.lake)
    again = ingest(contract, paths, lake)
    assert where_it_stands(paths.root) == []
    # The user's repeat is refused like the others now. What kept the third day out was a row of the user.
    assert [row for row in others(lake, "impressions") if row[3].date() < DAYS[2]] == before
    assert lake.days("ingest") == DAYS
    assert [one.counts["rows_forgotten"] for one in again] == [3, 4, 1]
    assert [one.counts["rows_quarantined"] for one in again[:2]] == [3, 7]
    for counts in (one.counts for one in again):
        assert counts["rows_read"] == sum(counts[f"rows_{part}"] for part in ("kept", "duplicate", "quarantined"))
    assert (paths.root / "forgotten.json").stat().st_mode & 0o777 == 0o600
    assert WHO not in (paths.root / "forgotten.json").read_text()


KILLED = """
import json, sys
from pathlib import Path
from hinet_core.contract import parse_contract
from hinet_core.forget import forget
from hinet_core.lake import Lake
from hinet_core.settings import Paths
paths = Paths(Path(sys.argv[1]))
forget(parse_contract(json.loads(sys.argv[2])), paths, Lake(paths.lake), sys.argv[3], delete_models=False)
"""


@pytest.mark.parametrize("death", ["before-replace:1", "after-file:9", "after-commit:4"])
def test_a_kill_in_the_middle_is_repaired_by_the_same_call(home, tiny_raw, death):
    contract, paths, lake = home
    before = others(lake, "impressions")
    arguments = [sys.executable, "-c", KILLED, str(paths.root), json.dumps(tiny_raw), WHO]
    environment = os.environ | {"HINET_CRASH_AT": death, "HINET_HOME": str(paths.root.parent)}
    assert subprocess.run(arguments, env=environment, check=False).returncode == -signal.SIGKILL
    assert where_it_stands(paths.root) != []
    forget(contract, paths, lake, WHO, delete_models=False)
    assert where_it_stands(paths.root) == []
    assert others(lake, "impressions") == before


def test_a_landed_file_that_only_repeats_the_users_rows_is_named(home):
    contract, paths, lake = home
    (paths.landing / "log_4.csv").write_text("\n".join([HEADER, line(WHO, DAYS[0], 8), line(WHO, DAYS[0], 9, "b")]))
    (paths.landing / "log_5.csv").write_text("\n".join([HEADER, line(5, DAYS[0], 8), line(6, DAYS[0], 9, "b")]))
    ingest(contract, paths, lake)
    assert forget(contract, paths, lake, WHO, delete_models=False).landed == [f"log_{n}.csv" for n in (1, 2, 3, 4)]


class Strict:
    """An auditor with a rule that every row breaks, and which keeps days out or only tells."""

    def __init__(self, keeps_out):
        self.keeps_out = keeps_out

    def audit(self, con, contract, *rest):
        found = quality.audit(con, strict(contract), *rest)
        return found if self.keeps_out else replace(found, findings=[])


def strict(contract):
    columns = [one.model_copy(update={"max": 5.0}) if one.name == "price" else one for one in contract.columns]
    return contract.model_copy(update={"columns": tuple(columns)})


def test_rows_that_findings_sampled_go_from_tables_and_pages(tiny_raw, tmp_path):
    contract, paths = parse_contract(tiny_raw), Paths(tmp_path / "tiny")
    write_log(paths)
    for number, day in enumerate(DAYS[:2], 1):  # the first rows are those that are shown
        rows = [line(user, day, hour) for user in (WHO, 5) for hour in (8, 9)]
        (paths.landing / f"log_{number}.csv").write_text("\n".join([HEADER, *rows]))
    lake, landed = Lake(paths.lake), index(contract, paths)
    list(ingest_days(contract, lake, landed, DAYS[:1], Strict(False)))
    (kept_out,) = ingest_days(contract, lake, landed, DAYS[1:2], Strict(True))
    write_docs(strict(contract), lake, paths.docs, [kept_out])
    mine, other = (hash_of(key_of(paths.root), user) for user in (WHO, 5))

    def standing(hashed):
        return [path.name for path, text in texts_of(paths.root) if hashed in text]

    assert len(standing(mine)) == 3  # a page, a committed day and one that is kept out
    assert len(standing(other)) == 3
    counts = lake.blocked_info("ingest", DAYS[1])["counts"]
    assert (counts["rows_read"], counts["rows_kept"], counts["rows_quarantined"]) == (4, 4, 0)
    page = page_of(paths.docs, DAYS[1])
    samples = page.read_text().count("&quot;source_file&quot;")
    done = forget(contract, paths, lake, WHO, delete_models=False)
    assert standing(mine) == [] and len(standing(other)) == 3
    assert page.read_text().count("&quot;source_file&quot;") == samples - 2 and "(forgotten)" in page.read_text()
    assert done.rewritten["pages about data quality"] == done.rewritten["ingest, kept out"] == [DAYS[1]]
    counts = lake.blocked_info("ingest", DAYS[1])["counts"]
    names = ("rows_read", "rows_kept", "rows_quarantined", "rows_forgotten")
    assert [counts[name] for name in names] == [4, 2, 2, 2]
    (book,) = pq.read_table(lake.blocked_folder("ingest", DAYS[1]) / "ingest_files.parquet").to_pylist()
    assert (book["rows_read"], book["rows_kept"], book["rows_quarantined"]) == (4, 2, 2)
    assert {(one.table, one.kept_out) for one in done.held} >= {("dq_results", False), ("dq_results", True)}
    assert holdings(contract, lake, WHO) == []


CROSS = {"name": "user_brand", "columns": ["brand", "user"]}


def fitted(contract, lake, *others):
    """An encoder of the committed examples, of all users or of these; the rows it was fitted on, ready to train."""
    con = connect()
    rows = lake.scan(con, "examples")
    if others:
        rows = rows.filter(f"user IN ({', '.join(map(str, others))})")
    return con, Encoder.fit(con, contract, rows), rows


def saved(root, version, contract, lake, *others):
    """A model with what a training stores beside it: it learned from all users, or from these."""
    con, encoder, _ = fitted(contract, lake, *others)
    con.close()
    model = models.build("shared_bottom", encoder.spec, seed=0)
    meta = {"contract": contract_of(contract)}
    return checkpoint.save(root / version, model, "shared_bottom", model.config, encoder.spec, encoder, meta)


def with_tokens(raw, user=None, **features):
    """The contract with every token in the vocabulary, and further fields."""
    columns = [one | {"encode": user} if user and one["name"] == "user" else one for one in raw["columns"]]
    own = raw["features"] | {"recent": [], "min_token_count": 1} | features
    return parse_contract(raw | {"columns": columns, "features": own})


def champion_is(paths, contract, folder):
    run = {"version": folder.name, "model": "shared_bottom", "as_of": DAYS[2], "run_id": folder.name}
    registry.promote(paths.models, contract, run, "the only one")


def test_models_with_the_id_as_a_token_are_named_and_deleted_when_asked(home, tiny_raw):
    """Trained under contracts that knew the user as a column, as a part of a cross and in lists; today's has lists."""
    contract, paths, lake = home
    trials = paths.experiments / "models"
    column, cross, neither = (with_tokens(tiny_raw, **one) for one in ({"user": "id"}, {"crosses": [CROSS]}, {}))
    lists = with_tokens(tiny_raw, recent=tiny_raw["features"]["recent"])
    do_not = [
        saved(paths.models, "features", neither, lake), saved(paths.models, "others", column, lake, 5, 6),
        saved(trials, "others", cross, lake, 5, 6),
    ]  # fmt: skip
    know = [
        saved(paths.models, "column", column, lake), saved(paths.models, "cross", cross, lake),
        saved(trials, "lists", lists, lake), saved(trials, "others too", cross, lake),
    ]  # fmt: skip
    assert models_with(contract, paths, WHO) == know
    champion_is(paths, column, paths.models / "others")
    remove_models(paths, [know.pop()])
    assert registry.champion(paths.models)["version"] == "others"
    champion_is(paths, column, paths.models / "column")
    assert forget(contract, paths, lake, WHO, delete_models=True).models == know
    assert [one for root in (paths.models, trials) for one in sorted(root.iterdir())] == do_not
    assert registry.champion(paths.models) is None
    assert models_with(contract, paths, WHO) == []


def test_what_unfinished_trainings_left_goes_with_the_rows_that_it_was_made_of(home, tiny_raw):
    contract, paths, lake = home
    con, encoder, rows = fitted(contract, lake)
    with ExitStack() as running:
        running.callback(con.close)
        for root in (paths.models, paths.experiments / "models", paths.experiments / "tune"):
            whole = saved(root, "whole", with_tokens(tiny_raw), lake, 5, 6)
            shutil.copytree(whole, root / ".half.partial")
            Progress(root / "begun").save({}, {}, {"weight": torch.zeros(1)})
            parts = encoder.stream(con, rows, DAYS[2], {})
            running.enter_context(training_set(own_rows(root), parts, len(rows), memory_bytes=0))
            assert len(list(root.iterdir())) == 4
        forget(contract, paths, lake, WHO, delete_models=False)
        left = [*paths.models.iterdir(), *paths.experiments.glob("*/*")]
        assert [path.name for path in left] == ["whole"] * 3


def test_an_id_is_said_as_people_write_it(home):
    contract = home[0]
    assert user_text(contract, "0047") == "47"
    with pytest.raises(ForgetError, match="a whole number"):
        user_text(contract, "anna")


@pytest.mark.parametrize(
    ("raw", "mine"),
    [
        ('{"user": 12.0, "item": null}', True),
        ('{"user": "12", "item": null}', True),
        ('{"user": 12.5}', False),
        ('{"user": 112.0}', False),
        ('{"user": 12.0, "item', True),
        ('{"user": 112.0, "item', False),
    ],
)
def test_a_refused_line_is_of_the_user_however_its_number_is_written(tiny_raw, con, raw, mine):
    user = next(one for one in tiny_raw["columns"] if one.get("role") == "user")
    del user["min"]
    user["type"] = "string"
    contract = parse_contract(tiny_raw)
    found = con.execute(f"SELECT {is_raw_of(contract, '12')} FROM (SELECT ? AS raw)", [raw]).fetchone()
    assert found == (mine,)
    kept = Forgotten("salt", frozenset([sha256(b"salt12").hexdigest()]))
    if not raw.endswith("}"):
        assert con.execute(f"SELECT {kept.is_in('raw')} FROM (SELECT ? AS raw)", [raw]).fetchone() == (mine,)


def test_the_verb_lists_first_and_changes_nothing_without_yes(tiny_raw, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from hinet_core import cli

    monkeypatch.setenv("HINET_HOME", str(tmp_path))
    paths = Paths(tmp_path / "tiny")
    write_log(paths)
    contract, lake = parse_contract(tiny_raw), Lake(paths.lake)
    ingest(contract, paths, lake, auditor=None)
    monkeypatch.setattr("hinet_core.cli.group.load_contract", lambda name: contract)
    held = where_it_stands(paths.root)
    listed = CliRunner().invoke(cli.main, ["forget", WHO, "--contract", "tiny"])
    assert listed.exit_code == 0 and "impressions" in listed.output and "nothing was changed" in listed.output
    assert where_it_stands(paths.root) == held
    done = CliRunner().invoke(cli.main, ["forget", WHO, "--contract", "tiny", "--yes"])
    assert done.exit_code == 0, done.output
    assert "rewritten: ingest, 3 days" in done.output and "3 landed files may still hold the user" in done.output
    assert where_it_stands(paths.root) == []
    again = CliRunner().invoke(cli.main, ["forget", WHO, "--contract", "tiny"])
    assert f"no table holds user {WHO}" in again.output


def test_a_hash_in_the_scan_is_the_hash_in_python():
    from hinet_core.ingest.forgotten import Forgotten

    known = Forgotten("salt")
    known = Forgotten("salt", frozenset([known.hash_of("a|b 7")]))
    con = duckdb.connect()
    assert con.execute(f"SELECT {known.is_one('v')} FROM (VALUES ('a|b 7'), ('a'), (NULL)) AS t(v)").fetchall() == [
        (True,), (False,), (False,)]  # fmt: skip
