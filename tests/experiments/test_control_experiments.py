"""A control world from its log to its section of the page, on a tiny world: prediction first, lift of architectures."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import false_discovery_control
from small_world import small_contract
from tiny_log import tiny_contract

from hinet_core.cli import main
from hinet_core.contract import Contract
from hinet_core.experiments.every import CONTROLLED, with_changes
from hinet_core.experiments.experiment import EXPERIMENTS, Experiment, Settings
from hinet_core.experiments.grid import Trained
from hinet_core.experiments.lift import lifts
from hinet_core.experiments.lift_part import lift_part
from hinet_core.ingest.days import ingest_days
from hinet_core.ingest.landing import index
from hinet_core.lake import Lake
from hinet_core.lift.architecture import architecture_lift
from hinet_core.lift.architecture_rows import Pair
from hinet_core.lift.judgement import Judgement
from hinet_core.lift.policies import POLICIES
from hinet_core.settings import Paths
from hinet_core.world.config import read_config, world_hash
from hinet_core.world.controls import control_worlds
from hinet_core.world.load import load
from hinet_core.world.log import write_log

CONTROLS = [name for name in EXPERIMENTS if name.startswith("controls_")]


def test_every_control_world_has_an_experiment_with_its_prediction_and_the_same_models():
    found = {name: EXPERIMENTS[name]() for name in CONTROLS}
    predicted = {f"controls_{name}": one.prediction for name, one in control_worlds(small_contract()).items()}
    assert {name: one.prediction for name, one in found.items()} == predicted | {"controls_reference": ""}
    assert {one.contract.name for one in found.values()} == {"controls", *predicted}
    assert len({hash_of(one.contract) for one in found.values()}) == 6
    for one in found.values():
        linear = {"logistic"} if one.name in {"controls_reference", "controls_interactions"} else set()
        assert {entry.model for entry in one.entries} == {*CONTROLLED, *linear}
        assert not any(entry.tuned for entry in one.entries)
        assert (one.baseline, one.n_seeds, one.contract.training.epochs) == ("shared_bottom", 5, 20)


def hash_of(contract: Contract) -> str:
    return world_hash(read_config(contract), contract.first_day, contract.time_zone)


def tiny_control(n_seeds: int) -> Experiment:
    """`controls_all_shared` with two of its models, in a world of a few thousand rows."""
    tiny = small_contract(users=150, items=60, requests_per_day=90, days=8, calibration_requests=300)
    training = tiny.training.model_copy(update={"epochs": 1})
    contract = control_worlds(tiny.model_copy(update={"training": training}))["all_shared"].contract
    asked = with_changes(EXPERIMENTS["controls_all_shared"](), n_seeds, ["single_task"])
    return replace(asked, contract=contract, as_of=date(2025, 3, 8), lift_requests=30)


@pytest.mark.slow
def test_the_command_runs_a_control_from_its_log_to_a_section_with_the_prediction_first(tmp_path: Path, monkeypatch):
    control = tiny_control(5)
    paths, page = Paths(tmp_path / control.contract.name), tmp_path / "results.md"
    # What landed is read here without the audit, which takes most of the time; the command finds it read.
    write_log(control.contract, paths.landing)
    landed, days = index(control.contract, paths), [date(2025, 3, number) for number in range(3, 11)]
    assert all(day.manifest for day in ingest_days(control.contract, Lake(paths.lake), landed, days, None))
    monkeypatch.setitem(EXPERIMENTS, "controls_all_shared", lambda: control)
    monkeypatch.setenv("HINET_HOME", str(tmp_path))
    found = CliRunner().invoke(main, ["experiment", "controls_all_shared", "--page", str(page)])
    assert found.exit_code == 0, found.output

    text = page.read_text(encoding="utf-8")
    predicted = text.index("**Expected, written before any model was trained there:** models that share are alike")
    assert predicted < text.index("| model |")
    part = text.split("### Lift of orders per request, kind: architecture, against shared_bottom\n\n")[1]
    assert f"in world {hash_of(control.contract)}" in part and "p, Holm over 1" in part
    (pooled,) = [line.split(" | ") for line in part.splitlines() if line.startswith("| single_task | architecture | 5")]
    lift, of_seeds = percent(pooled[3]), [percent(one) for one in pooled[5].split()]
    assert len(set(of_seeds)) == 5
    assert np.log1p(lift) == pytest.approx(np.log1p(of_seeds).mean(), abs=2e-4)
    low, high = map(percent, pooled[4].strip("[]").split(", "))
    assert low < lift < high
    (best,) = [line for line in part.splitlines() if line.startswith("| oracle | ceiling | +")]
    assert all(percent(one) > 0 for one in best.strip("| ").split(" | ")[2:])


def percent(text: str) -> float:
    return float(text.rstrip("%")) / 100


def test_fewer_than_five_seeds_are_refused_before_anything_is_ranked_and_the_page_says_why(lake: Lake):
    few = tiny_control(4)
    both = [(entry, seed) for entry in few.entries for seed in range(4)]
    trained = [Trained(entry, seed, Path(f"{entry.model}-{seed}"), Settings()) for entry, seed in both]
    found = lifts(few, lake, trained, date(2025, 3, 8))
    assert [(one.row["kind"], one.row["status"]) for one in found] == [("architecture", "not_estimable")]
    text = lift_part(found)
    assert "kind: architecture, against shared_bottom" in text and "|" not in text
    assert "Not estimable: the lift of an architecture is over training seeds: expected 5 or more, found 4." in text


def test_a_real_log_has_no_part_on_lift(lake: Lake):
    real = replace(tiny_control(5), contract=tiny_contract())
    assert lift_part(lifts(real, lake, [], date(2024, 3, 11))) == ""


def test_scenarios_are_one_family_and_the_pooled_lift_has_the_traffic_of_the_world():
    """Against `architecture_lift` by itself, on values of a small world's scenarios; a scenario without requests."""
    contract, rng = small_contract(), np.random.default_rng(2)
    world = load(contract)
    scenario_R = np.repeat(np.arange(5), 40)  # none of the sixth
    names = [f"{model} {seed}" for model in "ab" for seed in range(5)]
    value_R = {name: rng.lognormal(-3, 0.2, 200) for name in [*names, *POLICIES]}
    judgement = Judgement(scenario_R, rng.integers(0, 50, 200), value_R)
    found = Pair(contract, date(2025, 3, 8), "a", "b", names[:5], names[5:]).compare(world, judgement)
    a_MR, b_MR = (np.array([value_R[name] for name in part]) for part in (names[:5], names[5:]))
    pooled = architecture_lift(a_MR, b_MR, judgement.user_R, world.shares_S[scenario_R])
    assert (found[0].row["lift"], found[0].row["low"], found[0].row["p_bh"]) == (pooled.lift, pooled.low, pooled.p)
    oracle, mean_a = ((one * world.shares_S[scenario_R]).sum() for one in (value_R["oracle"], a_MR.mean(axis=0)))
    assert found[0].row["oracle_lift"] == pytest.approx(oracle / mean_a - 1)
    p_raw = [one.row["p_raw"] for one in found[1:6]]
    assert [one.row["p_bh"] for one in found[1:6]] == pytest.approx(list(false_discovery_control(p_raw)))
    assert found[6].row["status"] == "not_estimable" and found[6].row["reason"] == "there is no request to judge"
    assert {one.row["kind"] for one in found} == {"architecture"}
    lines = lift_part(found).splitlines()
    assert [line.count(" - ") for line in lines if line.startswith("| b | architecture")] == [0, 1]
