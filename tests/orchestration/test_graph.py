"""What Dagster shows, as literal lists: a rename, a lost edge or a shifted window is a visible difference."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest

from hinet_core.contract import load_contract
from hinet_core.quality import check_names
from hinet_core.settings import load_settings
from orchestration.definitions import build
from orchestration.graph import assets_of

# See orchestration/definitions.py: no backfill is ever asked of the job itself.
pytestmark = pytest.mark.filterwarnings("ignore:Asset job")

GROUPS = {
    "impressions": "ingest",
    "entity_daily": "features",
    "examples": "features",
    "drift": "quality",
    "hinet": "training",
    "mmoe": "training",
    "shared_bottom": "training",
    "eval_metrics": "evaluation",
    "lift": "lift",
    "lift_test": "lift",
    "lift_calibration": "lift",
    "champion": "publish",
    "snapshot": "publish",
}
READS = {
    "impressions": set(),
    "entity_daily": {"impressions"},
    "examples": {"impressions", "entity_daily"},
    "drift": {"examples"},
    "hinet": {"examples"},
    "mmoe": {"examples"},
    "shared_bottom": {"examples"},
    "eval_metrics": {"examples", "hinet", "mmoe", "shared_bottom"},
    "lift": {"hinet", "shared_bottom", "entity_daily"},
    "lift_test": {"hinet", "shared_bottom", "entity_daily"},
    "lift_calibration": set(),
    "champion": {"hinet"},
    "snapshot": {"impressions", "drift", "eval_metrics", "lift", "lift_test", "lift_calibration", "champion"},
}


@pytest.fixture(scope="module", params=["meishi", "kuairand"])
def contract(request):
    return load_contract(request.param)


@pytest.fixture(scope="module")
def specs(contract):
    return {spec.key.path[-1]: spec for asset in assets_of(contract) for spec in asset.specs}


def test_both_contracts_together_are_loadable():
    contracts = [load_contract(name) for name in ("meishi", "kuairand")]
    defs = build(contracts, load_settings())
    dg.Definitions.validate_loadable(defs)
    assert sorted(one.name for one in defs.schedules) == ["kuairand_retrain", "meishi_retrain"]


def test_two_contracts_of_one_name_are_refused():
    with pytest.raises(ValueError, match="each name once"):
        build([load_contract("meishi")] * 2, load_settings())


def test_assets_and_their_groups(contract, specs):
    lists = {"entity_recent": "features"} if contract.features.recent else {}
    assert {table: spec.group_name for table, spec in specs.items()} == GROUPS | lists
    assert {spec.key.path[0] for spec in specs.values()} == {contract.name}


def test_edges(contract, specs):
    found = {table: {dep.asset_key.path[-1] for dep in spec.deps} for table, spec in specs.items()}
    if contract.features.recent:
        assert found.pop("entity_recent") == {"impressions"}
        for table in ("examples", "lift", "lift_test"):
            found[table].remove("entity_recent")
    assert found == READS


def test_every_asset_says_who_and_what_it_is(specs):
    for table, spec in specs.items():
        assert spec.owners == ["team:ranking"], table
        assert spec.kinds, table
        assert len(spec.description or "") > 40, table


def test_partitions_are_the_days_of_the_log(contract, specs):
    unpartitioned = {table for table, spec in specs.items() if spec.partitions_def is None}
    assert unpartitioned == {"champion", "snapshot", "lift_calibration"}
    for table in GROUPS.keys() - unpartitioned:
        keys = specs[table].partitions_def.get_partition_keys()
        assert (keys[0], keys[-1]) == (contract.first_day.isoformat(), contract.last_day.isoformat())
        assert specs[table].partitions_def.timezone == contract.time_zone


def test_a_log_without_end_has_a_partition_for_a_model_as_of_today(tiny_raw):
    from hinet_core.contract import parse_contract
    from orchestration.partitions import days_of

    tiny_raw["last_day"] = None
    now = datetime(2026, 4, 10, 12, tzinfo=UTC)
    assert days_of(parse_contract(tiny_raw)).get_partition_keys(current_time=now)[-1] == "2026-04-10"


def days_read(specs, table, upstream, day):
    """Which days of `upstream` the mapping says that a day of `table` reads."""
    (dep,) = [one for one in specs[table].deps if one.asset_key.path[-1] == upstream]
    mine, theirs = specs[table].partitions_def, specs[upstream].partitions_def
    found = dep.partition_mapping.get_upstream_mapped_partitions_result_for_partitions(
        mine.subset_with_partition_keys([day]), mine, theirs, current_time=datetime(2026, 11, 1, tzinfo=UTC)
    )
    keys = sorted(found.partitions_subset.get_partition_keys())
    return (keys[0], keys[-1], len(keys)) if keys else None


def test_days_that_each_asset_reads():
    specs = {spec.key.path[-1]: spec for asset in assets_of(load_contract("meishi")) for spec in asset.specs}
    # An order may become known a day later; one day more, since a clock change can touch three dates.
    assert days_read(specs, "entity_daily", "impressions", "2025-03-20") == ("2025-03-18", "2025-03-20", 3)
    assert days_read(specs, "examples", "impressions", "2025-03-20") == ("2025-03-20", "2025-03-20", 1)
    # 30 days of history, of which the log has 17; never the day itself.
    assert days_read(specs, "examples", "entity_daily", "2025-03-20") == ("2025-03-03", "2025-03-19", 17)
    assert days_read(specs, "hinet", "examples", "2025-03-21") == ("2025-03-03", "2025-03-20", 18)
    assert days_read(specs, "eval_metrics", "examples", "2025-03-21") == ("2025-03-21", "2025-03-22", 2)
    assert days_read(specs, "eval_metrics", "hinet", "2025-03-21") == ("2025-03-21", "2025-03-21", 1)
    assert days_read(specs, "examples", "entity_daily", "2025-03-03") is None


def test_the_training_window_is_train_days_then_the_validation_day_then_what_matures(tiny_raw):
    from hinet_core.contract import parse_contract

    contract = parse_contract(tiny_raw)  # W = 10 training days, m = 1 day until settled
    specs = {spec.key.path[-1]: spec for asset in assets_of(contract) for spec in asset.specs}
    assert days_read(specs, "hinet", "examples", "2026-04-01") == ("2026-03-20", "2026-03-31", 12)


def test_one_check_per_kind_of_rule_and_critical_ones_block(contract, specs):
    (asset,) = [one for one in assets_of(contract) if one.key.path[-1] == "impressions"]
    found = {spec.name: spec.blocking for spec in asset.check_specs}
    of_days = {kind.name: kind.severity == "critical" for kind in check_names(contract)}
    assert found == of_days | {"refused_files": False}
    assert found["min_rows"] and not found["task_rate"]


def test_examples_warn_of_inputs_that_know_the_answer(contract):
    asset = next(one for one in assets_of(contract) if one.key.path[-1] == "examples")
    assert {spec.name: spec.blocking for spec in asset.check_specs} == {"single_input": False, "input_name": False}


def test_a_day_is_a_date_in_the_time_zone_of_the_log(specs, contract):
    window = specs["impressions"].partitions_def.time_window_for_partition_key(
        "2022-05-06" if contract.name == "kuairand" else "2025-03-06"
    )
    assert window.start.hour == 0
    assert str(window.start.tzinfo) == "Asia/Shanghai"
    assert window.start.date() in (date(2022, 5, 6), date(2025, 3, 6))
