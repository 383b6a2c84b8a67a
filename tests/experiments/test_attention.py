"""The part of the results on SAN, from stored models whose matrices are planted."""

import numpy as np
import torch

from hinet_core.contract import load_contract
from hinet_core.dataset import FeatureSpec, FieldSpec
from hinet_core.evaluation.true_scenarios import true_similarity
from hinet_core.experiments.attention import attention_part, matrix_table
from hinet_core.experiments.experiment import Entry, Settings
from hinet_core.experiments.grid import Trained
from hinet_core.models.hinet import Config, HiNet
from hinet_core.training import checkpoint

MEISHI = load_contract("meishi")
NAMES = tuple(MEISHI.world["scenarios"])


def stored(folder, logits_SS, without="nothing") -> None:
    """A HiNet whose attention is the softmax of these logits over the others."""
    spec = FeatureSpec((), (FieldSpec("price", "number"),), (), NAMES, ("click", "order"))
    model = HiNet(spec, Config(scenario_embedding=6, without=without))
    if model.scenario_layer.san is not None:
        with torch.no_grad():
            model.scenario_layer.san.embedding.weight.copy_(torch.eye(6))
            model.scenario_layer.san.gate.weight.copy_(torch.from_numpy(logits_SS).t())
    checkpoint.save(folder, model, "hinet", model.config, spec, None, {})


def trained(folder, seed, preset="quick") -> Trained:
    return Trained(Entry(model="hinet", preset=preset), seed, folder, Settings())


def test_a_matrix_that_follows_the_truth_is_said_to_and_its_opposite_too(tmp_path):
    truth_SS = true_similarity(MEISHI, NAMES)
    stored(tmp_path / "a", 3 * truth_SS)
    stored(tmp_path / "b", -truth_SS)
    part = attention_part(MEISHI, [trained(tmp_path / "a", 0), trained(tmp_path / "b", 1)])
    heading, table, said = part.split("\n\n")
    assert heading == "### What scenarios take from each other (SAN): hinet"
    assert len(table.splitlines()) == 8
    assert said.endswith("+1.00, -1.00 for each seed.")
    assert "+1.00 for the mean of the matrices (p = 0.0001 against random orders of 30 pairs)" in said


def test_an_ablation_without_attention_and_another_model_have_no_part(tmp_path):
    stored(tmp_path / "a", np.zeros((6, 6)), without="san")
    other = Trained(Entry(model="mmoe"), 0, tmp_path / "none", Settings())
    assert attention_part(MEISHI, [trained(tmp_path / "a", 0, "without_san"), other]) == ""


def test_the_matrix_shows_mean_least_and_greatest_of_the_seeds():
    one, other = np.array([[0.0, 1.0], [0.5, 0.0]]), np.array([[0.0, 1.0], [0.7, 0.0]])
    assert matrix_table(("home", "map"), [one, other]).splitlines() == [
        "| takes from | home | map |",
        "|---|---|---|",
        "| home | - | 1.00 (1.00 to 1.00) |",
        "| map | 0.60 (0.50 to 0.70) | - |",
    ]


def test_a_real_log_has_the_matrix_alone(tmp_path):
    stored(tmp_path / "a", np.zeros((6, 6)))
    part = attention_part(load_contract("kuairand"), [trained(tmp_path / "a", 0)])
    assert part.count("0.20") == 30
    assert "Rank correlation" not in part
