"""A day against the days before and the champion's: planted moves are found where they were planted, and only there."""

from datetime import date, timedelta

import pytest
import tiny_log
from tiny_log import number, tiny_contract

from hinet_core.features.tables import day_tables
from hinet_core.quality.drift import (
    CHAMPION,
    TRAILING,
    Committed,
    Reference,
    drift_rows,
    lineage,
    pending_days,
    write_drift,
)

FIRST = date(2024, 3, 6)
DAYS = [FIRST + timedelta(days=n) for n in range(5)]
LAST = DAYS[-1]
PLACES = ("home", "map")
DRIFT = {"min_rows": 100, "window_days": 3}


def values(n):
    """What an ordinary row has; the same shares every day and in every scenario."""
    tags = [["a"], ["a", "b"], [], None][n % 4]
    return {"city": "xyz"[n % 3], "price": float(n % 10), "tags": tags, "click": n % 5 == 0}


def logged(root, change=lambda day, place, n: {}, rows=200):
    found = []
    for day in DAYS:
        start = number(day) * 24 * tiny_log.HOUR_US
        for place in PLACES:
            for n in range(rows):
                given = {"user": f"u{n % 50}", "shop": n % 7, "place": place} | values(n) | change(day, place, n)
                found.append(tiny_log.row("UTC", start + 1 + n, n, **given))
    return tiny_log.write_ingest(root, found)


def contract(**quality):
    return tiny_contract(quality={"drift": DRIFT | quality})


def failed(con, lake, champion=None, day=LAST, **quality):
    rows = list(drift_rows(con, contract(**quality), lake, day, champion))
    return {(one.reference, one.feature, one.scenario_id, one.metric) for one in rows if one.status == "fail"}


def test_equal_days_do_not_drift(con, tmp_path):
    rows = list(drift_rows(con, contract(), logged(tmp_path), DAYS[-2]))
    assert {one.status for one in rows} == {"pass"}
    assert {(one.feature, one.kind) for one in rows} == {
        ("scenario_id", "id"), ("shop", "id"), ("city", "id"), ("price", "number"), ("tags", "list"),
        ("click", "label"), ("order", "label"),
    }  # fmt: skip
    assert all(one.value == pytest.approx(0, abs=0.01) for one in rows)
    assert {one.n for one in rows if one.scenario_id} == {200}
    assert {one.n_reference for one in rows if one.scenario_id} == {600}


@pytest.mark.parametrize(
    ("feature", "value"), [("city", "elsewhere"), ("price", 25.0), ("price", None), ("tags", ["new"])]
)
def test_a_planted_move_is_found_in_its_scenario_only(con, tmp_path, feature, value):
    lake = logged(tmp_path, lambda day, place, n: {feature: value} if (day, place) == (LAST, "map") and n % 2 else {})
    assert failed(con, lake) == {(TRAILING, feature, "map", "psi"), (TRAILING, feature, "map", "js")}


def test_the_note_names_what_moved_most_but_never_a_user(con, tmp_path):
    lake = logged(tmp_path, lambda day, place, n: {"city": "Rome"} if day == LAST else {})
    columns = [one | {"encode": "id"} if one["name"] == "user" else one for one in tiny_log.CONTRACT["columns"]]
    rows = list(drift_rows(con, tiny_contract(columns=columns, quality={"drift": DRIFT}), lake, LAST))
    city = next(one for one in rows if one.feature == "city" and one.metric == "psi")
    assert city.note == "at most 0.25, days before up to 0.00085; others from 0.0% to 100.0%"
    assert city.finding().sentence.startswith("found psi of city against the trailing days ")
    assert all("u1" not in one.note and "value" in one.note for one in rows if one.feature == "user")


def test_a_rate_that_moved_is_found_with_its_interval(con, tmp_path):
    lake = logged(tmp_path, lambda day, place, n: {"click": n % 2 == 0} if (day, place) == (LAST, "home") else {})
    assert failed(con, lake) == {(TRAILING, "click", "home", "rate_change")}
    rows = drift_rows(con, contract(), lake, LAST)
    (click,) = [one for one in rows if one.feature == "click" and one.scenario_id == "home"]
    assert click.value == pytest.approx(0.3) and 0.2 < click.low < 0.3 < click.high < 0.4
    assert click.note == "rate from 0.2 to 0.5, at most 0.25 of it"


def test_a_feature_that_differs_between_any_two_days_is_not_called_drift(con, tmp_path):
    """Its day is beyond the bound, and so is every day of the reference."""
    lake = logged(tmp_path, lambda day, place, n: {"price": float(n % 10 + 4 * (day.toordinal() % 3))})
    rows = [one for one in drift_rows(con, contract(), lake, LAST) if one.feature == "price"]
    assert all(one.value > 0.25 for one in rows) and {one.status for one in rows} == {"pass"}
    moved = logged(tmp_path / "moved", lambda day, place, n: {"price": 1e6} if day == LAST else {})
    assert (TRAILING, "price", "home", "psi") in failed(con, moved)


def test_computed_features_are_compared_once_their_windows_are_filled(con, tmp_path):
    lake, one_day = logged(tmp_path), contract(window_days=1, min_days=1)
    for table in day_tables(one_day):
        table.write(con, one_day, lake, DAYS)

    def compared(day):
        return {one.feature: one for one in drift_rows(con, one_day, lake, day) if one.scenario_id != ""}

    early, late = compared(DAYS[2]), compared(DAYS[4])
    assert "city_impressions_1d" in early and "city_impressions_3d" not in early and "user_recency_days" not in early
    assert {"city_impressions_1d", "city_impressions_3d", "user_recency_days"} <= set(late)
    constant = late["scenario_impressions_1d"]
    assert constant.status == "not_judged" and constant.note.startswith("no verdict: a single value all day")


def test_few_rows_get_no_verdict_and_say_so(con, tmp_path):
    lake = logged(tmp_path, lambda day, place, n: {"city": "Rome"} if day == LAST else {}, rows=99)
    rows = list(drift_rows(con, contract(), lake, LAST))
    assert {one.status for one in rows if one.scenario_id} == {"low_count"}
    city = next(one for one in rows if one.feature == "city")
    assert city.value > 0.25 and city.n == 99 and city.note.startswith("no verdict below 100 rows; ")


def test_unsettled_labels_get_no_verdict_until_they_are(con, tmp_path):
    lake = logged(tmp_path)
    orders = [one for one in drift_rows(con, contract(), lake, LAST) if one.feature == "order"]
    assert [(one.status, one.n) for one in orders] == [("low_count", 0), ("low_count", 0)]
    orders = [one for one in drift_rows(con, contract(), lake, DAYS[-2]) if one.feature == "order"]
    assert [(one.status, one.n) for one in orders] == [("pass", 200), ("pass", 200)]


def test_the_champion_compares_with_what_it_learned_from(con, tmp_path):
    lake = logged(tmp_path, lambda day, place, n: {"city": "Rome"} if day > DAYS[0] else {})
    champion = Reference(CHAMPION, (DAYS[0],), "hinet-1")
    assert {reference for reference, *_ in failed(con, lake, champion, min_days=1)} == {CHAMPION}
    few = [one for one in drift_rows(con, contract(), lake, LAST, champion) if one.reference == CHAMPION]
    assert {one.status for one in few if one.kind != "label"} == {"not_judged"}  # one day says little of others
    assert failed(con, lake, champion, day=DAYS[0]) == set()  # it learned from this day
    assert list(drift_rows(con, contract(), lake, DAYS[0])) == []  # nothing before the first day


def test_days_are_made_again_when_rows_champion_bounds_or_settled_labels_change(con, tmp_path):
    lake, usual = logged(tmp_path), contract()
    assert pending_days(usual, lake, None) == DAYS
    for day in DAYS:
        write_drift(con, usual, lake, day)
    assert pending_days(usual, lake, None) == []
    assert pending_days(usual, lake, Reference(CHAMPION, (DAYS[0],), "hinet-1")) == DAYS[1:]
    assert pending_days(contract(max_psi=0.5), lake, None) == DAYS
    with lake.begin("ingest", DAYS[1]) as draft:
        draft.write("impressions", f"SELECT * FROM '{lake.files('impressions', [DAYS[1]])[0]}' LIMIT 300", con)
        draft.commit()
    assert pending_days(usual, lake, None) == DAYS[1:]  # the day, and those within three days of it
    assert lineage(usual, Committed(lake), LAST, None)["settled"] == ["click"]
    assert lake.scan(con, "drift").aggregate("count(*)").fetchall()[0][0] > 0
