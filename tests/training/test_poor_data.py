"""Logs that are poor in something: the trainer goes on, and says in a sentence what is missing.

One model of steps and one without; tests/models/test_odd_data.py has every model on such data.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from loop_rows import SPEC, rows
from scipy.special import expit

from hinet_core import models
from hinet_core.dataset import Dataset, FieldSpec
from hinet_core.training.config import TrainConfig
from hinet_core.training.history import History
from hinet_core.training.inputs import check_rows
from hinet_core.training.loop import fit, predict

pytestmark = pytest.mark.slow

FUNNEL = replace(SPEC, after=(-1, 0))
CONFIG = TrainConfig(epochs=1, batch_size=128)
LONGER = TrainConfig(epochs=3, batch_size=64, learning_rate=1e-2)
both_kinds = pytest.mark.parametrize("name", ["hinet", "logistic"])


def trained(name: str, train: Dataset, valid: Dataset, config: TrainConfig = CONFIG) -> tuple[History, np.ndarray]:
    """-> what happened, and the probabilities of 200 rows of both scenarios"""
    model = models.build(name, FUNNEL, seed=0)
    history = fit(model, train, valid, config, device="cpu")
    logits_NT = predict(model, rows(200, 7))
    assert np.isfinite(logits_NT).all()
    assert all(np.isfinite(row["value"]) for row in history.rows)
    return history, expit(logits_NT)


def changed(n: int, change: Callable[[Dataset], None], seed: int = 0) -> Dataset:
    data = rows(n, seed)
    change(data)
    return data


def constant(data: Dataset) -> None:
    """In scenario 1 all click and nobody orders."""
    data.labels_NT[data.scenario_N == 1] = torch.tensor([1.0, 0.0])


def one_value(data: Dataset) -> None:
    data.fields_NF[:] = 2
    data.numbers_NK[:] = 0


def only_17(data: Dataset) -> None:
    data.scenario_N[:] = 0
    data.scenario_N[:17] = 1


def nothing_clicked(data: Dataset) -> None:
    data.labels_NT[:] = 0


@both_kinds
def test_a_label_that_is_constant_in_a_scenario_is_learned_as_that(name):
    inside_N = rows(200, 7).scenario_N.numpy() == 1
    _, p_NT = trained(name, changed(600, constant), changed(400, constant, 1), LONGER)
    gap_NT = np.abs(p_NT - [1, 0])
    assert (gap_NT[inside_N].mean(axis=0) < gap_NT[~inside_N].mean(axis=0)).all()


@both_kinds
def test_poor_rows_are_trained_on(name):
    """A scenario with 17 rows, fields with one value each, and a validation day without one of the scenarios."""
    trained(name, changed(300, only_17), rows(200, 1))
    trained(name, changed(300, one_value), changed(200, one_value, 1))
    valid = rows(400, 1)
    history, _ = trained(name, rows(300), valid.map(lambda column: column[valid.scenario_N == 0]))
    assert history.rule == "macro_auc"


@both_kinds
def test_without_a_positive_the_log_says_so_and_the_chance_is_small(name, caplog):
    """The log loss stops, since there is no AUC, and nothing is calibrated."""
    train, valid = changed(600, nothing_clicked), changed(200, nothing_clicked, 1)
    history, p_NT = trained(name, train, valid, LONGER)
    assert history.rule == "logloss"
    assert p_NT.mean() < 0.2
    for task in (0, 1):
        assert f"task {task}: none of 600 known labels of the training rows is positive" in caplog.text


@both_kinds
def test_a_batch_of_one_is_a_batch(name):
    """Every step has one row; and the last step of an epoch, beside a full one."""
    trained(name, rows(12), rows(100, 1), replace(CONFIG, batch_size=1))
    trained(name, rows(129), rows(100, 1))


def test_labels_that_are_all_positive_are_said_too(caplog):
    trained("mmoe", changed(300, lambda data: data.labels_NT.fill_(1.0)), rows(100, 1))
    assert "task 0: all of 300 known labels of the training rows are positive" in caplog.text


def test_a_task_with_both_labels_is_not_mentioned(caplog):
    trained("mmoe", rows(300), rows(300, 1))
    assert "known labels" not in caplog.text


@both_kinds
@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_number_that_is_none_is_named_with_its_rows(name, part):
    data = {"training": rows(300, 1), "validation": rows(200, 2)}
    data[part].numbers_NK[7, 0] = float("nan")
    with pytest.raises(ValueError, match=rf"columns \[0\] of the {part} rows hold NaN or infinity: fill and scale"):
        fit(models.build(name, FUNNEL, seed=0), data["training"], data["validation"], CONFIG, device="cpu")


@both_kinds
@pytest.mark.parametrize("part", ["training", "validation"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.fields_NF.__setitem__((5, 0), 20), "field item of the {} rows holds 20, expected 0 to 19"),
        (lambda data: data.fields_NF.__setitem__((5, 0), -1), "field item of the {} rows holds -1, expected 0 to 19"),
        (lambda data: data.scenario_N.__setitem__(5, 2), "the scenario of the {} rows holds 2, expected 0 to 1"),
        (lambda data: data.position_N.__setitem__(5, 99), "the slot of the {} rows holds 99, expected 0 to 3"),
        (lambda data: data.position_N.__setitem__(5, -1), "the slot of the {} rows holds -1, expected 0 to 3"),
    ],
    ids=["beyond", "below", "scenario", "slot", "no slot"],
)
def test_codes_that_the_spec_does_not_have_are_refused(name, part, change, said):
    """In the one table of all fields they would be rows of another field."""
    data = {"training": rows(300, 1), "validation": rows(200, 2)}
    change(data[part])
    with pytest.raises(ValueError, match=f"{said.format(part)}: encode the rows with the encoder"):
        fit(models.build(name, FUNNEL, seed=0), data["training"], data["validation"], CONFIG, device="cpu")


LISTED = replace(SPEC, lists=(FieldSpec("history", "list", 6, max_length=4),))


@pytest.mark.parametrize("part", ["training", "validation"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lists": {}}, "no list history"),
        ({"fields_NF": torch.zeros(100, 2, dtype=torch.int64)}, "2 id fields, expected 1"),
        ({"fields_NF": torch.zeros(100, 0).int(), "lists": {}}, "0 id fields, expected 1; no list history"),
        ({"numbers_NK": torch.zeros(100, 3)}, "3 numbers, expected 1"),
        ({"labels_NT": torch.zeros(100, 1), "label_mask_NT": torch.ones(100, 1)}, "1 tasks, expected 2"),
    ],
    ids=["list", "ids", "both", "numbers", "tasks"],
)
def test_columns_that_the_spec_has_and_the_rows_have_not_are_named(part, change, said):
    data = {one: replace(rows(100), lists={"history": torch.ones(100, 4)}) for one in ("training", "validation")}
    data[part] = replace(data[part], **change)
    with pytest.raises(ValueError, match=f"the {part} rows have {said}: encode the rows with the encoder"):
        check_rows(models.build("mmoe", LISTED, seed=0), data["training"], data["validation"])


@pytest.mark.parametrize("part", ["training", "validation"])
@pytest.mark.parametrize("label", [2.0, -1.0, 0.5, float("nan")])
def test_a_label_is_0_or_1_or_not_known(part, label):
    data = {"training": rows(100), "validation": rows(100)}
    data[part].labels_NT[5, 1] = label
    model = models.build("mmoe", SPEC, seed=0)
    with pytest.raises(ValueError, match=f"task 1 of the {part} rows has the label {label:g}, expected 0 or 1: mask"):
        check_rows(model, data["training"], data["validation"])
    data[part].label_mask_NT[5, 1] = 0
    check_rows(model, data["training"], data["validation"])
