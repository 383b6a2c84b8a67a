"""Every model on data that is barely there: what must not fail gives finite predictions, the rest a sentence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_rows import make_rows, make_spec
from scipy.special import expit

from hinet_core import models
from hinet_core.dataset import FeatureSpec, FieldSpec
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit, predict

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", models.names())]

FIELD, NUMBER, LIST = FieldSpec("item", "id", 7), FieldSpec("price", "number"), FieldSpec("seen", "list", 6, True, 3)
QUICK = TrainConfig(epochs=1, batch_size=64)


def chances(name, spec, train, valid, config=QUICK) -> np.ndarray:
    """Train and predict the validation rows; every weight and logit must be a number."""
    model = models.build(name, spec, seed=0)
    fit(model, train, valid, config, device="cpu")
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    logits_NT = predict(model, valid)
    assert np.isfinite(logits_NT).all()
    return expit(logits_NT)


@pytest.mark.parametrize(
    ("fields", "numbers", "lists"),
    [((FIELD,), (), ()), ((), (NUMBER,), ()), ((), (), (LIST,))],
    ids=["one field", "one number", "one list"],
)
def test_one_input_of_any_kind_is_enough(name, fields, numbers, lists):
    spec = FeatureSpec(fields, numbers, lists, ("a", "b"), ("click", "order"), after=(-1, 0))
    assert chances(name, spec, make_rows(spec, 100), make_rows(spec, 60, 1)).shape == (60, 2)


def test_no_input_is_refused(name):
    fields = (replace(FIELD, in_x=False),)
    with pytest.raises(ValueError, match="no feature enters x: expected at least one field, number or list"):
        models.build(name, FeatureSpec(fields, (), (), ("a", "b"), ("click", "order"), after=(-1, 0)))


def test_one_scenario_and_a_field_and_a_number_of_one_value(name):
    spec = make_spec(n_scenarios=1)
    train, valid = make_rows(spec, 100), make_rows(spec, 60, 1)
    for rows in (train, valid):
        rows.fields_NF[:, 0] = 2
        rows.numbers_NK[:, 0] = 0.5
    chances(name, spec, train, valid)


def test_batches_of_one_row(name):
    """All of them, and the last one of a training set of 65 rows in batches of 64."""
    spec = make_spec()
    chances(name, spec, make_rows(spec, 9), make_rows(spec, 9, 1), TrainConfig(epochs=1, batch_size=1))
    chances(name, spec, make_rows(spec, 65), make_rows(spec, 9, 1))


def test_a_label_that_is_constant_in_a_scenario(name):
    """The scenario's level is learned: where nobody ever clicked the mean chance is far below that of the others.

    No label of the validation day is known, so the last epoch stays: the best one of labels drawn at random may be any.
    """
    spec = make_spec(n_positions=0)
    train, valid = make_rows(spec, 600), make_rows(spec, 300, 1)
    for rows in (train, valid):
        rows.labels_NT[rows.scenario_N == 1] = 0
    valid.label_mask_NT[:] = 0
    config = TrainConfig(epochs=3, batch_size=64, learning_rate=3e-2)
    chance_NT = chances(name, spec, train, valid, config)
    dead_N = (valid.scenario_N == 1).numpy()
    assert (chance_NT[dead_N].mean(axis=0) + 0.3 < chance_NT[~dead_N].mean(axis=0)).all()


@pytest.mark.parametrize("n_rows", [17, 0])
def test_a_scenario_with_17_rows_and_one_with_none(name, n_rows):
    """Rows to be scored may be of a scenario that training hardly saw, or not at all."""
    spec = make_spec()
    train = make_rows(spec, 300)
    rare_N = torch.nonzero(train.scenario_N == 2).flatten()
    kept_N = torch.cat([torch.nonzero(train.scenario_N != 2).flatten(), rare_N[:n_rows]])
    chances(name, spec, train.map(lambda tensor: tensor[kept_N]), make_rows(spec, 60, 1))


def test_a_validation_day_without_one_of_the_scenarios(name):
    spec = make_spec()
    valid = make_rows(spec, 200, 1)
    chances(name, spec, make_rows(spec, 100), valid.map(lambda column: column[valid.scenario_N != 2]))


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_label_alone(name, label):
    """No model can rank here; all must say that the label is likely, and nothing is calibrated."""
    spec = make_spec(n_positions=0)
    train, valid = make_rows(spec, 300), make_rows(spec, 60, 1)
    train.labels_NT[:], valid.labels_NT[:] = label, label
    config = TrainConfig(epochs=2, batch_size=64, learning_rate=3e-2)
    chance_NT = chances(name, spec, train, valid, config)
    assert (np.abs(chance_NT - label) < 0.3).all()


def test_a_task_without_a_known_label(name):
    """The mask is all there is of it: the other task is learned as ever."""
    spec = make_spec()
    train, valid = make_rows(spec, 100), make_rows(spec, 60, 1)
    train.label_mask_NT[:, 1] = 0
    valid.label_mask_NT[:, 1] = 0
    chances(name, spec, train, valid)


def test_values_that_training_never_saw(name):
    """Ids beyond those of the training rows, lists that are empty, numbers far out."""
    spec = make_spec()
    train, valid = make_rows(spec, 100), make_rows(spec, 60, 1)
    train.fields_NF.clamp_(max=3)
    valid.fields_NF[:30] = 1
    valid.numbers_NK[:] = 5.0
    for ids_NL in valid.lists.values():
        ids_NL[:] = 0
    chances(name, spec, train, valid)
