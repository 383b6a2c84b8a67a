"""Off-policy estimates of a user's own ingested log, by roles alone: against plain loops, refusals, the page."""

import csv
import io
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from own_log import NEW, OWN, THINGS, WORTH, ingested, lines_of, written

from hinet_core import cli
from hinet_core.contract import load_contract
from hinet_core.lake import Lake, connect
from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.lake_estimates import counted_spread, estimates
from hinet_core.lift.off_policy.lake_log import LakeLog, condition, read
from hinet_core.lift.off_policy.lake_targets import ItemShares, choice
from hinet_core.lift.off_policy.written import put

ANSWERS = {}
OBD = Path(__file__).parents[3] / "shared" / "data" / "obd"
SMALL_OBD = """
name = "small_obd"
time_zone = "UTC"
first_day = 2019-11-24
last_day = 2019-11-30
dedupe = { key = ["row"] }
[[sources]]
name = "log"
files = "[br]*men.parquet"
format = "parquet"
path_pattern = '^(?P<policy>bts|random)_(?P<campaign>men|women)\\.parquet'
[[columns]]
name = "row"
type = "string"
role = "user"
from = ["path:policy", "path:campaign", "record:number"]
[[columns]]
name = "campaign"
type = "string"
role = "scenario"
from = "path:campaign"
[[columns]]
name = "policy"
type = "string"
from = "path:policy"
[[columns]]
name = "item"
type = "string"
role = "item"
encode = "id"
from = ["path:campaign", "item_id"]
[[columns]]
name = "shown_at"
type = "timestamp"
role = "time"
from = "timestamp"
[[columns]]
name = "position"
type = "int8"
role = "position"
[[columns]]
name = "propensity"
type = "float64"
role = "propensity"
from = "propensity_score"
[[columns]]
name = "click"
type = "int8"
role = "outcome"
values = [0, 1]
[[scenarios]]
id = "men"
[[scenarios]]
id = "women"
[[tasks]]
name = "click"
label = "click"
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The contract, its home and the lines of the log, ingested."""
    home = tmp_path_factory.mktemp("home")
    lines = list(lines_of())
    written(home / "data", lines)
    (home / "own.toml").write_text(OWN)
    contract = load_contract(str(home / "own.toml"))
    ingested(contract, home, home / "data")
    return contract, home, lines


def asked(own, target, baseline="logger", log="arm=old", truth="arm=new", scopes=3):
    """Estimates by scope, pooled first; asked once for each question."""
    question = (str(own[1]), target, baseline, log, truth)
    if question not in ANSWERS:
        found = answer(own, target, baseline, log, truth)
        ANSWERS[question] = {one.scenario: one for one in islice(found, scopes)}
    return ANSWERS[question]


def answer(own, target, baseline, log, truth):
    contract, home, _ = own
    chosen = choice(contract, target), choice(contract, baseline)
    conditions = {
        "log": condition(contract, log), "truth": truth and condition(contract, truth),
        "shown_by": chosen[0].shown_by, "baseline_shown_by": chosen[1].shown_by,
    }  # fmt: skip
    columns = [one.column for one in chosen if one.column]
    con = connect()
    try:
        whole = read(con, contract, Lake(home / contract.name / "lake"), contract.tasks[-1], conditions=conditions,
                     probabilities=columns)  # fmt: skip
    finally:
        con.close()
    return estimates(whole, *chosen, truth is not None)


def test_ips_of_a_column_and_of_uniform_are_those_of_a_plain_loop(own):
    old = [line for line in own[2] if line["arm"] == "old"]
    for place in ("", "home", "search"):
        mine = [line for line in old if place in ("", line["place"])]
        visits = len({line["visit"] for line in mine})
        by_column = sum(line["bought"] * line["new_chance"] / line["chance"] for line in mine) / visits
        uniform = sum(line["bought"] / len(THINGS[line["place"]]) / line["chance"] for line in mine) / visits
        for target, expected in (("column:new_chance", by_column), ("uniform", uniform)):
            found = asked(own, target)[place].report
            assert found.of("value_b", "IPS").interval.estimate == pytest.approx(expected)
            assert (found.unit, found.n_requests) == ("user", visits)
            logged = sum(line["bought"] for line in mine) / visits
            assert found.of("lift", "IPS").interval.estimate == pytest.approx(expected / logged - 1)


@pytest.mark.parametrize("target", ["column:new_chance", "shown:arm=new", "uniform"])
def test_intervals_hold_the_planted_value_in_every_scenario(own, target):
    for place in ("home", "search"):
        chances = [1 / len(THINGS[place])] * len(THINGS[place]) if target == "uniform" else NEW[place]
        planted = 1.5 * sum(chance * WORTH[thing] for chance, thing in zip(chances, THINGS[place], strict=True))
        report = asked(own, target)[place].report
        known = {"IPS", "SNIPS"} | (set() if target[:6] == "column" else {"DR", "Switch-DR", "direct method"})
        assert {one.estimator for one in report.estimates} == known
        for name in known - {"direct method"}:
            found = report.of("value_b", name).interval
            assert found.low <= planted <= found.high and found.high - found.low < 0.4


def test_the_truth_is_what_the_targets_own_rows_got(own):
    counted = asked(own, "shown:arm=new")["home"]
    new = [line for line in own[2] if line["arm"] == "new" and line["place"] == "home"]
    assert counted.truth["value_b"].estimate == pytest.approx(
        sum(line["bought"] for line in new) / len({line["visit"] for line in new})
    )
    assert counted.truth["lift"].low < counted.truth["lift"].estimate < counted.truth["lift"].high


def test_a_target_as_baseline_has_lift_zero(own):
    found = asked(own, "column:new_chance", baseline="column:new_chance")[""].report
    assert found.of("lift", "IPS").interval.estimate == 0.0


def test_two_policies_known_by_what_they_showed_are_each_counted_on_rows_of_their_own(own, monkeypatch):
    """`new` over what was bought, from the log of `old`, through the verb: shares counted here."""
    old, values = [line for line in own[2] if line["arm"] == "old"], {}
    for column, value in (("arm", "new"), ("bought", 1)):
        mine = [line for line in own[2] if line[column] == value]
        shown = Counter((line["place"], line["slot"], line["thing"]) for line in mine)
        total = Counter((line["place"], line["slot"]) for line in mine)
        chance = {key: count / total[key[:2]] for key, count in shown.items()}
        values[column] = sum(
            line["bought"] * chance[line["place"], line["slot"], line["thing"]] / line["chance"] for line in old
        )
    monkeypatch.setenv("HINET_HOME", str(own[1]))
    asked = ["off-policy", "--contract", str(own[1] / "own.toml"), "--log", "arm=old", "--csv"]
    done = CliRunner().invoke(cli.main, [*asked, "--target", "shown:arm=new", "--baseline", "shown:bought=1"])
    rows = csv.DictReader(io.StringIO(done.output))
    (found,) = [row for row in rows if (row["scope"], row["quantity"], row["estimator"]) == ("pooled", "lift", "IPS")]
    assert float(found["estimate"]) == pytest.approx(values["arm"] / values["bought"] - 1, rel=1e-6)


def test_counted_shares_widen_a_lift_from_whichever_side_they_come(own):
    forth = asked(own, "shown:arm=new")["home"].report
    back = asked(own, "logger", baseline="shown:arm=new", truth=None, scopes=2)["home"].report
    for name in ("IPS", "SNIPS"):
        one, other = forth.of("lift", name).interval, back.of("lift", name).interval
        assert other.estimate == pytest.approx(1 / (1 + one.estimate) - 1)
        assert other.se / (1 + other.estimate) == pytest.approx(one.se / (1 + one.estimate), rel=1e-3)


def test_what_a_log_cannot_carry_is_refused_with_its_reason(own, tmp_path):
    contract, home, lines = own
    bare = contract.model_copy(update={"columns": tuple(one for one in contract.columns if one.role != "propensity")})
    with pytest.raises(NotEstimableError, match="own: no column has the role propensity"):
        read(connect(), bare, Lake(home / "own" / "lake"), contract.tasks[-1])
    spoilt = [line | {"chance": "" if n == 7 else line["chance"]} for n, line in enumerate(lines)]
    spoilt = [line | {"new_chance": 1.5} if n == 8 else line for n, line in enumerate(spoilt)]
    written(tmp_path / "data", spoilt)
    ingested(contract, tmp_path, tmp_path / "data")
    other = contract, tmp_path, spoilt
    assert asked(other, "uniform", log="slot=2")[""].reason.startswith("1 of 1500 rows have no propensity")
    refused = asked(other, "column:new_chance", log="slot=1")[""]
    assert refused.report is None and "1 of 1500 rows of new_chance are no probability" in refused.reason


def test_counted_shares_widen_by_their_multinomial_spread():
    """One slot, two items shown 30 and 70 times by the target: var = p (1 - p) / 100 (m_1 - m_2)^2."""
    item, one = np.arange(200) % 2, np.ones(200)
    outcome = np.where(item == 0, 1.0, np.arange(200) % 4 == 1)
    log = LakeLog(np.full(200, "home"), item, one.astype(int), outcome, one / 2, item, np.arange(200), {}, {})
    spread = counted_spread(log, ItemShares(np.array([[0.3, 0.7]]), np.array([100])), np.zeros(200, int), seed=0)
    assert spread == pytest.approx(np.sqrt(0.3 * 0.7 / 100) * (1 - 0.5), rel=0.2)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("random", "allowed: uniform, logger, column:NAME"),
        ("column:price", "no column 'price', allowed: visit, who"),
        ("shown:arm", "allowed: COLUMN=VALUE"),
    ],
)
def test_unknown_targets_name_what_there_is(own, target, reason):
    with pytest.raises(ValueError, match=reason):
        choice(own[0], target)


def test_the_verb_prints_tables_and_csv_and_writes_the_page(own, monkeypatch, tmp_path):
    monkeypatch.setenv("HINET_HOME", str(own[1]))
    page = tmp_path / "page.md"
    page.write_text("# By hand\n")
    start = ["off-policy", "--contract", str(own[1] / "own.toml"), "--log", "arm=old", "--truth", "arm=new"]
    start += ["--target", "column:new_chance"]
    shown = CliRunner().invoke(cli.main, [*start, "--page", str(page)])
    assert shown.exit_code == 0, shown.output
    assert "outcomes per request under column:new_chance:" in shown.output and "lift over logger:" in shown.output
    mark = "<!-- hinet off-policy: own, log arm=old, target column:new_chance -->"
    assert page.read_text().startswith(f"# By hand\n\n{mark}")
    as_csv = CliRunner().invoke(cli.main, [*start, "--csv"])
    rows = list(csv.DictReader(io.StringIO(as_csv.output)))
    assert len(rows) == 3 * 4 and {row["status"] for row in rows} == {"green"}
    wrong = CliRunner().invoke(cli.main, [*start, "--task", "order"])
    assert wrong.exit_code == 1 and "own has no task 'order', allowed: buy" in wrong.output


def test_a_section_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n")
    for text in ("one", "two"):
        put(page, "x", text)
        put(page, "y", f"other {text}")
    assert page.read_text() == (
        "above\n\n<!-- hinet off-policy: x -->\ntwo\n<!-- end -->\n\n"
        "<!-- hinet off-policy: y -->\nother two\n<!-- end -->\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not OBD.is_dir(), reason=f"the real log is not here: put Open Bandit's files under {OBD.name}")
def test_each_arm_of_open_bandit_is_estimated_from_the_other(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL_OBD)
    contract = load_contract(str(tmp_path / "small.toml"))
    ingested(contract, tmp_path, OBD)
    log = contract, tmp_path, None
    uniform = asked(log, "uniform", log="policy=bts", truth="policy=random")
    # One row of a propensity of 1e-6 outweighs 9,999 others.
    refused = uniform["women"].report.of("value_b", "IPS")
    assert refused.interval is None and "worth 2.1 rows (at least 50)" in refused.reason
    men = uniform["men"].report
    rows = pq.read_table(OBD / "bts_men.parquet", columns=["click", "propensity_score"])
    weight = 1 / 34 / rows["propensity_score"].to_numpy()
    assert men.of("value_b", "IPS").interval.estimate == pytest.approx((weight * rows["click"].to_numpy()).mean())
    assert (men.unit, men.n_requests, men.of("value_b", "IPS").status) == ("request", 10_000, "amber")
    thompson = asked(log, "shown:policy=bts", log="policy=random", truth="policy=bts", scopes=1)[""]
    assert thompson.truth["value_b"].estimate == pytest.approx((69 + 46) / 20_000)
    for scope in (uniform["men"], thompson):
        for name in ("IPS", "SNIPS", "DR"):
            found, truth = scope.report.of("value_b", name).interval, scope.truth["value_b"]
            assert abs(found.estimate - truth.estimate) < 2.5 * np.hypot(found.se, truth.se)
