"""A bad day in a range: it is not materialized, its check has failed, what follows does not run; the good days stay."""

from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.graph import assets_of
from orchestration.materialize import RANGE_END, RANGE_START, Materializer
from orchestration.reporting import key_of

pytestmark = pytest.mark.slow
BAD = date(2025, 3, 4)


@pytest.fixture
def truncated(small_paths):
    """The log of one day lost most of its rows on the way."""
    path = small_paths.landing / "impressions" / f"day={BAD}.parquet"
    whole = path.read_bytes()
    pq.write_table(pq.read_table(path).slice(0, 40), path)
    return path, whole


def test_a_bad_day_in_a_range_is_kept_out_and_the_good_days_stay(small, small_paths, home, instance, truncated):
    lake = home.lake(small)
    span = {
        "dagster/asset_partition_range_start": "2025-03-03",
        "dagster/asset_partition_range_end": "2025-03-05",
    }
    impressions, daily = key_of(small, "impressions"), key_of(small, "entity_daily")
    result = dg.materialize(
        assets_of(small),
        selection=[impressions, daily],
        instance=instance,
        resources={"home": home},
        tags=span,
        raise_on_error=False,
    )
    assert not result.success
    assert sorted(instance.get_materialized_partitions(impressions)) == ["2025-03-03", "2025-03-05"]
    assert lake.days("ingest") == [date(2025, 3, 3), date(2025, 3, 5)]
    assert list(lake.blocked("ingest")) == [BAD]

    failed = [one for one in result.get_asset_check_evaluations() if not one.passed]
    # Small scenarios have no row at all among the 40 that arrived: a warning, which keeps nothing out.
    assert {one.check_name: one.blocking for one in failed} == {"min_rows": True, "scenario_volume": False}
    for one in failed:
        assert one.metadata["days_judged"].value == "2025-03-03 to 2025-03-05"
        assert one.metadata["days_failed"].value == "2025-03-04"
        assert "kept out" in Path(one.metadata["data_docs"].path).read_text()
    assert "at least 500" in failed[0].metadata["findings"].value
    assert failed[0].description.startswith("2025-03-04: expected at least 500 rows, found 40")

    assert instance.get_materialized_partitions(daily) == set()
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data.description
    assert said.startswith("2025-03-04 is kept out by check min_rows")
    assert "next step" in said
    # A day that an audit keeps out is not tried again.
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]


def test_other_days_go_on_and_the_repaired_day_comes_in(small, small_paths, home, instance, truncated):
    lake = home.lake(small)
    worker = Materializer(small, home, instance)
    worker.days()
    others = [date(2025, 3, day) for day in (3, 5, 6, 7, 8, 9, 10, 11)]
    assert lake.days("examples") == others
    assert len(worker.problems) == 1 and "2025-03-04" in worker.problems[0]
    hashes = {day: lake.manifest("ingest", day).content_hash for day in others}

    path, whole = truncated
    path.write_bytes(whole)
    repaired = Materializer(small, home, instance)
    repaired.days()
    assert repaired.problems == []
    assert lake.days("examples") == sorted([*others, BAD])
    assert lake.blocked("ingest") == {}
    assert {day: lake.manifest("ingest", day).content_hash for day in others} == hashes
    # Nothing is left to do: a third time starts no run.
    runs = len(instance.get_runs())
    Materializer(small, home, instance).days()
    assert len(instance.get_runs()) == runs


def test_one_day_alone_has_its_row_count_columns_and_reasons(small, small_paths, home, instance):
    path = small_paths.landing / "impressions" / "day=2025-03-03.parquet"
    rows = pq.read_table(path)
    users = [None if place in (4, 9) else user for place, user in enumerate(rows["user_id"].to_pylist(), 1)]
    place = rows.schema.get_field_index("user_id")
    pq.write_table(rows.set_column(place, "user_id", pa.array(users, rows.schema.field(place).type)), path)
    result = dg.materialize(
        assets_of(small),
        selection=[key_of(small, "impressions"), key_of(small, "entity_daily"), key_of(small, "examples")],
        instance=instance,
        resources={"home": home},
        partition_key="2025-03-03",
    )
    for table in ("impressions", "entity_daily", "examples"):
        (found,) = result.asset_materializations_for_node(f"small__{table}")
        assert (
            found.metadata["dagster/partition_row_count"].value
            == home.lake(small).manifest("ingest" if table == "impressions" else table, date(2025, 3, 3)).rows[table]
        )
        names = [column.name for column in found.metadata["dagster/column_schema"].schema.columns]
        assert "day" in names
    (ingested,) = result.asset_materializations_for_node("small__impressions")
    counts = home.lake(small).manifest("ingest", date(2025, 3, 3)).info["counts"]
    (record,) = ingested.metadata["books"].records
    assert record.data["source_file"] == "impressions/day=2025-03-03.parquet"
    for name in ("rows_read", "rows_kept", "rows_duplicate", "rows_quarantined"):
        assert record.data[name] == ingested.metadata[name].value == counts[name]
    (refused,) = ingested.metadata["quarantine"].records
    first = "impressions/day=2025-03-03.parquet record 4"
    assert refused.data == {"reason": "user_id: missing", "rows": 2, "example": first}
    assert result.success


def test_every_day_of_a_range_has_its_own_row_count(small, small_paths, home, instance):
    Materializer(small, home, instance).days()
    lake = home.lake(small)
    for table, step in (("impressions", "ingest"), ("entity_daily", "entity_daily"), ("examples", "examples")):
        days = lake.days(step)
        records = instance.fetch_materializations(key_of(small, table), limit=10 * len(days)).records
        assert len(records) == len(days), "each day is recorded once"
        made = {record.partition_key: record.asset_materialization.metadata for record in records}
        counts = {day: metadata["dagster/partition_row_count"].value for day, metadata in made.items()}
        assert counts == {day.isoformat(): lake.manifest(step, day).rows[table] for day in days}


def test_days_without_a_landed_file_are_named(small, small_paths, materialize, failed_with):
    (small_paths.landing / "impressions" / "day=2025-03-05.parquet").unlink()
    said = failed_with(materialize(small, ["impressions"], partition_key="2025-03-05"))
    assert said.startswith("2025-03-05: no landed file has a row of this day")


def test_a_gap_in_a_range_is_left_out(small, small_paths, home, instance, materialize):
    (small_paths.landing / "impressions" / "day=2025-03-05.parquet").unlink()
    result = materialize(small, ["impressions"], tags={RANGE_START: "2025-03-04", RANGE_END: "2025-03-06"})
    assert result.success
    assert home.lake(small).days("ingest") == [date(2025, 3, 4), date(2025, 3, 6)]
    assert instance.get_materialized_partitions(key_of(small, "impressions")) == {"2025-03-04", "2025-03-06"}


def test_a_refused_file_is_a_warning_and_stands_beside_the_days_books(small, small_paths, home, instance):
    (small_paths.landing / "impressions" / "day=2025-03-04.parquet").write_bytes(b"PAR1 torn")
    key = key_of(small, "impressions")
    result = dg.materialize(
        assets_of(small), selection=[key], instance=instance, resources={"home": home}, partition_key="2025-03-03"
    )
    assert result.success
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "refused_files"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "day=2025-03-04.parquet: " in check.metadata["findings"].value
    (made,) = result.asset_materializations_for_node("small__impressions")
    (record,) = made.metadata["refused_files"].records
    assert record.data["file"] == "impressions/day=2025-03-04.parquet" and "day=2025-03-04" in record.data["reason"]
