"""A stored version explained from the lake, and what the verb prints of it."""

import csv
import io
from datetime import date

import pytest
from click.testing import CliRunner
from tiny_log import random_rows, tiny_contract, write_ingest

from hinet_core.cli import explain as verb
from hinet_core.cli import main
from hinet_core.evaluation.explain import EXPLANATIONS, explain
from hinet_core.evaluation.gates import Finding
from hinet_core.features.daily import write_daily_range
from hinet_core.features.examples import write_examples_range
from hinet_core.lake import connect
from hinet_core.settings import Paths
from hinet_core.training.run import train

AS_OF = date(2024, 3, 13)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """HINET_HOME with the tiny log as examples."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def lake(home):
    contract = tiny_contract()
    lake = write_ingest(home / "tiny" / "lake", random_rows(0, "UTC", date(2024, 3, 6), n_days=8, n=900))
    con = connect(threads=1)
    write_daily_range(con, contract, lake, lake.days("ingest"))
    write_examples_range(con, contract, lake, lake.days("ingest"))
    con.close()
    return lake


@pytest.mark.slow
def test_a_version_is_explained_and_its_findings_are_committed(home, lake, con, monkeypatch):
    contract, models_root = tiny_contract(), Paths(home / "tiny").models
    done = train(contract, lake, models_root, AS_OF, "hinet")
    found = explain(contract, lake, models_root, done.version)
    rows = lake.scan(con, "explanations").to_arrow_table().to_pylist()
    assert [(row["part"], row["name"], row["value"]) for row in rows] == [(f.part, f.name, f.value) for f in found]
    assert set(rows[0]) == set(EXPLANATIONS.names)
    assert {(row["run_id"], row["model"], row["as_of"]) for row in rows} == {(done.version, "hinet", AS_OF)}
    assert {row["part"] for row in rows} == {"san", "sei", "cgc", "importance"}
    weights = {(f.scenario_id, f.name): f.value for f in found if f.part == "san"}
    assert weights == {("home", "map"): 1.0, ("map", "home"): 1.0}
    assert {f.name for f in found if f.part == "importance"} >= {"city", "price", "tags", "shop"}

    monkeypatch.setenv("HINET_HOME", str(home))
    monkeypatch.setattr("hinet_core.cli.group.load_contract", lambda name: contract)
    said = CliRunner().invoke(main, ["explain", done.version])
    assert said.exit_code == 0 and said.output.endswith("Everything is in the table `explanations`.\n"), said.output
    query = "select name, value from explanations where part = 'san' order by name"
    told = CliRunner().invoke(main, ["sql", "--csv", query])
    assert told.exit_code == 0, told.output
    assert list(csv.reader(io.StringIO(told.output))) == [["name", "value"], ["home", "1.0"], ["map", "1.0"]]


def test_a_version_that_is_not_there_is_named_with_those_that_are(tmp_path):
    for name in ("hinet-2024-03-13-aa", ".hinet-2024-03-13-bb.progress", ".hinet-2024-03-13-cc.partial"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="no version 'x': expected one of hinet-2024-03-13-aa$"):
        explain(tiny_contract(), None, tmp_path, "x")


def finding(part, scenario_id, name, metric, value, task="", low=None, high=None, n=22_220) -> Finding:
    return Finding(
        part=part, scenario_id=scenario_id, task=task, name=name, metric=metric, value=value, low=low, high=high, n=n
    )


def test_the_matrix_is_printed_with_a_row_per_scenario(capsys):
    verb.san(
        [finding("san", "home", "map", "weight", 1.0), finding("san", "map", "home", "weight", 0.25)], ["home", "map"]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "What each scenario takes from the experts of the others (SAN):"
    assert [line.split() for line in lines[4:6]] == [
        ["│", "home", "│", "│", "1.000", "│"],
        ["│", "map", "│", "0.250", "│", "│"],
    ]


def test_the_most_important_fields_come_first_and_only_so_many(capsys):
    drops = {"price": 0.1, "city": 0.3, "tags": 0.2}
    verb.fields(
        [finding("importance", "macro", k, "auc_drop", v, "click", v - 0.01, v + 0.01) for k, v in drops.items()], 2
    )
    out = capsys.readouterr().out
    assert "mean over scenarios, 22,220 rows in all:" in out.splitlines()[0]
    assert out.index("0.300 (0.290 to 0.310)") < out.index("0.200 (0.190 to 0.210)")
    assert "price" not in out


def test_gate_shares_are_printed_per_scenario_and_task(capsys):
    shares = [
        finding("cgc", "home", name, "share", value, "click") for name, value in (("own/1", 0.4), ("shared/1", 0.6))
    ]
    verb.gates(shares)
    out = capsys.readouterr().out
    assert "own/1" in out and "shared/1" in out
    assert [word for word in out.split() if word[:2] == "0."] == ["0.400", "0.600"]
