"""What a contract and the command line say of a training reaches its settings, or is refused as other mistakes are."""

from dataclasses import asdict, fields, replace
from typing import get_args

import pytest
from tiny_log import tiny_contract

from hinet_core.contract import ContractError, TrainingSection, with_settings
from hinet_core.training.config import CHOICES, TRAIN_PRESETS, TrainConfig
from hinet_core.training.losses import BatchLoss
from hinet_core.training.settings import settings_of

QUICK = TRAIN_PRESETS["quick"]


def settings(preset: str = "quick", **training) -> TrainConfig:
    return settings_of(tiny_contract(training=training), preset)


def test_a_contract_has_every_setting_with_the_same_choices():
    keys = TrainingSection.model_fields
    assert [*keys][1:] == [one.name for one in fields(TrainConfig)]
    offered = {name: get_args(get_args(keys[name].annotation)[0]) for name in CHOICES}
    assert offered == {name: tuple(choices) for name, choices in CHOICES.items()}


def test_a_contract_that_says_nothing_leaves_the_preset_as_it_is():
    assert settings() == QUICK
    assert settings("paper") == TRAIN_PRESETS["paper"]


def test_what_a_contract_says_stands_in_place_of_the_preset():
    given = {"learning_rate": 0.002, "batch_size": 64, "epochs": 3, "precision": "auto", "clip_norm": float("inf"),
             "embedding_optimizer": "touched_adam", "deterministic": True, "ema_decay": 0.0}  # fmt: skip
    assert settings(**given) == replace(QUICK, **given)
    assert settings("paper", learning_rate=0.002).batch_size == 4096


def test_weights_by_name_become_rows_in_the_order_of_the_contract():
    found = settings(
        task_weights={"order": 2}, scenario_weights={"home": 0.5}, cell_weights={"home/order": 3},
        positive_weights={"click": 4},
    )  # fmt: skip
    assert (found.task_weights, found.scenario_weights, found.positive_weights) == ((1.0, 2.0), (0.5, 1.0), (4.0, 1.0))
    assert found.cell_weights == ((1.0, 3.0), (1.0, 1.0))
    loss = BatchLoss(found, 2, 2)
    assert loss.weight_ST.tolist() == [[0.5, 3.0], [1.0, 2.0]]
    assert loss.positive_T.tolist() == [4.0, 1.0]


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"task_weights": {"buy": 1}}, "training.task_weights: found 'buy', allowed: click, order"),
        ({"positive_weights": {"buy": 1}}, "training.positive_weights: found 'buy', allowed: click, order"),
        ({"scenario_weights": {"hom": 1}}, "training.scenario_weights: found 'hom', allowed: home, map"),
        ({"cell_weights": {"home": 1}}, "training.cell_weights: found 'home', allowed: home/click, home/order, map"),
        ({"task_weights": {"click": -1}}, "training.task_weights.click: found -1, allowed: at least 0"),
        ({"positive_weights": {"click": 0}}, "training.positive_weights.click: found 0, allowed: more than 0"),
        ({"task_weights": {"click": 0, "order": 0}}, "training.task_weights: found 0 for every task and scenario"),
        ({"learning_rat": 1}, "training.learning_rat: unknown key; did you mean 'learning_rate'?"),
        ({"learning_rate": 0}, "training.learning_rate: found 0, allowed: more than 0"),
        ({"learning_rate": float("inf")}, "training.learning_rate: found inf, allowed: a number that is finite"),
        ({"clip_norm": float("nan")}, "training.clip_norm: found nan, allowed: more than 0"),
        ({"ema_decay": 1}, "training.ema_decay: found 1, allowed: less than 1"),
        ({"epochs": 1.5}, "training.epochs: found 1.5, allowed: a whole number"),
        ({"precision": "half"}, "training.precision: found 'half', allowed: 'float32', 'bfloat16' or 'auto'"),
        ({"weight_decay": 0.1}, "training.weight_decay: found 0.1, allowed: with optimizer = 'adamw'"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(training, message):
    with pytest.raises(ContractError) as caught:
        tiny_contract(training=training)
    assert message in str(caught.value)


def test_lines_of_a_command_go_before_the_contract_which_they_leave_alone():
    contract = tiny_contract(training={"learning_rate": 0.002, "epochs": 3, "task_weights": {"click": 2}})
    lines = ["learning_rate=0.5", "task_weights.order=3", "precision=bfloat16", 'cell_weights."home/click" = 0',
             "deterministic=true"]  # fmt: skip
    found = settings_of(with_settings(contract, lines), "quick")
    expected = {"learning_rate": 0.5, "epochs": 3, "precision": "bfloat16", "task_weights": (2.0, 3.0),
                "cell_weights": ((0.0, 1.0), (1.0, 1.0)), "deterministic": True}  # fmt: skip
    assert asdict(found) == asdict(QUICK) | expected
    assert contract.training.learning_rate == 0.002
    assert with_settings(contract, []) == contract
    assert with_settings(contract, lines).data_fingerprint == contract.data_fingerprint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("learning_rate=fast", "training.learning_rate: found 'fast', allowed: a number"),
        ("learning_rat=1", "training.learning_rat: unknown key; did you mean 'learning_rate'?"),
        ("learning_rate=-1", "training.learning_rate: found -1, allowed: more than 0"),
        ("precision=half", "training.precision: found 'half', allowed: 'float32', 'bfloat16' or 'auto'"),
        ("task_weights.buy=2", "training.task_weights: found 'buy', allowed: click, order"),
        ("task_weights=2", "training.task_weights: found 2, allowed: a table"),
        ("learning_rate", "setting: found 'learning_rate', allowed: NAME=VALUE"),
        ("learning_rate=", "setting: found 'learning_rate=', allowed: NAME=VALUE"),
        ("=1", "setting: found '=1', allowed: NAME=VALUE"),
        ('models=["mmoe"]', "allowed: NAME=VALUE with a key of [training] but models"),
    ],
)
def test_a_line_that_does_not_fit_is_refused_with_what_does(line, message):
    with pytest.raises(ContractError) as caught:
        with_settings(tiny_contract(), [line])
    assert message in str(caught.value)
