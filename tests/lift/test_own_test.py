"""A user's own online test: the page's examples, the numbers behind them, and what a file may get wrong."""

import csv
import io
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hinet_core import cli
from hinet_core.lift.own_test.analyse import analyse
from hinet_core.lift.own_test.read import OwnTestError, read
from hinet_core.lift.statistics.relative import relative_lift
from hinet_core.lift.statistics.samples import Sample
from hinet_core.lift.tables import LIFT

PAGE = (Path(__file__).parents[2] / "docs" / "lift.md").read_text(encoding="utf-8")
TOTALS = re.search(r"```csv\n(.*?)```", PAGE, flags=re.DOTALL)[1]


def hinet(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.main, ["ab", *arguments])
    return done.exit_code, done.output.replace(f"{folder}/", "")


def write(folder: Path, text: str) -> Path:
    path = folder / "test.csv"
    path.write_text(text, encoding="utf-8")
    return path


def made_by_the_page(folder: Path) -> Path:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    return folder / "test.csv"


@pytest.mark.slow
def test_the_examples_of_the_page_say_what_the_page_says(tmp_path, monkeypatch):
    made_by_the_page(tmp_path)
    (tmp_path / "totals.csv").write_text(TOTALS)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```text\n\$ hinet ab (.*?)\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(examples) == 2
    for arguments, said in examples:
        assert hinet(tmp_path, *arguments.split()) == (0, said)


@pytest.mark.slow
def test_rows_of_users_are_those_of_the_statistics(tmp_path):
    path = made_by_the_page(tmp_path)
    found = analyse(read(path))
    with path.open() as file:
        lines = list(csv.DictReader(file))
    assert {row["scenario_id"] for row in found.rows} == {"", "home", "search"}
    for row in found.rows:
        arms = {}
        for line in lines:
            if row["scenario_id"] in ("", line["scenario"]):
                sums = arms.setdefault(line["arm"], {}).setdefault(line["user"], [0.0, 0.0, 0.0])
                for i, name in enumerate(("orders", "requests", "pre_orders")):
                    sums[i] += float(line[name])
        values = {arm: np.array(list(users.values())).T for arm, users in arms.items()}
        per_request = row["metric"] == "orders_per_request"
        samples = [Sample(y, n if per_request else None, x) for y, n, x in (values["A"], values["B"])]
        expected = relative_lift(*samples)
        assert (row["lift"], row["low"], row["high"], row["p_raw"]) == pytest.approx(
            (expected.lift, expected.low, expected.high, expected.p), rel=1e-12
        )
    pooled, home, search = found.rows[:3]
    assert pooled["p_bh"] == pooled["p_raw"]
    # BH of two: the larger stays, the smaller is doubled, but never above the larger.
    small, large = sorted((home, search), key=lambda row: row["p_raw"])
    assert (small["p_bh"], large["p_bh"]) == pytest.approx((min(2 * small["p_raw"], large["p_raw"]), large["p_raw"]))


def test_totals_by_hand(tmp_path):
    path = write(tmp_path, TOTALS)
    pooled = analyse(read(path), overdispersion=2.1).rows[0]
    lift = 3144 / 180466 / (2961 / 181203) - 1
    half = 1.959964 * math.sqrt(2.1 * (1 / 2961 + 1 / 3144))
    assert pooled["lift"] == pytest.approx(lift)
    assert pooled["low"] == pytest.approx((1 + lift) * math.exp(-half) - 1)
    assert (pooled["n_users"], pooled["n_requests"], pooled["orders_b"]) == (40071, 361669, 3144)
    assert list(pooled) == LIFT.names


def test_totals_alone_have_a_lift_and_no_interval(tmp_path):
    rows = analyse(read(write(tmp_path, TOTALS))).rows
    assert {row["status"] for row in rows} == {"no_interval"}
    assert all(row["low"] is None and row["p_raw"] is None and row["lift"] > 0.05 for row in rows)
    assert "how orders are spread over users" in rows[0]["reason"]


def test_the_other_arm_as_baseline_inverts_the_lift(tmp_path):
    result = read(write(tmp_path, TOTALS))
    one, other = analyse(result), analyse(result, baseline="B")
    for row, inverse in zip(one.rows, other.rows, strict=True):
        assert inverse["lift"] == pytest.approx(1 / (1 + row["lift"]) - 1, abs=1e-9)
    with pytest.raises(OwnTestError, match="found no arm 'C', allowed: A, B"):
        analyse(result, baseline="C")


def test_identical_arms_are_exactly_zero_and_a_third_arm_has_rows_of_its_own(tmp_path):
    path = write(tmp_path, "arm,users,requests,orders\nA,900,9000,100\nB,900,9000,100\nC,900,9000,130\n")
    rows = analyse(read(path), overdispersion=1.5).rows
    assert [(row["model_b"], row["lift"] == 0.0) for row in rows] == [("B", True)] * 2 + [("C", False)] * 2


def test_users_of_scenarios_are_not_added_up(tmp_path):
    text = "arm,scenario,users,requests,orders\nA,x,50,500,40\nB,x,50,500,44\nA,y,50,500,40\nB,y,60,500,40\n"
    found = analyse(read(write(tmp_path, text)))
    assert found.checks[0].found is None and "a user may come to several scenarios" in found.checks[0].reason
    by_metric = {row["metric"]: row for row in found.rows if row["scope"] == "pooled"}
    assert by_metric["orders_per_request"]["lift"] == pytest.approx(84 / 80 - 1)
    assert by_metric["orders_per_user"]["status"] == "not_estimable"


def users(n: int, arm: str, orders: int = 1, scenario: str = "x") -> str:
    return "".join(f"{arm}{i},{arm},{scenario},3,{orders if i % 3 else 0}\n" for i in range(n))


HEADER = "user,arm,scenario,requests,orders\n"


def test_a_broken_split_hides_every_lift_unless_it_was_meant(tmp_path):
    result = read(write(tmp_path, HEADER + users(300, "A") + users(150, "B")))
    hidden = analyse(result)
    assert hidden.checks[0].found.light == "red"
    assert all(row["lift"] is None and "not split as intended" in row["reason"] for row in hidden.rows)
    meant = analyse(result, shares={"A": 2, "B": 1})
    assert meant.checks[0].found.light == "green" and meant.rows[0]["status"] == "estimated"


def test_the_split_of_entries_hides_that_scenario_alone(tmp_path):
    def lines(arm: str, entered: dict[str, int]) -> str:
        people = [(scenario, i) for scenario, n in entered.items() for i in range(n)]
        return "".join(f"{arm}{scenario}{i},{arm},{scenario},2,{i % 2},{scenario}\n" for scenario, i in people)

    text = HEADER.replace("orders\n", "orders,entry_scenario\n")
    path = write(tmp_path, text + lines("A", {"x": 300, "y": 100}) + lines("B", {"x": 200, "y": 200}))
    found = analyse(read(path))
    assert [(one.scenario, one.found.light) for one in found.checks] == [("", "green"), ("x", "red"), ("y", "red")]
    assert [row["status"] for row in found.rows] == ["estimated", "not_estimable", "not_estimable"] * 2


def test_a_scenario_that_an_arm_never_saw_is_refused_with_the_reason(tmp_path):
    text = HEADER + users(60, "A") + users(60, "B") + "A1,A,rare,2,1\n"
    rows = {(row["metric"], row["scenario_id"]): row for row in analyse(read(write(tmp_path, text))).rows}
    assert rows["orders_per_request", "x"]["status"] == "estimated"
    refused = rows["orders_per_request", "rare"]
    assert (refused["status"], refused["lift"]) == ("not_estimable", None)
    assert "insufficient: arm A has 1 user" in refused["reason"]


def test_zero_orders_in_the_baseline_are_a_reason(tmp_path):
    rows = analyse(read(write(tmp_path, HEADER + users(60, "A", 0) + users(60, "B")))).rows
    assert {row["reason"] for row in rows} == {
        "insufficient: the baseline has no orders, so a relative lift has no meaning"
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("arm,users,requests,orders\n", "no rows below the header"),
        ("arm,requests,orders\nA,1,1\n", "no column users; found arm, requests, orders"),
        ("user,arm,orders\nu,A,1\n", "no column requests; found user, arm, orders"),
        ("arm,users,requests,orders\nA,9,9,9\n", "found one arm, 'A', expected two or more"),
        ("arm,users,requests,orders\nA,9,9,9\nB,9,9,-1\n", "line 3: orders is '-1', expected a whole number"),
        ("arm,users,requests,orders\nA,9,NaN,9\nB,9,9,1\n", "line 2: requests is 'NaN', expected a whole number"),
        ("arm,users,requests,orders\nA,9,inf,9\nB,9,9,1\n", "line 2: requests is 'inf', expected a whole number"),
        ("arm,users,requests,orders\nA,9,9,2.5\nB,9,9,1\n", "line 2: orders is '2.5', expected a whole number"),
        ("arm,users,requests,orders\nA,9,9,\nB,9,9,1\n", "line 2: orders is '', expected a whole number"),
        ("arm,users,requests,clicks,orders\nA,9,9,3,4\nB,9,9,3,1\n", "line 2: more orders than clicks"),
        ("arm,users,requests,orders\nA,9,0,4\nB,9,9,1\n", "line 2: orders without a request"),
        ("arm,users,requests,orders\nA,9,9,4\nA,9,9,4\nB,9,9,1\n", "line 3: this arm and scenario"),
        ("arm,users,requests,orders\nA,9,9,4,1\nB,9,9,1\n", "line 2: 5 cells, expected 4 as in the header"),
        ("arm,users,requests,orders\n\nA,9,9,4\nB,9,9\n", "line 4: 3 cells, expected 4"),
        ("arm,Users,users,requests,orders\nA,9,9,9,4\n", "a column stands there twice: users"),
        ("arm|users|requests|orders\nA|9|9|4\n", "(per user), cells separated by comma, semicolon or tab"),
        ("arm;users;requests;orders\nA;9;9.000;9\nB;9;9.000;9\n", "line 2: requests is '9.000', which is 9 or 9000"),
        (f"arm,users,requests,orders\nA,9,{2**53},4\nB,9,{2**53},1\n", "requests add up to 1.8e+16, counts are exact"),
        (f"arm,users,requests,orders\nA,{10**20},9,4\nB,9,9,1\n", "expected a whole number of 0 or more"),
        ('arm,users,requests,orders\n"A,9,9,4\nB,9,9,1\n', "not a CSV in UTF-8"),
        (",users,requests,orders\nA,9,9,4\n", "no column arm"),
        ("arm,users,requests,orders\n,9,9,4\nB,9,9,1\n", "line 2: arm is empty"),
        ("user,arm,requests,orders\nu,A,3,1\nv,B,2,0\nu,B,1,0\n", "line 4: this user stands there twice"),
        (HEADER + "u,A,x,3,1\nv,B,x,2,0\nu,B,y,1,0\n", "line 4: user 'u' is in arm 'B' and in 'A'"),
        (HEADER + "u,A,x,3,1\nv,B,x,0,2\n", "line 3: orders without a request"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path, text, said):
    status, output = hinet(tmp_path, str(write(tmp_path, text)))
    assert status == 1
    assert output.startswith("Error: test.csv") and said in output and output.count("\n") == 1


def test_other_delimiters_and_a_byte_order_mark_are_read(tmp_path):
    text = "\ufeff" + TOTALS.replace(",", ";")
    assert analyse(read(write(tmp_path, text))).rows == analyse(read(write(tmp_path, TOTALS))).rows


def test_columns_without_a_name_are_left_out(tmp_path):
    expected = analyse(read(write(tmp_path, TOTALS))).rows
    numbered = "".join(f"{n},{line},,\n" for n, line in enumerate(TOTALS.splitlines())).replace("0,", ",", 1)
    assert numbered.startswith(",arm,")
    assert analyse(read(write(tmp_path, numbered))).rows == expected


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_of_another_encoding_says_which_one_is_read(tmp_path, encoding):
    (tmp_path / "test.csv").write_bytes("arm,users,requests,orders\nContr\u00f4le,9,9,9\nB,9,9,9\n".encode(encoding))
    assert "test.csv: not a CSV in UTF-8, save it as one: " in hinet(tmp_path, str(tmp_path / "test.csv"))[1]


def test_an_arm_without_an_order_is_a_reason_whichever_it_is(tmp_path):
    lines = "arm,users,requests,orders\nA,900,9000,{}\nB,910,9100,{}\n"
    for orders, reason in (((0, 330), "the baseline has no orders"), ((300, 0), "an arm has fewer than 30 orders"),
                           ((0, 0), "the baseline has no orders")):  # fmt: skip
        rows = analyse(read(write(tmp_path, lines.format(*orders))), overdispersion=2.0).rows
        assert {row["status"] for row in rows} == {"not_estimable"} and reason in rows[0]["reason"]


def test_csv_has_the_columns_of_the_table(tmp_path):
    status, output = hinet(tmp_path, str(write(tmp_path, TOTALS)), "--csv", "--overdispersion", "2")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert status == 0 and list(rows[0]) == LIFT.names
    assert (len(rows), float(rows[0]["lift"])) == (6, pytest.approx(0.0661, abs=1e-4))


def test_overdispersion_is_for_totals_and_a_share_is_of_an_arm(tmp_path):
    path = str(write(tmp_path, HEADER + users(60, "A") + users(60, "B")))
    assert "--overdispersion is for totals" in hinet(tmp_path, path, "--overdispersion", "2")[1]
    for wrong in ("nan", "1e308", "inf"):
        assert "expected an overdispersion from 1 to 1e+06" in hinet(
            tmp_path, str(write(tmp_path, TOTALS)), "--overdispersion", wrong
        )[1]
    path = str(write(tmp_path, HEADER + users(60, "A") + users(60, "B")))
    assert "a share above 0" in hinet(tmp_path, path, "--share", "A=nan", "--share", "B=1")[1]
    assert "found no arm 'Z'" in hinet(tmp_path, path, "--share", "Z=1")[1]
    assert "a share above 0 for every arm" in hinet(tmp_path, path, "--share", "A=1")[1]
    assert "found 'A', allowed: an arm and its weight" in hinet(tmp_path, path, "--share", "A")[1]


def test_the_help_of_hinet_does_not_load_the_statistics():
    code = "import sys, hinet_core.cli; print(*{'tea_tasting', 'ibis', 'scipy', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
