"""What warns and keeps nothing out: an input that knows the answer on `examples`, a feature that moved on `drift`."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from hinet_core.contract import load_contract
from hinet_core.lake import connect
from orchestration.graph import assets_of
from orchestration.reporting import key_of

pytestmark = pytest.mark.slow
SPAN = {
    "dagster/asset_partition_range_start": "2025-03-03",
    "dagster/asset_partition_range_end": "2025-03-05",
}
FEATURE = """[[columns]]
name = "stay_time"
type = "int64"
role = "feature"
encode = "number"

[[scenarios]]"""


@pytest.fixture
def telling(small_file, small_paths, tmp_path):
    """The small log with one more column, high where it was clicked, and a contract that calls it an input."""
    for path in (small_paths.landing / "impressions").glob("*.parquet"):
        rows = pq.read_table(path)
        stay = pc.add(pc.multiply(pc.cast(rows["is_click"], pa.int64()), 30), pc.bit_wise_and(rows["shop_id"], 15))
        pq.write_table(rows.append_column("stay_time", stay), path)
    path = tmp_path / "small.toml"
    path.write_text(small_file.read_text().replace("[[scenarios]]", FEATURE, 1))
    return load_contract(str(path))


def test_the_input_that_knows_is_a_warning_and_no_honest_one_is(telling, home, instance):
    tables = [key_of(telling, name) for name in ("impressions", "entity_daily", "drift", "examples")]
    result = dg.materialize(
        assets_of(telling), selection=tables, instance=instance, resources={"home": home}, tags=SPAN
    )
    assert result.success and len(instance.get_materialized_partitions(tables[-1])) == 3
    found = {one.check_name: one for one in result.get_asset_check_evaluations() if one.asset_key == tables[-1]}
    assert {name: one.passed for name, one in found.items()} == {"single_input": False, "input_name": False}
    assert all(one.severity == dg.AssetCheckSeverity.WARN for one in found.values())
    assert "column stay_time alone predicts click" in found["single_input"].metadata["findings"].value
    con = connect()
    rows = home.lake(telling).scan(con, "dq_results").filter("kind = 'single_input'")
    assert rows.filter("status = 'fail'").project("column_name").distinct().fetchall() == [("stay_time",)]
    assert rows.filter("column_name = 'user_click_rate_7d'").aggregate("count(*)").fetchall() == [(2,)]
    moved = {one.check_name: one.passed for one in result.get_asset_check_evaluations() if one.asset_key == tables[2]}
    assert moved == {"feature_drift": True, "label_drift": True}
    assert len(instance.get_materialized_partitions(tables[2])) == 3
    assert home.lake(telling).scan(con, "drift").filter("status = 'fail'").fetchall() == []
    con.close()
