"""The simulated test and the calibration as Dagster makes them: what is committed, and what is shown of it."""

from datetime import UTC, date, datetime

from hinet_core.lake import connect
from hinet_core.lift.calibration import seeds
from hinet_core.lift.calibration.run import REPLICATIONS
from hinet_core.lift.calibration.suites import QUICK, SUITES
from orchestration import pending
from orchestration.assets.lift import CalibrationConfig
from orchestration.reporting import key_of

AS_OF = "2026-03-06"


def metadata_of(instance, key):
    (record,) = instance.fetch_materializations(key, limit=9).records
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_the_test_of_a_log_without_a_world_is_a_refusal_and_is_not_asked_for_again(
    tiny, paths, home, instance, materialize
):
    lake = home.lake(tiny)
    assert not pending.is_tested(tiny, lake, date.fromisoformat(AS_OF))
    assert materialize(tiny, ["lift_test"], partition_key=AS_OF).success
    rows = lake.scan(connect(), "lift_test").to_arrow_table().to_pylist()
    assert [(row["estimator"], row["scenario_id"]) for row in rows] == [
        (estimator, scenario) for estimator in ("L2", "L3") for scenario in ("", "home", "search")
    ]
    assert all("neither propensities nor a simulated world" in row["reason"] for row in rows)
    assert metadata_of(instance, key_of(tiny, "lift_test"))["dagster/partition_row_count"] == 6
    assert pending.is_tested(tiny, lake, date.fromisoformat(AS_OF))


def asked(**config):
    return {"ops": {"tiny__lift_calibration": {"config": config}}}


def test_a_suite_that_there_is_not_is_one_sentence(tiny, paths, materialize, failed_with):
    assert failed_with(materialize(tiny, ["lift_calibration"], run_config=asked(suites=["seed"]))) == (
        f"found the suites seed, allowed: {', '.join(SUITES)}"
    )


def test_the_quick_suites_are_what_is_calibrated_by_default():
    assert CalibrationConfig().suites == list(QUICK)
    assert CalibrationConfig().replications == REPLICATIONS


def test_the_calibration_commits_figures_with_their_bounds(tiny, paths, home, instance, materialize):
    assert materialize(tiny, ["lift_calibration"], run_config=asked(replications=20, seed=3, suites=["seeds"])).success
    lake = home.lake(tiny)
    rows = lake.scan(connect(), "lift_calibration").to_arrow_table().to_pylist()
    assert [(row["name"], row["value"], row["low"], row["high"]) for row in rows] == list(seeds.calibrate(20, 3))
    assert {(row["suite"], row["replications"], row["seed"]) for row in rows} == {("seeds", 20, 3)}
    assert {row["day"] for row in rows} == set(lake.days("lift_calibration"))
    for row in rows:
        assert row["inside"] == (row["value"] is not None and row["low"] <= row["value"] <= row["high"])
    shown = metadata_of(instance, key_of(tiny, "lift_calibration"))
    assert (shown["dagster/row_count"], shown["inside"]) == (len(rows), sum(row["inside"] for row in rows))
    assert abs((datetime.now(UTC).date() - rows[0]["day"]).days) <= 1
