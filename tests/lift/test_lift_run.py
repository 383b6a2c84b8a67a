"""Committing the table `lift`: refusals, missing history, and two trained models end to end."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from hinet_core.contract import load_contract
from hinet_core.evaluation.run import NotMatureYet, trained_runs
from hinet_core.features.daily import write_daily_range
from hinet_core.features.examples import write_examples_range
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake, connect
from hinet_core.lift.ab_test.guardrail_rows import guardrail_rows
from hinet_core.lift.ab_test.named import contest
from hinet_core.lift.ab_test.online import online_test
from hinet_core.lift.ab_test.online_rows import days_of, online_rows
from hinet_core.lift.ab_test.paired_rows import paired_rows
from hinet_core.lift.ab_test.replay import replay
from hinet_core.lift.ab_test.run import TABLES, commit_test, inputs_of
from hinet_core.lift.run import estimate
from hinet_core.lift.scoring import ModelRankers
from hinet_core.lift.tables import LIFT
from hinet_core.settings import Paths
from hinet_core.training.run import train
from hinet_core.world.load import load
from hinet_core.world.log import write_log
from hinet_core.world.observed import candidate_table


def test_a_log_without_propensity_or_world_is_refused_with_a_sentence(tmp_path):
    contract, lake, as_of = load_contract("kuairand"), Lake(tmp_path / "lake"), date(2022, 5, 6)
    rows = estimate(contract, lake, tmp_path / "models", as_of)
    assert [row["scenario_id"] for row in rows] == ["", "0", "1", "2", "4", "6"]
    assert rows[0]["scope"] == "pooled"
    for row in rows:
        assert row["status"] == "not_estimable"
        assert row["reason"].startswith("the log has neither propensities nor a simulated world: ")
        assert row["lift"] is None
        assert (row["model_a"], row["model_b"]) == ("shared_bottom", "hinet")
    committed = lake.scan(connect(), "lift", [as_of]).to_arrow_table()
    assert committed.schema.names == LIFT.names
    assert committed.to_pylist() == rows


def test_no_test_is_simulated_on_a_log_without_a_world(tmp_path):
    contract, lake, as_of = load_contract("kuairand"), Lake(tmp_path / "lake"), date(2022, 5, 6)
    rows = commit_test(contract, lake, tmp_path / "models", as_of)
    assert [(row["estimator"], row["scenario_id"]) for row in rows["lift_test"]] == [
        (estimator, scenario) for estimator in ("L2", "L3") for scenario in ("", "0", "1", "2", "4", "6")
    ]
    for row in rows["lift_test"]:
        assert (row["status"], row["lift"]) == ("not_estimable", None)
        assert row["reason"].startswith("the log has neither propensities nor a simulated world: ")
    assert {table: read(lake, table, as_of) for table in TABLES} == {
        table: list(rows["lift_test"]) if table == "lift_test" else [] for table in TABLES
    }
    assert lake.made_from("lift_test", as_of, inputs=inputs_of(contract, lake, as_of))


def read(lake, table, as_of):
    return lake.scan(connect(), table, [as_of]).to_arrow_table().to_pylist()


def test_a_log_with_propensities_is_refused_with_another_sentence(tmp_path):
    contract = load_contract("kuairand")
    shown = contract.columns[3].model_copy(update={"name": "chance", "role": "propensity", "type": "float64"})
    contract = contract.model_copy(update={"columns": (*contract.columns, shown)})
    row = estimate(contract, Lake(tmp_path / "lake"), tmp_path / "models", date(2022, 5, 6))[0]
    assert "has propensities but no simulated world" in row["reason"]
    assert "`hinet off-policy --contract kuairand`" in row["reason"]


def test_days_without_history_are_named_and_nothing_is_committed(tmp_path):
    lake = Lake(tmp_path / "lake")
    with pytest.raises(NotMatureYet, match="missing 2025-03-20, 2025-03-21"):
        estimate(load_contract("meishi"), lake, tmp_path / "models", date(2025, 3, 21))
    assert lake.manifest("lift", date(2025, 3, 21)) is None


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small world, its log, features, and both models of the lift, trained as of a day in it."""
    # Enough rows that a model learns something: with a fifth of them it ranks like chance.
    world = {"users": 600, "items": 120, "requests_per_day": 800, "days": 9, "calibration_requests": 500}
    contract = load_contract("meishi")
    contract = contract.model_copy(update={"world": {**contract.world, **world}})
    paths = Paths(tmp_path_factory.mktemp("home"))
    lake, as_of = Lake(paths.lake), date(2025, 3, 9)
    write_log(contract, paths.landing)
    days = [date(2025, 3, number) for number in range(3, 12)]
    assert all(one.manifest for one in ingest_days(contract, lake, index(contract, paths), days, None))
    con = connect()
    write_daily_range(con, contract, lake, days)
    write_examples_range(con, contract, lake, days)
    for name in (contract.lift.baseline, contract.lift.challenger):
        train(contract, lake, paths.models, as_of, name, device="cpu")
    return contract, lake, paths.models, as_of


@pytest.mark.slow
def test_two_trained_models_end_to_end(trained):
    contract, lake, models, as_of = trained
    rows = estimate(contract, lake, models, as_of, requests_per_scenario=40)
    assert len({(row["scope"], row["scenario_id"]) for row in rows}) == len(rows) == 7
    assert {row["status"] for row in rows} == {"estimated"}
    for row in rows:
        assert row["low"] <= row["lift"] <= row["high"]
        assert row["lift"] <= row["oracle_lift"]
        assert row["random_lift"] < row["oracle_lift"]
        assert row["world_hash"] == load(contract).hash
    # Even models of a few days' data rank better than chance.
    assert rows[0]["random_lift"] < -0.2
    committed = lake.scan(connect(), "lift", [as_of]).to_arrow_table()
    assert committed.to_pylist() == rows
    first = lake.manifest("lift", as_of)
    assert estimate(contract, lake, models, as_of, requests_per_scenario=40) == rows
    assert lake.manifest("lift", as_of).content_hash == first.content_hash
    other = estimate(contract, lake, models, as_of, requests_per_scenario=40, seed=1)
    assert all(a["lift"] != b["lift"] for a, b in zip(rows, other, strict=True))


@pytest.mark.slow
def test_models_by_name_have_the_lift_that_is_committed(trained):
    contract, lake, models, as_of = trained
    committed = estimate(contract, lake, models, as_of, requests_per_scenario=40)
    names = (contract.lift.baseline, contract.lift.challenger)
    with contest(contract, lake, models, names) as found:
        assert found.as_of == as_of
        world, days = found.world, found.days
        rows = paired_rows(world, replay(world, found.scorers, names, days, 40), names)
        assert found.test_days(3) == [days[0], days[1], days[0]]
        test = online_test(world, found.scorers, names, found.test_days(3), 60)
        same = paired_rows(world, replay(world, found.scorers, names[:1] * 2, days, 40), names[:1] * 2)
    assert test.came_DU.sum() == 60
    assert (test.expected_TS[2] >= test.expected_TS[:2]).all()
    for mine, theirs in zip(rows, committed, strict=False):
        assert mine["estimator"] == "L1"
        for column in ("lift", "low", "high", "p_bh", "oracle_lift", "random_lift", "orders_b", "mde80"):
            assert mine[column] == pytest.approx(theirs[column], rel=1e-9)
    assert {row["lift"] for row in same if row["estimator"] == "L1"} == {0.0}
    with (
        pytest.raises(ValueError, match="found ple; models of meishi .trained as of 2025-03-09.: hinet, shared_bottom"),
        contest(contract, lake, models, ("logger", "ple")),
    ):
        pass


@pytest.mark.slow
def test_the_committed_test_is_the_one_that_hinet_lift_prints(trained):
    contract, lake, models, as_of = trained
    size = {"replay_requests": 10, "test_days": 2, "test_requests": 80}
    contract = contract.model_copy(update={"lift": contract.lift.model_copy(update=size)})
    names = (contract.lift.baseline, contract.lift.challenger)
    estimate(contract, lake, models, as_of, requests_per_scenario=10)
    of_lift = lake.manifest("lift", as_of).content_hash
    with contest(contract, lake, models, names) as found:
        replayed = replay(found.world, found.scorers, names, found.days, 10, 0, 0)
        test = online_test(found.world, found.scorers, names, found.test_days(2), 80, 0)
        common = {"as_of": as_of, "world_hash": found.world.hash, "seed": 0}
        analysis = online_rows(found.world, test, names)
        paired = [row for row in paired_rows(found.world, replayed, names) if row["estimator"] == "L2"]
        expected = {
            "lift_test": [*paired, *analysis.rows],
            "lift_guardrails": guardrail_rows(found.world, replayed, names, found.versions),
            "lift_days": [row | {"test_day": row["day"]} for row in days_of(test, names)],
        }
    other = commit_test(contract, lake, models, as_of, seed=1)
    rows = commit_test(contract, lake, models, as_of)
    committed = {table: read(lake, table, as_of) for table in TABLES}
    assert committed == {table: list(found) for table, found in rows.items()}
    for table, wanted in expected.items():
        columns = set(committed[table][0]) - {"code_version"}
        printed = [{name: (row | common)[name] for name in columns} for row in wanted]
        assert [{name: row[name] for name in columns} for row in committed[table]] == printed
    assert {(row["estimator"], row["metric"]) for row in committed["lift_test"]} == {
        ("L2", "orders_per_request"), ("L3", "orders_per_request"), ("L3", "orders_per_user"),
    }  # fmt: skip
    assert [row["test_day"] for row in committed["lift_days"]] == [1, 2]
    overall = committed["lift_splits"][0]
    assert (overall["users_a"], overall["users_b"]) == analysis.checks[0].found.users
    assert overall["users_a"] + overall["users_b"] == (test.came_DU.sum(axis=0) > 0).sum()
    assert len(committed["lift_splits"]) == 7
    # A test of other luck, and inputs that are others once the size is.
    assert all(a["true_lift"] != b["true_lift"] for a, b in zip(rows["lift_days"], other["lift_days"], strict=True))
    assert lake.made_from("lift_test", as_of, inputs=inputs_of(contract, lake, as_of))
    longer = contract.model_copy(update={"lift": contract.lift.model_copy(update={"test_days": 4})})
    assert not lake.made_from("lift_test", as_of, inputs=inputs_of(longer, lake, as_of))
    assert not lake.made_from("lift_test", as_of, inputs=inputs_of(contract, lake, as_of, seed=1))
    assert lake.manifest("lift", as_of).content_hash == of_lift


@pytest.mark.slow
def test_candidates_that_come_back_in_another_order_are_refused(trained):
    contract, lake, models, as_of = trained
    world = load(contract)
    con = connect()
    runs = trained_runs(con, contract, lake, as_of, [contract.lift.challenger])
    rankers = ModelRankers(con, contract, lake, {"hinet": models / runs[0]["version"]})
    table = candidate_table(world, contract, world.requests(as_of, 2))
    assert np.isfinite(rankers(table, as_of)["hinet"]).all()
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows)))
    with pytest.raises(ValueError, match="candidates in their order"):
        rankers(shuffled, as_of)
