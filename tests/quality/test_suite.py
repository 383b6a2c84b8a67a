"""The suite: what a contract turns into, and that its SQL and its expectations mean the same."""

import random
from datetime import date

import good_day
import pyarrow as pa
import pytest
from good_day import COUNTS, DAY

from hinet_core import quality
from hinet_core.contract import load_contract, packaged_contracts
from hinet_core.quality.findings import DQ_SCHEMA
from hinet_core.quality.kinds import KINDS
from hinet_core.quality.shares import wilson
from hinet_core.quality.suite import day_bounds_us, expected_types, rules


@pytest.mark.parametrize("name", packaged_contracts())
def test_every_column_of_every_contract_has_an_expectation(name):
    contract = load_contract(name)
    judged = {rule.column for rule in rules(contract, contract.first_day)}
    assert judged.issuperset(expected_types(contract))


def test_checks_are_the_kinds_of_the_suite_in_a_fixed_order():
    names = [kind.name for kind in quality.check_names(good_day.contract())]
    assert names == [kind.name for kind in KINDS]
    plain = quality.check_names(good_day.contract(quality={}))
    assert {"null_share", "task_rate", "scenario_volume", "min_rows"}.isdisjoint(kind.name for kind in plain)
    assert next(kind for kind in plain if kind.name == "not_empty").blocking


def test_a_day_is_as_long_as_its_time_zone_says():
    contract = good_day.contract()
    hours = [(end - start) / 3.6e9 for start, end in (day_bounds_us(contract, date(2024, 3, day)) for day in (30, 31))]
    assert hours == [24, 23]


@pytest.mark.parametrize("seed", range(3))
def test_offending_rows_are_those_that_the_expectation_counts(con, seed):
    """On a day full of random faults, each rule's SQL finds as many rows as Great Expectations does."""
    chance = random.Random(seed)
    good_day.fill(con, 300)
    faults = {
        "request_id": "'bad'",
        "user_id": "0",
        "item_id": "CASE WHEN record_number % 2 = 0 THEN 100 END",
        "device": "'toaster'",
        "price": "0.01",
        "place": "NULL",
        "exposed_us": "exposed_us + 40000000000",
        "day": "DATE '2020-02-02'",
        "label_order": "1",
        "label_click": "NULL",
        "known_us_order": "0",
        "scenario_id": "'attic'",
    }
    for column, value in faults.items():
        good_day.plant(con, column, value, f"record_number % {chance.randrange(2, 12)} = 1")
    findings = quality.audit(con, good_day.contract(), "impressions", DAY, COUNTS).findings
    by_name = {one.check_name: one for one in findings}
    con.execute("CREATE TEMP VIEW audited_day AS SELECT * FROM impressions")
    on_rows = [rule for rule in rules(good_day.contract(), DAY) if rule.offending]
    for rule in on_rows:
        (count,) = con.execute(f"SELECT count(*) FROM audited_day WHERE {rule.offending}").fetchall()[0]
        assert by_name[rule.check_name].unexpected_count == count, rule.check_name
    assert sum(by_name[rule.check_name].status == "fail" for rule in on_rows) >= 10


def test_findings_are_rows_of_dq_results(con, tmp_path):
    good_day.fill(con)
    path = tmp_path / "day.parquet"
    con.execute(f"COPY impressions TO '{path}' (FORMAT parquet)")
    contract = good_day.contract()
    from_file = quality.audit(con, contract, path, DAY, COUNTS).findings
    from_table = quality.audit(con, contract, "impressions", DAY, COUNTS).findings
    from_relation = quality.audit(con, contract, con.sql("SELECT * FROM impressions"), DAY, COUNTS).findings
    assert from_file == from_table == from_relation
    table = pa.Table.from_pylist([one.row() for one in from_file], schema=DQ_SCHEMA)
    assert table.num_rows == len(from_file)
    assert set(table["status"].to_pylist()) == {"pass"}
    assert con.execute("SELECT count(*) FROM duckdb_views() WHERE view_name = 'audited_day'").fetchall() == [(0,)]


def test_no_file_is_refused(con):
    with pytest.raises(ValueError, match="at least one Parquet file"):
        quality.audit(con, good_day.contract(), [], DAY, COUNTS)


def test_wilson_interval():
    """Against the textbook values for 0 of 10, 10 of 10 and 81 of 263 (Newcombe 1998, table I)."""
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=5e-5)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
