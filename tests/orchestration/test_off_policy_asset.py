"""Estimates from logged propensities as Dagster makes them: committed once, shown, and asked for when days come."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lift"))

from own_log import OWN, lines_of, written

from hinet_core.contract import load_contract
from hinet_core.ingest.delivery import land
from hinet_core.lake import connect
from hinet_core.lift.off_policy.run import commit_estimates
from orchestration import pending
from orchestration.graph import assets_of
from orchestration.materialize import Materializer
from orchestration.reporting import key_of
from orchestration.schedules import RANGE_END, RANGE_START, requests_now

pytestmark = pytest.mark.filterwarnings("ignore:Asset job")

QUESTION = 'off_policy = [{ name = "new", target = "column:new_chance", log = "arm=old", truth = "arm=new" }]\n'
ONE_DAY = {RANGE_START: "2026-03-02", RANGE_END: "2026-03-02"}


@pytest.fixture
def own(tmp_path, home):
    """A contract with a question whose log has landed."""
    (tmp_path / "own.toml").write_text(OWN + QUESTION)
    contract = load_contract(str(tmp_path / "own.toml"))
    written(tmp_path / "data", list(lines_of(150)))
    land(contract, home.paths(contract), tmp_path / "data")
    return contract


def runs_of(instance, contract):
    return instance.fetch_materializations(key_of(contract, "off_policy"), limit=9).records


def committed(lake, table="off_policy"):
    return lake.scan(connect(), table).to_arrow_table().to_pylist()


@pytest.mark.slow
def test_dagster_commits_what_the_verb_prints_and_says_what_was_refused(own, home, instance, materialize, failed_with):
    assert "own: no day is ingested; run `hinet ingest" in failed_with(materialize(own, ["off_policy"]))
    assert materialize(own, ["impressions"], tags=ONE_DAY).success
    lake = home.lake(own)
    assert not pending.is_estimated(own, lake)
    asked = [request.asset_selection for request in requests_now(own, home)]
    assert [key_of(own, "off_policy"), key_of(own, "snapshot")] in asked
    assert materialize(own, ["off_policy"]).success
    rows = committed(lake)
    shown = {name: one.value for name, one in runs_of(instance, own)[0].asset_materialization.metadata.items()}
    assert (shown["dagster/row_count"], shown["gates"], shown["through"]) == (len(rows), 18, "2026-03-02")
    assert shown["refused"] == sum(row["status"] == "refused" for row in rows)
    assert len(shown["dagster/column_schema"].columns) == len(rows[0])
    assert pending.is_estimated(own, lake)
    assert commit_estimates(own, lake) == rows


@pytest.mark.slow
def test_make_run_asks_once_and_again_when_the_rows_are_others(own, home, instance, materialize):
    assert materialize(own, ["impressions"], tags=ONE_DAY).success
    work = Materializer(own, home, instance)
    work.log_estimates()
    work.log_estimates()
    assert work.problems == [] and len(runs_of(instance, own)) == 1
    other = own.model_copy(update={"off_policy": (own.off_policy[0].model_copy(update={"log": "slot=1"}),)})
    Materializer(other, home, instance).log_estimates()
    assert len(runs_of(instance, own)) == 2
    assert {row["log_rows"] for row in committed(home.lake(own))} == {"slot=1"}


def test_only_a_log_with_propensities_has_the_asset_and_the_snapshot_waits_for_it(own):
    def edges(contract):
        specs = [spec for asset in assets_of(contract) for spec in asset.specs]
        return {spec.key.path[-1]: {dep.asset_key.path[-1] for dep in spec.deps} for spec in specs}

    for contract in (own, load_contract("open_bandit")):
        assert edges(contract)["off_policy"] == {"impressions"}
        assert "off_policy" in edges(contract)["snapshot"]
    assert "off_policy" not in edges(load_contract("meishi"))
