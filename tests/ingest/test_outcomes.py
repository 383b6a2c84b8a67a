"""Outcomes in files of their own: before, after or twice, each changes exactly the days that it touches."""

import json

import pytest
from late_log import part_of, write_csv
from late_orders import D27, D29, D30, EXPECTED, ORDERS, SHOWN, ingest, shown

from hinet_core.contract import parse_contract
from hinet_core.lake import Lake


def commits(paths):
    """Day -> the run that wrote it and the content of its impressions."""
    lake = Lake(paths.lake)
    found = {day: lake.manifest("ingest", day) for day in lake.days("ingest")}
    return {day: (one.run, one.hash_of("impressions")) for day, one in found.items()}


def changed(before, after):
    """Days written anew, and days whose rows differ."""
    return (
        [day for day in after if before[day][0] != after[day][0]],
        [day for day in after if before[day][1] != after[day][1]],
    )


def test_outcomes_that_landed_with_their_exposures_are_joined(late, paths, con):
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    write_csv(paths.landing, "log_1.csv", SHOWN)
    assert ingest(late, paths) == [D27, D29, D30]
    assert shown(paths, con) == EXPECTED
    assert ingest(late, paths) == []


def test_a_late_file_rewrites_exactly_the_days_that_it_touches(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    before = commits(paths)
    assert {(row[2], row[5]) for row in shown(paths, con)} == {(0, 48)}
    write_csv(paths.landing, "orders_1.csv", ORDERS[:1])
    assert ingest(late, paths) == [D27]
    write_csv(paths.landing, "orders_2.csv", ORDERS[1:])
    assert ingest(late, paths) == [D29]
    assert shown(paths, con) == EXPECTED
    assert changed(before, commits(paths)) == ([D27, D29], [D27, D29])


def test_a_file_that_touches_nothing_is_compared_once_and_only_with_days_in_reach(late, paths, monkeypatch):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    write_csv(paths.landing, "orders_1.csv", ["99,a,1,2026-03-27T12:00:00Z,1", "1,z,1,2026-03-27T12:00:00Z,1"])
    assert ingest(late, paths) == []
    (compared,) = json.loads((paths.lake / "_untouched.json").read_text())["untouched"].values()
    assert list(compared) == [D27.isoformat()]
    monkeypatch.setattr("hinet_core.ingest.touched.stage_outcomes", None)
    assert ingest(late, paths) == []


def test_an_outcome_that_waits_is_joined_when_its_exposure_comes(late, paths, con):
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    write_csv(paths.landing, "log_1.csv", SHOWN[:2])
    assert ingest(late, paths) == [D27]
    write_csv(paths.landing, "log_2.csv", SHOWN[2:])
    assert ingest(late, paths) == [D29, D30]
    assert shown(paths, con) == EXPECTED


def test_a_file_delivered_twice_and_repeated_rows_change_nothing(late, paths):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_5.csv", ORDERS)
    ingest(late, paths)
    before = commits(paths)
    for name in ("orders_1.csv", "orders_9.csv"):
        write_csv(paths.landing, name, ORDERS)
        assert ingest(late, paths) == []
    write_csv(paths.landing, "orders_8.csv", [ORDERS[0], ORDERS[0]])
    assert ingest(late, paths) == [D27]
    assert changed(before, commits(paths)) == ([D27], [])


def test_a_corrected_or_a_removed_file_is_taken_back(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    before = commits(paths)
    write_csv(paths.landing, "orders_1.csv", ORDERS)
    ingest(late, paths)
    write_csv(paths.landing, "orders_1.csv", ["4,c,1,2026-03-30T07:00:00Z,1"])
    assert ingest(late, paths) == [D27, D29, D30]
    assert [row[:3] for row in shown(paths, con) if row[2]] == [(4, "c", 1)]
    (paths.landing / "orders_1.csv").unlink()
    assert ingest(late, paths) == [D30]
    assert changed(before, commits(paths))[1] == []


def test_an_outcome_counts_inside_its_window_and_not_before_its_exposure(late, raw, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    lines = [
        "1,a,1,2026-03-28T10:00:00Z,1",  # the last moment of the window
        "1,b,1,2026-03-28T10:00:00.000001Z,2",  # after it
        "2,a,1,2026-03-28T23:29:59Z,3",  # before the exposure
        "4,c,1,2026-03-29T22:00:00Z,4",  # at once
    ]
    write_csv(paths.landing, "orders_1.csv", lines)
    ingest(late, paths)
    assert [row for row in shown(paths, con) if row[3]] == [(1, "a", 1, 1, 1.0, 24), (4, "c", 1, 1, 4.0, 0)]
    part_of(raw, "sources", "orders")["early"] = "1s"
    ingest(parse_contract(raw), paths)
    assert (2, "a", 1, 1, 3.0, 0) in shown(paths, con)  # known at the exposure, not before


def test_days_are_those_of_the_contract_also_when_the_clock_changes(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    lines = ["2,a,1,2026-03-29T22:00:00Z,1", "3,c,1,2026-03-29T21:59:59Z,1", "4,c,1,2026-03-30T22:00:00Z,1"]
    write_csv(paths.landing, "orders_1.csv", lines)
    assert ingest(late, paths) == [D29, D30]
    found = shown(paths, con, "request, item, day, known_day_order - day_number, label_order")
    assert [row for row in found if row[4]] == [(2, "a", D29, 1, 1), (3, "c", D29, 0, 1), (4, "c", D30, 1, 1)]


def test_an_outcome_without_a_time_is_refused_unless_the_contract_allows_it(late, raw, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    ingest(late, paths)
    write_csv(paths.landing, "orders_1.csv", ["1,a,1,,1", "2,a,0,,"])
    assert ingest(late, paths) == []
    part_of(raw, "columns", "ordered_at")["nullable"] = True
    ingest(parse_contract(raw), paths)
    # It belongs by its key alone, and is known when its exposure is settled.
    found = [row for row in shown(paths, con) if row[3] is not None]
    assert found == [(1, "a", 1, 1, 1.0, 48), (2, "a", 0, 0, None, 48)]
    write_csv(paths.landing, "orders_2.csv", ["4,c,1,,2"])
    assert ingest(parse_contract(raw), paths) == [D30]


def test_several_rows_of_one_exposure_give_the_earliest_that_counts(late, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_2.csv", ["1,a,0,2026-03-27T10:30:00Z,5", "1,a,1,2026-03-27T13:00:00Z,6"])
    write_csv(paths.landing, "orders_1.csv", ["1,a,1,2026-03-27T12:00:00Z,7", "1,a,1,2026-03-27T10:30:00Z,8"])
    ingest(late, paths)
    # Of two rows at 10:30 the smaller is shown, whatever their files; the label is that of the earliest positive.
    assert shown(paths, con)[0] == (1, "a", 1, 0, 5.0, 0.5)


def test_without_the_earlier_step_an_outcome_is_clipped_or_refused_as_the_contract_says(late, raw, paths, con):
    write_csv(paths.landing, "log_1.csv", SHOWN)
    write_csv(paths.landing, "orders_1.csv", ["3,d,1,2026-03-29T23:00:00Z,3", "3,c,1,2026-03-29T23:00:00Z,4"])
    ingest(late, paths)
    assert shown(paths, con)[3:5] == [(3, "c", 1, 1, 4.0, pytest.approx(1, 1e-3)), (3, "d", 0, 1, 3.0, 48)]
    part_of(raw, "tasks", "order")["on_violation"] = "quarantine"
    ingest(parse_contract(raw), paths)
    # The outcome is refused, not the exposure, which features may have counted already.
    assert shown(paths, con)[3:5] == [(3, "c", 1, 1, 4.0, pytest.approx(1, 1e-3)), (3, "d", 0, None, None, 48)]
    matches = Lake(paths.lake).scan(con, "outcome_matches").project("log_record, outcome_record, reason")
    assert sorted(matches.fetchall()) == [(4, 2, None), (5, 1, "order: without click")]
