"""What a contract asks of its log's propensities, committed: the rows of the verb, every gate, nothing twice."""

import csv
import io
from datetime import date

import pytest
from click.testing import CliRunner
from own_log import OWN, ingested, lines_of, written

from hinet_core import cli
from hinet_core.contract import ContractError, load_contract, parse_contract
from hinet_core.lake import Lake, LakeError, connect
from hinet_core.lift.off_policy.answers import NO_ROWS, answers
from hinet_core.lift.off_policy.inputs import STEP, inputs_of, is_current
from hinet_core.lift.off_policy.lake_rows import COLUMNS
from hinet_core.lift.off_policy.run import OFF_POLICY, commit_estimates

QUESTIONS = """
off_policy = [
  { name = "new", title = "The new arm", target = "column:new_chance", log = "arm=old", truth = "arm=new" },
  { name = "second", target = "column:new_chance", baseline = "column:new_chance", log = "slot=2" },
]
"""
DAY = date(2026, 3, 2)


SEVERAL_FILES = OWN.replace('"log.csv"', '"*.csv"') + QUESTIONS


def shop(home, lines, text=SEVERAL_FILES, name="log.csv"):
    """The contract and its lake with these lines ingested."""
    written(home / "data", lines)
    (home / "data" / "log.csv").rename(home / "data" / name)
    (home / "own.toml").write_text(text)
    contract = load_contract(str(home / "own.toml"))
    ingested(contract, home, home / "data")
    return contract, Lake(home / "own" / "lake")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    contract, lake = shop(home, list(lines_of(600)))
    return home, contract, lake, commit_estimates(contract, lake)


def committed(lake, table="off_policy"):
    return lake.scan(connect(), table).to_arrow_table().to_pylist()


def printed(home, *asked):
    done = CliRunner().invoke(
        cli.main, ["off-policy", "--contract", str(home / "own.toml"), *asked, "--csv"], env={"HINET_HOME": str(home)}
    )
    assert done.exit_code == 0, done.output
    return list(csv.DictReader(io.StringIO(done.output)))


def as_text(row):
    return {name: "" if row[name] is None else str(row[name]) for name in COLUMNS}


def test_what_is_committed_is_what_the_verb_prints(made):
    home, _, lake, rows = made
    assert committed(lake) == rows and list(rows[0]) == OFF_POLICY.names
    asked = {
        "new": ["--target", "column:new_chance", "--log", "arm=old", "--truth", "arm=new"],
        "second": ["--target", "column:new_chance", "--baseline", "column:new_chance", "--log", "slot=2"],
    }
    for name, arguments in asked.items():
        mine = [row for row in rows if row["question"] == name]
        assert [as_text(row) for row in mine] == printed(home, *arguments)
        assert {(row["day"], row["first_day"], row["task"], row["seed"]) for row in mine} == {(DAY, DAY, "buy", 0)}
    first = rows[0]
    assert (first["title"], first["log_rows"], first["truth_rows"]) == ("The new arm", "arm=old", "arm=new")
    assert {(row["scenario_id"], row["lift"]) for row in rows if row.get("lift")} == set()
    assert {row["estimate"] for row in rows if row["question"] == "second" and row["quantity"] == "lift"} == {0.0}


def test_every_gate_has_its_figure_and_the_worst_of_them_is_the_verdict(made):
    _, _, lake, rows = made
    gates = committed(lake, "off_policy_gates")
    names = ["rows", "mean_weight", "ess_rows", "effective_orders", "ess_share", "support_orders"]
    order = ["green", "amber", "refused"]
    assert len(gates) == 2 * 3 * len(names)
    for place in {(row["question"], row["scenario_id"]) for row in rows}:
        mine = {one["gate"]: one for one in gates if (one["question"], one["scenario_id"]) == place}
        assert list(mine) == names
        first = next(row for row in rows if (row["question"], row["scenario_id"]) == place)
        assert first["quantity"] == "value_b"
        of_value = [one for one in mine.values() if one["quantity"] == "value_b"]
        assert max((one["verdict"] for one in of_value), key=order.index) == first["status"]
        assert mine["ess_rows"]["value"] == first["ess_rows"] and mine["rows"]["value"] == first["n_rows"]
        assert mine["support_orders"]["quantity"] == "lift"


def test_the_same_again_gives_the_same_rows_and_is_not_asked_for(made):
    _, contract, lake, rows = made
    assert is_current(contract, lake)
    before = lake.manifest(STEP, DAY)
    assert before.info["inputs"] == inputs_of(contract, lake)
    assert commit_estimates(contract, lake) == rows
    assert lake.manifest(STEP, DAY).content_hash == before.content_hash


def test_another_question_or_another_day_makes_it_out_of_date(tmp_path):
    lines = list(lines_of(200))
    contract, lake = shop(tmp_path, lines)
    commit_estimates(contract, lake)
    other = contract.model_copy(update={"off_policy": contract.off_policy[:1]})
    assert is_current(contract, lake) and not is_current(other, lake)
    later = [line | {"visit": line["visit"] + 1000, "at": "2026-03-03T10:00:00Z"} for line in lines]
    shop(tmp_path, later, name="later.csv")
    assert not is_current(contract, lake)
    rows = commit_estimates(contract, lake)
    assert is_current(contract, lake)
    assert {(row["first_day"], row["day"], row["n_rows"]) for row in rows if row["question"] == "second"
            and row["scope"] == "pooled"} == {(DAY, date(2026, 3, 3), 400)}  # fmt: skip
    assert {row["day"] for row in committed(lake)} == {DAY, date(2026, 3, 3)}


def test_a_log_without_questions_is_asked_what_random_display_is_worth(made):
    _, contract, _, _ = made
    assert [(one.name, one.target) for one in contract.model_copy(update={"off_policy": ()}).questions] == [
        ("uniform", "uniform")
    ]
    assert load_contract("meishi").questions == () == load_contract("kuairand").questions
    assert [one.log for one in load_contract("open_bandit").questions] == ["policy=bts", "policy=random"]


def test_nothing_is_committed_before_a_day_is_ingested(made, tmp_path):
    with pytest.raises(LakeError, match="own: no day is ingested"):
        commit_estimates(made[1], Lake(tmp_path / "lake"))
    assert is_current(made[1], Lake(tmp_path / "lake"))


def refusals(home, lines, **asked):
    """Scope -> the reason why nothing is estimated there."""
    contract, lake = shop(home, lines)
    question = {"target": "column:new_chance", "baseline": "logger"} | asked
    return {one.scenario: one.reason for one in answers(contract, lake, **question) if one.report is None}


def test_a_scenario_without_a_row_is_a_refusal_of_its_own(tmp_path):
    lines = [line for line in lines_of(300) if line["place"] == "home"]
    assert refusals(tmp_path, lines) == {"search": NO_ROWS}
    contract, lake = load_contract(str(tmp_path / "own.toml")), Lake(tmp_path / "own" / "lake")
    commit_estimates(contract, lake)
    (gate,) = [one for one in committed(lake, "off_policy_gates") if one["scenario_id"] == "search"
               and one["question"] == "new"]  # fmt: skip
    assert (gate["gate"], gate["verdict"], gate["reason"], gate["value"]) == ("rows", "refused", NO_ROWS, 0.0)


def test_a_condition_without_a_row_is_refused_everywhere(tmp_path):
    found = refusals(tmp_path, list(lines_of(60)), log="arm=newest")
    assert list(found) == ["", "home", "search"]
    assert set(found.values()) == {"there is no shown row to judge by"}


@pytest.mark.parametrize(
    ("chance", "reason"),
    [("", "1 of 240 rows have no propensity"),
     ("0", "1 of 240 shown rows have a propensity of 0 or less: the slate is not what the logger's policy"),
     ("-0.5", "1 of 240 shown rows have a propensity of 0 or less"),
     ("1e-320", "1 of 240 propensities are below 1e-100: no logger draws so seldom"),
     ("1.5", "1 of 240 propensities are above 1")],
)  # fmt: skip
def test_a_propensity_that_is_none_refuses_its_scopes_and_no_others(tmp_path, chance, reason):
    lines = list(lines_of(120))
    lines[0]["chance"] = chance
    assert lines[0]["place"] == "search"
    found = refusals(tmp_path, lines)
    assert list(found) == ["", "search"] and found[""].startswith(reason)


@pytest.mark.parametrize("chance", ["NaN", "inf"])
def test_a_propensity_that_is_no_number_never_becomes_a_row(tmp_path, chance):
    lines = list(lines_of(120))
    lines[0]["chance"] = chance
    assert refusals(tmp_path, lines) == {}
    (refused,) = committed(Lake(tmp_path / "own" / "lake"), "quarantine")
    assert refused["reasons"][0].startswith("chance: ")


def test_all_rows_of_one_user_are_refused(tmp_path):
    found = refusals(tmp_path, [line | {"who": 7} for line in lines_of(60)])
    assert set(found.values()) == {"all requests come from one user, so there is nothing to tell the spread from"}


def test_a_slate_that_is_not_what_the_policy_shows_is_refused(tmp_path):
    """Propensities of the old arm beside rows that the new one showed: the mean weight is not 1."""
    lines = [line for line in lines_of(900) if line["arm"] == "new"]
    old = {"home": dict(zip("abcd", [0.4, 0.3, 0.2, 0.1], strict=True)),
           "search": dict(zip("bcd", [0.2, 0.3, 0.5], strict=True))}  # fmt: skip
    lines = [line | {"chance": old[line["place"]][line["thing"]]} for line in lines]
    contract, lake = shop(tmp_path, lines)
    for scope in answers(contract, lake, target="column:new_chance", baseline="logger"):
        assert scope.report.health.verdict == "refused"
        assert "the slates are not what the policy would show" in scope.report.health.reasons[0]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"target": "best"}, "off_policy.a.target: found 'best', allowed: uniform, logger, column:NAME"),
        ({"target": "column:arm"}, "off_policy.a.target: found 'arm', which is string, allowed: a column of numbers"),
        ({"target": "column:price"}, "off_policy.a.target: found 'price', allowed: arm, at, bought"),
        ({"baseline": "shown:gun=1"}, "off_policy.a.baseline: found 'gun', allowed: arm, at"),
        ({"log": "arm"}, "off_policy.a.log: found 'arm', allowed: a condition COLUMN=VALUE, such as policy=random"),
        ({"truth": "gun=1"}, "off_policy.a.truth: found 'gun', allowed: arm"),
        ({"task": "order"}, "off_policy.a.task: found 'order', allowed: buy"),
    ],
)
def test_a_question_that_cannot_be_asked_is_a_mistake_of_the_contract(made, question, said):
    raw = made[1].model_dump(exclude_unset=True, by_alias=True) | {"off_policy": [{"name": "a"} | question]}
    with pytest.raises(ContractError) as error:
        parse_contract(raw)
    assert said in str(error.value)


def test_propensities_and_probabilities_are_numbers(made):
    raw = made[1].model_dump(exclude_unset=True, by_alias=True)
    texts = [one | {"type": "string"} if one["name"] == "chance" else one for one in raw["columns"]]
    with pytest.raises(ContractError, match="columns.chance.type: found 'string', allowed: a number, for role"):
        parse_contract(raw | {"columns": texts})
    with pytest.raises(ValueError, match="found column 'arm', which is string, allowed: one of probabilities"):
        answers(made[1], made[2], target="column:arm", baseline="logger")


def test_a_policy_that_showed_nothing_refuses_its_question_and_no_other(tmp_path):
    text = SEVERAL_FILES.replace("second\", target = \"column:new_chance", "second\", target = \"shown:arm=x")
    contract, lake = shop(tmp_path, list(lines_of(60)), text)
    rows = commit_estimates(contract, lake)
    refused = [row for row in rows if row["question"] == "second"]
    assert [(row["scenario_id"], row["status"], row["reason"]) for row in refused] == [
        (scenario, "refused", "no row of the log has arm=x") for scenario in ("", "home", "search")
    ]
    assert len([row for row in rows if row["question"] == "new"]) > 3
    assert is_current(contract, lake)


def test_questions_have_names_of_their_own_and_need_propensities(made):
    raw = made[1].model_dump(exclude_unset=True, by_alias=True)
    with pytest.raises(ContractError, match="off_policy: 'a' is named 2 times, allowed: once"):
        parse_contract(raw | {"off_policy": [{"name": "a"}] * 2})
    bare = [one for one in raw["columns"] if one.get("role") != "propensity"]
    with pytest.raises(ContractError, match="off_policy: found new, second, allowed: with a column of role"):
        parse_contract(raw | {"columns": bare})
