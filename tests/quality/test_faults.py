"""One planted fault per kind of check: exactly that check fails, and says what to do."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import good_day
import pytest
from good_day import COUNTS, DAY, N_ROWS, plant

from hinet_core import quality
from hinet_core.quality.kinds import BY_NAME, KINDS

# Each test judges a day or two with the whole suite.
pytestmark = pytest.mark.slow


def judged(con: Any, contract: Any = None, counts: dict[str, int] | None = None, **more: Any) -> list[quality.Finding]:
    return quality.audit(con, contract or good_day.contract(), "impressions", DAY, counts or COUNTS, **more).findings


def failed(findings: list[quality.Finding]) -> set[str]:
    return {one.kind for one in findings if one.status == "fail"}


def keep_counts(con: Any) -> dict[str, int]:
    """Counts that reconcile with the table as it is now."""
    rows = con.execute("SELECT count(*) FROM impressions").fetchall()[0][0]
    return {"rows_read": rows, "rows_kept": rows, "rows_duplicate": 0, "rows_quarantined": 0}


@dataclass
class Fault:
    """How to plant a fault of a kind; `offending` is how many rows or facts it makes fail. `past`: good days before."""

    kind: str
    plant: Callable[[Any], Any] = lambda con: None
    offending: int = 1
    counts: dict[str, int] = field(default_factory=dict)
    bounds: dict[str, Any] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    past: bool = False


def repeat_a_row(con: Any) -> None:
    con.execute("INSERT INTO impressions SELECT * REPLACE (9999 AS record_number) FROM impressions WHERE "
                "record_number = 5")  # fmt: skip


def lose_rows_of(con: Any, scenario: str, keep: int) -> None:
    con.execute(
        f"DELETE FROM impressions WHERE scenario_id = '{scenario}' AND record_number NOT IN (SELECT record_number "
        f"FROM impressions WHERE scenario_id = '{scenario}' ORDER BY record_number LIMIT {keep})"
    )


IN_SEARCH = "scenario_id = 'search'"
FAULTS = [
    Fault("not_empty", lambda con: con.execute("DELETE FROM impressions")),
    Fault("min_rows", bounds={"min_rows": N_ROWS + 1}),
    Fault("reconciled", counts={**COUNTS, "rows_read": 2503}),
    Fault("column_type", lambda con: con.execute("ALTER TABLE impressions ALTER price TYPE VARCHAR")),
    Fault("not_null", lambda con: plant(con, "device", "NULL", "record_number IN (3, 4, 50)"), 3),
    Fault("value_range", lambda con: plant(con, "price", "99.91", "record_number < 8"), 8),
    Fault("value_set", lambda con: plant(con, "device", "'toaster'", "record_number = 77")),
    Fault("pattern", lambda con: plant(con, "request_id", "'r12345'", "record_number = 77")),
    Fault("unique_key", repeat_a_row, 2),
    Fault("funnel_order", lambda con: plant(con, "label_order", "1", "record_number = 1")),
    Fault("known_time", lambda con: plant(con, "known_us_order", "exposed_us - 1", "record_number = 1")),
    Fault("day_matches", lambda con: plant(con, "exposed_us", "exposed_us - 30000000", "record_number = 0")),
    Fault("known_scenario", lambda con: plant(con, "scenario_id", "'attic'", "record_number = 9")),
    Fault("unknown_scenario_share", counts={**COUNTS, "unknown_scenario": 1}),
    Fault("quarantined_share", counts={**COUNTS, "rows_read": 2600, "rows_quarantined": 140}),
    Fault("duplicate_share", counts={**COUNTS, "rows_read": 2640, "rows_duplicate": 200}),
    Fault("scenario_duplicates", duplicates={"home": 900}),
    Fault("null_share", lambda con: plant(con, "age", "NULL", IN_SEARCH)),
    Fault("scenario_volume", lambda con: lose_rows_of(con, "home", 480)),
    Fault("scenario_seen", lambda con: lose_rows_of(con, "search", 0)),
    Fault("stray_scenario", lambda con: plant(con, "scenario_id", "'old'", "record_number % 7 = 0")),
    Fault("task_rate", lambda con: plant(con, "label_click", "1", "scenario_id = 'home'")),
    Fault("volume_change", lambda con: lose_rows_of(con, "search", 200), past=True),
    Fault("null_change", lambda con: plant(con, "tags", "NULL", f"{IN_SEARCH} AND record_number % 2 = 0"), past=True),
    Fault("rate_change", lambda con: plant(con, "label_order", "1", f"{IN_SEARCH} AND record_number % 12 IN (3, 6)"),
          past=True),
    Fault("new_share", lambda con: plant(con, "city", "'Paris'", f"{IN_SEARCH} AND record_number % 5 = 0"), past=True),
]


def test_a_day_without_fault_passes_everything(con, tmp_path):
    good_day.fill(con)
    findings = judged(con, lake=good_day.remember(con, tmp_path, range(1, 29)), duplicates={})
    assert [one.check_name for one in findings if "not judged" in one.note] == []
    assert failed(findings) == set()
    assert {one.kind for one in findings} == set(BY_NAME)
    keys = [(one.check_name, one.scenario_id) for one in findings]
    assert len(keys) == len(set(keys))


def test_every_kind_has_a_fault():
    assert [one.kind for one in FAULTS] == [kind.name for kind in KINDS]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_exactly_the_planted_fault_is_found(con, tmp_path, fault):
    good_day.fill(con)
    lake = good_day.remember(con, tmp_path, range(1, 15)) if fault.past else None
    fault.plant(con)
    contract = good_day.contract(quality={**good_day.RAW["quality"], **fault.bounds})
    counts = fault.counts or keep_counts(con)
    findings = judged(con, contract, counts, lake=lake, duplicates=fault.duplicates)
    assert failed(findings) == {fault.kind}
    (finding,) = [one for one in findings if one.status == "fail"]
    kind = BY_NAME[fault.kind]
    assert finding.unexpected_count == fault.offending
    assert finding.severity == kind.severity and finding.blocks == kind.blocking
    assert finding.sentence.startswith("expected ") and f"next step: {kind.next_step}" in finding.sentence


def test_the_sample_shows_the_offending_rows_with_hashed_ids(con):
    good_day.fill(con)
    plant(con, "user_id", "0", "record_number IN (8, 9, 17, 31, 40, 41, 42)")
    (finding,) = [one for one in judged(con) if one.status == "fail"]
    rows = json.loads(finding.sample)
    assert finding.unexpected_count == 7
    assert [row["record_number"] for row in rows] == [8, 9, 17, 31, 40]
    assert all(row["source_file"] == "log.csv" for row in rows)
    assert len({row["user_id"] for row in rows}) == 1 and rows[0]["user_id"] != "0"
    assert rows[0]["request_id"] == rows[1]["request_id"] != "r0001"


def test_a_missing_column_is_one_finding_and_the_rest_is_still_judged(con):
    good_day.fill(con)
    con.execute("ALTER TABLE impressions DROP device")
    findings = judged(con)
    (finding,) = [one for one in findings if one.status == "fail"]
    assert (finding.kind, finding.column_name) == ("column_type", "device")
    assert "no such column" in finding.sentence
    assert any(one.kind == "value_range" for one in findings)


def test_a_missing_scenario_column_does_not_break_the_profile(con):
    good_day.fill(con)
    con.execute("ALTER TABLE impressions DROP scenario_id")
    blocking = [one for one in judged(con) if one.blocks]
    assert [one.column_name for one in blocking] == ["scenario_id"]


def test_a_rate_outside_its_band_by_chance_alone_passes(con):
    """Two rows of a scenario, none clicked: the interval of 0 of 2 reaches far into the band."""
    good_day.fill(con)
    lose_rows_of(con, "search", 2)
    plant(con, "label_click", "0", "scenario_id = 'search'")
    plant(con, "label_order", "0", "scenario_id = 'search'")
    findings = judged(con, counts=keep_counts(con))
    rates = [one for one in findings if one.kind == "task_rate" and one.scenario_id == "search"]
    (rate,) = [one for one in rates if one.column_name == "label_click"]
    assert (rate.status, rate.observed, rate.n_rows) == ("pass", 0.0, 2)
    assert failed(findings) == set()


def test_an_empty_day_measures_nothing_and_is_kept_out(con):
    good_day.fill(con)
    con.execute("DELETE FROM impressions")
    nothing = {"rows_read": 0, "rows_kept": 0, "rows_duplicate": 0, "rows_quarantined": 0}
    findings = judged(con, counts=nothing)
    assert failed(findings) == {"not_empty"}
    assert all(one.observed is None for one in findings if one.kind in ("task_rate", "quarantined_share", "not_null"))


def test_bounds_are_inclusive_in_the_columns_own_precision(con):
    """price holds float32(0.1) and float32(99.9), which are not 0.1 and 99.9 as float64."""
    good_day.fill(con)
    assert con.execute("SELECT count(*) FROM impressions WHERE price IN (0.1::FLOAT, 99.9::FLOAT)").fetchall() == [(2,)]
    assert failed(judged(con)) == set()


def test_large_ids_are_compared_exactly(con):
    good_day.fill(con)
    columns = [{**one, "max": 2**53 + 2} if one["name"] == "user_id" else one for one in good_day.RAW["columns"]]
    plant(con, "user_id", str(2**53 + 3), "record_number = 3")
    findings = judged(con, good_day.contract(columns=columns))
    assert failed(findings) == {"value_range"}


def test_counts_without_a_name_are_refused(con):
    good_day.fill(con)
    with pytest.raises(ValueError, match="rows_kept"):
        judged(con, counts={"rows_read": N_ROWS, "rows_duplicate": 0, "rows_quarantined": 0})


def test_a_retired_scenario_is_missed_by_nobody_and_its_rows_are_a_warning(con):
    good_day.fill(con)
    scenarios = [{"id": "home"}, {"id": "search", "retired": True}, {"id": "old", "modelled": False}]
    retired = good_day.contract(scenarios=scenarios)
    found = [one for one in judged(con, retired) if one.status == "fail"]
    assert [(one.kind, one.scenario_id, one.observed, one.severity) for one in found] == [
        ("stray_scenario", "search", 0.25, "warning")
    ]
    lose_rows_of(con, "search", 0)
    assert failed(judged(con, retired, keep_counts(con))) == set()
    assert retired.data_fingerprint == good_day.contract().data_fingerprint  # no model is retired with it
