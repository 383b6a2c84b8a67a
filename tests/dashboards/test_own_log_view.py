"""The parts of the lift page on what a log says by itself: estimates, gates, refusals, and tests of one's own."""

import json
from pathlib import Path

import duckdb
import pytest
from planted_own_log import FEW, WORTHLESS
from test_views import frames, text_of

pytestmark = pytest.mark.slow


def by_columns(app, *columns: str):
    """The only table of the page with these columns."""
    (found,) = [frame for frame in frames(app) if set(columns) <= set(frame.columns)]
    return found


def test_an_estimate_stands_with_its_interval_beside_its_truth_and_the_refusals(open_app, filled_home):
    app = open_app(filled_home, "lift", contract="tea")
    assert not app.exception
    text = text_of(app)
    assert "From your own log" in text and "Estimated from rows with `arm=old` of 2026-03-13 to 2026-03-14" in text
    # The newest day, by DR; the older one is a point lower.
    assert "**All, pooled: +12.34 % (95 % interval +7.34 % to +17.34 %)** by DR, from 4\u202f000 rows" in text
    assert "Its own rows show +11.34 %" in text
    assert f"**Nearby**: refused, because {WORTHLESS}." in text
    drawn = by_columns(app, "row", "model", "low_n").set_index(["row", "model"])
    assert drawn.loc[("All, pooled", "SNIPS"), "value"] == pytest.approx(12.34)
    assert drawn.loc[("Home", "DR"), "low_n"] and not drawn.loc[("All, pooled", "DR"), "low_n"]
    assert "Nearby" not in {row for row, _ in drawn.index}
    assert {model for _, model in drawn.index} == {"IPS", "SNIPS", "DR", "its own rows"}
    table = by_columns(app, "estimator", "of", "log_rows")
    assert list(table["estimator"]) == ["IPS", "SNIPS", "DR", "Switch-DR", "direct method"] * 6
    assert list(table["of"][:10]) == ["outcomes per request"] * 5 + ["lift"] * 5
    assert set(table[table["scenario"] == "Nearby"]["status"]) == {"refused"}
    check_gates(app)
    check_a_question_that_is_refused_as_a_whole(app)


def check_gates(app):
    assert "Gates: 3 pass, 1 amber, 1 refused." in text_of(app)
    gates = by_columns(app, "gate", "verdict", "found", "rule").set_index(["scenario", "gate"])
    assert list(gates.loc["Home"].index) == ["Rows that can be weighted", "Outcomes that the estimate leans on"]
    refused = gates.loc[("Nearby", "Rows that the weights are worth")]
    assert (refused["verdict"], refused["found"], refused["reason"]) == ("✗ refused", 2.1, WORTHLESS)
    amber = gates.loc[("Home", "Outcomes that the estimate leans on")]
    assert (amber["verdict"], amber["reason"]) == ("! amber", FEW)


def check_a_question_that_is_refused_as_a_whole(app):
    charts = len(app.get("vega_lite_chart"))
    app.selectbox(key="question").select("bare").run()
    assert not app.exception
    said = "**Refused**: All, pooled, because 3 of 4000 rows have no propensity."
    assert said in [one.value for one in app.warning]
    assert "**Home**: refused, because 3 of 4000 rows have no propensity." in text_of(app)
    assert len(app.get("vega_lite_chart")) == charts - 1


def test_an_observed_test_stands_beside_the_simulated_lift(open_app, filled_home):
    app = open_app(filled_home, "lift", contract="tea")
    app.selectbox(key="test").select("*March* sale").run()
    assert not app.exception
    observed = [one.value for one in app.info if "Observed by you, not simulated" in one.value]
    assert len(observed) == 1 and "\\*March\\* sale" in observed[0] and "march.csv" in observed[0]
    # 360 / 9100 over 300 / 9000
    assert "B against A: **+18.68 %** orders per request (95 % interval" in text_of(app)
    assert "split of users 900 / 910" in text_of(app)
    table = by_columns(app, "arm", "simulated lift, %").set_index(["scenario", "metric"])
    home = table.loc[("Home", "Orders per request")]
    assert home["lift, %"] == pytest.approx(100 * (245 / 6100 / (200 / 6000) - 1), abs=1e-3)
    assert home["simulated lift, %"] == pytest.approx(1.21)
    drawn = [one for one in frames(app) if "model" in one and "observed by you" in set(one["model"])]
    assert len(drawn) == 1 and set(drawn[0]["model"]) == {"observed by you", "simulated"}
    check_a_test_whose_users_were_not_split(app)


def check_a_test_whose_users_were_not_split(app):
    app.selectbox(key="test").select("Broken split").run()
    assert not app.exception
    assert any("**Not estimable**: B against A, because the users are not split" in one.value for one in app.warning)
    assert "**✗ FAILED**: split of users 600 / 910" in text_of(app)
    assert not [one for one in frames(app) if "model" in one and "observed by you" in set(one["model"])]


def test_a_log_without_either_says_what_it_would_take(open_app, filled_home, own_home):
    for app in (open_app(filled_home, "lift", contract="refused"), older(open_app, own_home)):
        assert not app.exception
        text = text_of(app)
        assert "Nothing is estimated from the rows of this log. That takes the probability" in text
        assert "No test of your own is kept with this log." in text


def older(open_app, home: Path):
    """The page on a snapshot from before these tables."""
    folder = home / "tea" / "published"
    file = folder / json.loads((folder / "current.json").read_text())["file"]
    with duckdb.connect(str(file)) as con:
        for table in ("off_policy", "off_policy_gates", "own_tests", "own_test_splits"):
            con.execute(f"DROP TABLE {table}")
    return open_app(home, "lift", contract="tea")
