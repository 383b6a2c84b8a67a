"""`hinet lift A B`: what it prints, and the sentences of its errors."""

import csv
import io

import pytest
from click.testing import CliRunner

from hinet_core import cli
from hinet_core.lift.ab_test.guardrail_rows import MARGINS
from hinet_core.lift.tables import LIFT

SMALL = """
name = "small"
extend = "meishi"

[world]
users = 1500
items = 300
calibration_requests = 1000
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HINET_HOME", str(tmp_path))
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.setenv("CONTRACT", str(tmp_path / "small.toml"))


def hinet(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.main, ["lift", *arguments])
    return done.exit_code, done.output


def table(output: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(output[output.index("kind,") :])))


def test_policies_need_no_model_and_the_oracle_is_its_own_best():
    status, said = hinet("logger", "oracle", "--requests", "60", "--csv")
    rows = table(said)
    assert status == 0
    assert set(rows[0]) == {*LIFT.names, "margin", "verdict", "worst"}
    assert [row["estimator"] for row in rows[:14]] == ["L1"] * 7 + ["L2"] * 7
    assert {row["metric"] for row in rows[14:]} == set(MARGINS)
    for row in rows[:7]:
        assert float(row["lift"]) == pytest.approx(float(row["oracle_lift"]), abs=1e-12)
        assert float(row["logger_lift"]) == 0
        assert row["world_hash"]


def test_a_ranking_against_itself_prints_zero():
    status, said = hinet("random", "random", "--requests", "100")
    assert status == 0
    assert "lift of random over random" in said
    pooled = [line for line in said.splitlines() if line.startswith(("│ L1", "│ L2")) and "│ pooled " in line]
    assert len(pooled) == 2
    assert all(line.count("+0.00%") >= 3 for line in pooled)


def test_an_online_test_is_shown_day_by_day_beside_the_truth():
    arguments = ("logger", "oracle", "--requests", "60", "--online", "--days", "3", "--test-requests", "6000")
    status, said = hinet(*arguments, "--csv")
    found = [row for row in table(said) if row["estimator"] == "L3"]
    assert status == 0
    rows, days = ([row for row in found if bool(row["day"]) == is_day] for is_day in (False, True))
    assert [row["day"] for row in days] == ["1", "2", "3"]
    assert float(days[-1]["lift"]) == pytest.approx(float(rows[0]["lift"]))
    assert [row["metric"] for row in rows] == ["orders_per_request"] * 7 + ["orders_per_user"] * 7
    assert all(row["true_lift"] == row["oracle_lift"] != "" for row in rows)
    status, said = hinet(*arguments)
    assert status == 0
    assert "split of users: green" in said
    shown = said[said.index("until day") :].splitlines()
    assert [line.split()[1] for line in shown if line.startswith("│ ")] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--requests", "0", "x>=1"),
        ("--days", "0", "1<=x<=366"),
        ("--days", "100000000", "1<=x<=366"),
        ("--test-requests", "-1", "x>=1"),
        ("--seed", "-1", "0<=x<=4294967295"),
        ("--seed", "99999999999999999999", "0<=x<=4294967295"),
    ],
)
def test_numbers_that_nothing_can_be_drawn_from_say_what_is_allowed(option, value, allowed):
    status, said = hinet("logger", "oracle", option, value)
    assert status == 2
    assert f"{value} is not in the range {allowed}" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["oracle", "hinett"], "found hinett; models of small (no day can be judged yet): none; policies: oracle, "),
        (["oracle", "logger", "--contract", "kuairand"], "without a simulated world"),
        (["oracle", "logger", "--contract", "kuairand"], "`hinet off-policy`"),
        (["oracle", "logger", "--contract", "nowhere"], "nowhere"),
    ],
)
def test_errors_are_one_sentence(arguments, sentence):
    status, said = hinet(*arguments)
    assert status == 1
    assert sentence in said
    assert "Traceback" not in said
