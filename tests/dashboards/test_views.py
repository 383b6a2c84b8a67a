"""Each page in each state, without a browser, against the planted values."""

import json
from pathlib import Path

import duckdb
import pytest
from planted_lake import LIFTS

from dashboards import published
from hinet_core.publish import schema

LIFTED = ["Home", "Nearby", "Search", "Late night", "Coupons", "New shops"]
VIEWS = {"overview": "Overview", "metrics": "Scenario metrics", "lift": "Order lift", "quality": "Data quality"}


def text_of(app) -> str:
    """All words of a page, sidebar included."""
    kinds = ("title", "header", "markdown", "caption", "info", "warning", "error")
    parts = [str(one.value) for kind in kinds for one in app.get(kind)]
    parts += [f"{one.label} {one.value}" for one in app.metric]
    return "\n".join(parts)


def frames(app) -> list:
    return [one.value for one in app.dataframe]


def snapshot_file(home: Path) -> Path:
    folder = home / "tea" / "published"
    return folder / json.loads((folder / "current.json").read_text())["file"]


@pytest.mark.parametrize("view", VIEWS)
def test_filled(open_app, filled_home, view):
    app = open_app(filled_home, view, contract="tea")
    assert not app.exception
    assert [one.value for one in app.title] == [VIEWS[view]]
    assert "data through 2026-03-14" in text_of(app)
    assert len(app.get("vega_lite_chart")) >= 1
    assert len(app.get("download_button")) >= len(app.get("vega_lite_chart"))


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_published(open_app, tmp_path, view):
    app = open_app(tmp_path, view)
    assert not app.exception
    assert [one.value for one in app.title] == [VIEWS[view]]
    assert "Nothing is published yet." in app.info[0].value and "make run" in app.info[0].value


@pytest.mark.parametrize("view", VIEWS)
def test_published_but_empty(open_app, bare_home, view):
    app = open_app(bare_home, view)
    assert not app.exception
    assert [one.value for one in app.title] == [VIEWS[view]]
    assert "yet" in app.info[0].value


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("damage", ["garbage", "empty", "gone", "pointer"])
def test_unreadable(open_app, own_home, view, damage):
    file = snapshot_file(own_home)
    if damage == "garbage":
        file.write_bytes(b"not a database" * 1000)
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "gone":
        file.unlink()
    else:
        (file.parent / "current.json").write_text('{"file": 3')
    app = open_app(own_home, view)
    assert not app.exception
    assert [one.value for one in app.title] == [VIEWS[view]]
    assert "cannot be read" in app.error[0].value and "Publish again" in app.error[0].value
    assert [one.label for one in app.button] == ["Retry"]


@pytest.mark.parametrize("view", VIEWS)
def test_other_schema_version(open_app, own_home, view):
    con = duckdb.connect(str(snapshot_file(own_home)))
    con.execute("UPDATE publish_manifest SET schema_version = 7")
    con.close()
    app = open_app(own_home, view)
    assert not app.exception
    assert "version 1, the snapshot has version 7" in app.error[0].value


def test_both_sides_name_the_same_version():
    assert published.SCHEMA_VERSION == schema.SCHEMA_VERSION


def test_overview_shows_the_planted_values(open_app, filled_home):
    app = open_app(filled_home, contract="tea")
    cards = {one.label: one.value for one in app.metric}
    assert cards == {
        "Click: AUC, pooled": "0.7132",
        "Order: AUC, pooled": "0.7432",
        "Order lift, pooled": "+1.87 %",
        "Critical failures": "1",
    }
    text = text_of(app)
    assert "**HiNet** is champion (latest run)." in text
    assert "95 % interval 0.7102 to 0.7162, n = 40\u202f000" in text
    assert "+0.0120 against Shared bottom" in text
    attention = frames(app)[-1]
    assert list(attention["severity"]) == ["critical", "critical", "warning", "warning", "info"]
    assert "metrics of Order are undefined: one class only" in list(attention["what"])


def test_metrics_page_shows_the_chosen_cells(open_app, filled_home):
    app = open_app(filled_home, "metrics", contract="tea")
    table = frames(app)[0].set_index(["scenario", "model"])
    assert table.loc[("All, pooled", "HiNet"), "value"] == pytest.approx(0.7132)
    assert table.loc[("Home", "MMoE"), "value"] == pytest.approx(0.7052 - 0.02)
    assert "HiNet has the best AUC: 0.7132" in text_of(app)
    app.selectbox(key="task").select("order").run()
    assert not app.exception
    assert "New shops: n/a, one class only (HiNet, Shared bottom, MMoE)" in text_of(app)
    undefined = frames(app)[0].set_index(["scenario", "model"]).loc[("New shops", "HiNet")]
    assert undefined.isna()["value"] and undefined["null_reason"] == "one class only"
    assert "low n" in text_of(app)


def test_metrics_page_shows_differences(open_app, filled_home):
    app = open_app(filled_home, "metrics", contract="tea")
    app.session_state["show"] = "Differences"
    app.run()
    assert not app.exception
    table = frames(app)[0].set_index(["scenario", "model"])
    assert table.loc[("All, pooled", "HiNet"), "delta"] == pytest.approx(0.012)
    assert "Difference to Shared bottom" in text_of(app)
    app.selectbox(key="metric").select("logloss").run()
    assert "No paired difference is published for Logloss" in app.info[0].value


def test_a_link_restores_the_choices_and_a_bad_value_falls_back(open_app, filled_home):
    assert open_app(filled_home, contract="tea").selectbox(key="contract").value == "tea"
    assert open_app(filled_home, contract="'; DROP TABLE runs").selectbox(key="contract").value == "refused"


def test_no_model_chosen_is_said(open_app, filled_home):
    app = open_app(filled_home, "metrics", contract="tea")
    app.multiselect(key="models").set_value([]).run()
    assert not app.exception
    assert "No row is left." in app.info[0].value


def test_lift_page_shows_the_planted_lift(open_app, filled_home):
    app = open_app(filled_home, "lift", contract="tea")
    text = text_of(app)
    assert "**More orders are expected.**" in text and "**+1.87 %** against Shared bottom" in text
    assert "95 % interval +0.96 % to +2.78 %" in text and "Simulated, world 5f3a9c1d" in text
    assert "published online, other data" in text
    assert "3 better, 3 no detectable difference" in text
    assert "p_bh is adjusted by Benjamini and Hochberg over 6 scenarios." in text
    forest, table = frames(app)[:2]
    assert list(forest["row"]) == ["All, pooled", "Home", "Nearby", "Search", "Late night", "Coupons", "New shops"]
    assert list(forest["lift_pct"]) == pytest.approx([100 * lift for lift, _, _ in LIFTS.values()])
    assert list(table["oracle_lift, %"]) == [11.6] * 7 and list(table["random_lift, %"]) == [-18.7] * 7
    cards = {one.label: one.value for one in app.metric}
    assert cards["Share of what a perfect ranking gains"] == "16.1 %"


def test_lift_page_shows_the_test_beside_the_expected_lift(open_app, filled_home):
    app = open_app(filled_home, "lift", contract="tea")
    text = text_of(app)
    assert "9\u202f000 requests by 3\u202f100 users, half of them in each arm, shows **+3.10 %**" in text
    assert "(95 % interval \N{MINUS SIGN}1.20 % to +7.60 %, 905 and 933 orders)" in text
    assert "The expected lift is +1.87 % (95 % interval +0.96 % to +2.78 %)" in text
    assert "**Under-powered**: it finds 6.1 % with 80 % power" in text
    assert "**✓ OK**: users split 1\u202f563 to 1\u202f537 (p 0.62)" in text
    table = frames(app)[2]
    assert list(table["seen by"][:3]) == ["expected (L1)", "replay with the same luck (L2)", "online test (L3)"]
    assert list(table["lift, %"][:3]) == pytest.approx([1.87, 1.97, 3.1])
    assert list(table["scenario"])[::3] == ["All, pooled", *LIFTED]
    assert "After 3 days the interval that may be looked at daily is \N{MINUS SIGN}16.67 % to +20.00 %." in text
    assert "Pooled: 1 holds, 1 undecided. In scenarios: broken are Price shown in Coupons." in text
    assert "**7 of 8 figures are within their bounds**, 2026-03-12, 200 simulated tests each, commit 1a2b3c4d" in text
    assert "told apart at 5 % in 5.0 % of them" in text
    days, guards, figures = frames(app)[3:6]
    assert list(days["day"]) == [1, 2, 3] and list(days["true_pct"]) == pytest.approx([1.87] * 3)
    assert days["sequential_high_pct"][1:].tolist() == pytest.approx([30.0, 20.0])
    assert days["reason"][0] == "insufficient: 3 orders" and days.isna()["lift_pct"][0]
    assert set(guards["verdict"]) == {"✓ holds", "? undecided", "✗ broken"}
    assert list(figures["inside"]) == [False] + [True] * 7
    assert len(app.get("vega_lite_chart")) == 3  # the third is of the log's own estimates


def test_a_snapshot_from_before_the_test_still_shows_its_lift(open_app, own_home):
    con = duckdb.connect(str(snapshot_file(own_home)))
    for table in ("lift_test", "lift_guardrails", "lift_days", "lift_splits", "lift_calibration"):
        con.execute(f"DROP TABLE {table}")
    con.close()
    app = open_app(own_home, "lift")
    assert not app.exception
    assert "**+1.87 %** against Shared bottom" in text_of(app)
    assert [one.value for one in app.info][1:3] == [
        "No simulated test of these rankings is committed. Materialize `lift_test`, then publish.",
        "No calibration is committed. Materialize `lift_calibration`, which takes about a minute.",
    ]


def test_lift_that_is_not_estimable_is_a_sentence_and_no_number(open_app, filled_home):
    app = open_app(filled_home, "lift", contract="refused")
    assert not app.exception
    assert "**Not estimable**, because the log carries no propensities and no world is known." in app.warning[0].value
    assert not app.metric and not app.get("vega_lite_chart")
    assert "Not estimable: the log carries no propensities" in text_of(open_app(filled_home, contract="refused"))


def test_quality_page_shows_the_blocked_day_and_the_gap(open_app, filled_home):
    app = open_app(filled_home, "quality", contract="tea")
    cards = {one.label: one.value for one in app.metric}
    assert cards["Checks run"] == "156" and cards["Failed, critical"] == "1"
    assert cards["Failed, warning or info"] == "1" and cards["Days kept out or missing"] == "2 of 14"
    text = text_of(app)
    assert "newest on 2026-03-09" in text and "1 blocked, 1 without data" in text
    days, _, failures = frames(app)[:3]
    assert days["rows_read"].sum() == days[["rows_kept", "rows_duplicate", "rows_quarantined"]].sum().sum()
    assert list(failures["severity"]) == ["critical", "warning"]
    assert list(failures["day_status"]) == ["blocked", "committed"]
    counters = frames(app)[-1].set_index("counter")["rows"].to_dict()
    assert counters == {"funnel_violation": 84, "reason": 60}


def test_a_new_snapshot_shows_on_the_next_run(open_app, own_home, filled_home):
    app = open_app(own_home)
    folder = own_home / "tea" / "published"
    other = folder / "pub-20990101T000000Z-abcdefabcdef.duckdb"
    other.write_bytes(snapshot_file(own_home).read_bytes())
    pointer = {"file": other.name, "publish_id": "abcdefabcdef", "published_at": "2099-01-01T00:00:00Z"}
    (folder / "current.json").write_text(json.dumps(pointer))
    app.run()
    assert not app.exception
    assert "Snapshot `abcdefab`" in text_of(app)


def test_an_old_snapshot_is_late(open_app, own_home):
    path = own_home / "tea" / "published" / "current.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"published_at": "2020-01-01T00:00:00Z"}))
    assert "LATE" in text_of(open_app(own_home))


def test_the_connection_is_locked_down(own_home, monkeypatch):
    monkeypatch.setenv("HINET_HOME", str(own_home))
    snapshot = published.open_snapshot("tea")
    for forbidden in (
        f"COPY runs TO '{own_home}/out.csv'",
        f"SELECT * FROM read_text('{own_home}/tea/published/current.json')",
        "ATTACH ':memory:' AS other",
        "SET threads = 8",
        "DELETE FROM runs",
    ):
        with pytest.raises(duckdb.Error):
            published.query(snapshot, forbidden)


def test_the_pages_import_nothing_of_the_pipeline():
    for path in (Path(published.__file__).parent).rglob("*.py"):
        assert "hinet_core" not in path.read_text() and "orchestration" not in path.read_text(), path
