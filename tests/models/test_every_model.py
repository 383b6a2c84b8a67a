"""One suite for every model of the folder: a new file is tested unasked."""

from copy import deepcopy
from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
import torch
from model_rows import make_rows, make_spec

from hinet_core import models
from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec
from hinet_core.training import checkpoint
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit, predict
from hinet_core.training.step import Stepper
from hinet_core.training.stopping import auc

# Learned by gradient steps; the others have `fit_rows`.
NETWORKS = [name for name in models.names() if not hasattr(models.build(name, make_spec()), "fit_rows")]
every_model = pytest.mark.parametrize("name", models.names())
every_network = pytest.mark.parametrize("name", NETWORKS)


def dropouts(name):
    """The names that a model's Config has for shares to drop."""
    return [field.name for field in fields(models.build(name, make_spec()).config) if "dropout" in field.name]


def telling(rows):
    """All that stays out of x says the first task's label: the field, the number, and how long the list is."""
    label_N = rows.labels_NT[:, 0]
    rows.fields_NF[:, 1] = 2 + label_N.long()
    rows.numbers_NK[:, 1] = label_N
    rows.lists["dropped"] = label_N.long()[:, None].expand(-1, 2) * 2
    return rows


@cache
def fitted(name, spec):
    """A model without gradient steps, fitted to rows whose hidden features would be all that it needs."""
    model = models.build(name, spec, seed=0)
    model.fit_rows(telling(make_rows(spec, 300)), telling(make_rows(spec, 100, 1)), None, 0)
    return model


def built(name, spec):
    """The quick preset, fitted where that is how it learns; the position term, zero at the start, gets values."""
    model = models.build(name, spec, seed=0) if name in NETWORKS else deepcopy(fitted(name, spec))
    torch.manual_seed(0)
    if spec.n_positions:
        torch.nn.init.normal_(model.position.slots_SPT)
    return model


@every_model
@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_logits_have_one_column_per_task(name, preset):
    spec = make_spec(n_scenarios=4, n_tasks=3)
    logits_BT = models.build(name, spec, preset)(make_rows(spec, 7).batch(slice(None)))
    assert logits_BT.shape == (7, 3)
    assert logits_BT.dtype == torch.float32
    assert torch.isfinite(logits_BT).all()


@every_model
@pytest.mark.parametrize("n_scenarios", [1, 2])
def test_few_scenarios_one_task_and_no_positions_work(name, n_scenarios):
    spec = make_spec(n_scenarios, n_tasks=1, n_positions=0)
    logits_BT = models.build(name, spec)(make_rows(spec, 5).batch(slice(None)))
    assert logits_BT.shape == (5, 1)


@every_network
def test_gradient_reaches_every_parameter(name):
    spec = make_spec()
    model, batch = built(name, spec).eval(), make_rows(spec, 400).batch(slice(None))
    torch.nn.functional.binary_cross_entropy_with_logits(model(batch), batch.labels_BT).backward()
    # STAR keeps its running statistics as parameters without gradient.
    learned = {key: p for key, p in model.named_parameters() if p.requires_grad}
    silent = [key for key, p in learned.items() if p.grad is None or not p.grad.any()]
    assert silent == []


@every_model
def test_a_batch_is_its_rows_one_by_one_in_any_order(name):
    spec = make_spec()
    model, rows = built(name, spec), make_rows(spec, 23)
    whole = predict(model, rows)
    np.testing.assert_allclose(predict(model, rows, batch_size=1), whole, rtol=1e-4, atol=1e-5)
    order = torch.randperm(23)
    with torch.inference_mode():
        shuffled = model.eval()(rows.batch(order)).numpy()
    np.testing.assert_allclose(shuffled, whole[order], rtol=1e-4, atol=1e-5)


@every_model
def test_a_row_does_not_depend_on_labels_or_what_stays_out_of_x(name):
    spec = make_spec()
    model, rows = built(name, spec), make_rows(spec, 23)
    before = predict(model, rows)
    for label in (0.0, 1.0):
        changed = replace(rows.map(torch.clone), labels_NT=torch.full_like(rows.labels_NT, label))
        assert np.array_equal(predict(model, telling(changed)), before)


@every_model
def test_ranking_at_slot_one_does_not_know_the_logged_slot(name):
    spec = make_spec()
    model, rows = built(name, spec), make_rows(spec, 50)
    rows.position_N = rows.position_N.clamp(min=1)
    shuffled = replace(rows, position_N=rows.position_N.flip(0))
    assert not np.array_equal(predict(model, rows), predict(model, shuffled))
    assert np.array_equal(predict(model, rows.at_first_slot()), predict(model, shuffled.at_first_slot()))


@pytest.mark.parametrize(("name", "setting"), [(name, one) for name in NETWORKS for one in dropouts(name)])
def test_every_dropout_drops_in_training_alone(name, setting):
    """It alone at 0.5 makes each task's logits a matter of the draw; at 0, and in evaluation, nothing is drawn."""
    spec, none = make_spec(), dict.fromkeys(dropouts(name), 0.0)
    batch = make_rows(spec, 20).batch(slice(None))

    def moved(model):
        draws = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            draws.append(model(batch))
        return (draws[0] != draws[1]).any(dim=0).tolist()

    model = models.build(name, spec, seed=0, **none | {setting: 0.5})
    assert moved(model) == [True, True]
    with torch.no_grad():  # the path of experts without a backward pass of their own
        assert moved(model) == [True, True]
        assert moved(model.eval()) == [False, False]
    assert moved(models.build(name, spec, seed=0, **none)) == [False, False]


@every_network
def test_seed_decides_the_initial_weights(name):
    spec = make_spec()
    first, again, other = (models.build(name, spec, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@every_model
def test_saved_and_loaded_model_gives_the_same_bits(name, tmp_path):
    spec = make_spec()
    model, rows = built(name, spec), make_rows(spec, 30)
    checkpoint.save(tmp_path / "v1", model, name, model.config, spec, None, {"as_of": "2022-05-06"})
    bundle = checkpoint.load(tmp_path / "v1")
    assert np.array_equal(predict(bundle.model, rows), predict(model, rows))
    assert (bundle.spec, bundle.meta, bundle.name) == (spec, {"as_of": "2022-05-06"}, name)
    assert bundle.model.config == model.config


@every_network
@pytest.mark.parametrize("rule", ["rowwise_adagrad", "touched_adam"])
def test_every_embedding_table_is_moved_by_every_rule(name, rule):
    """Models of several tables included."""
    spec = make_spec()
    model = models.build(name, spec, seed=0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    stepper = Stepper(model, TrainConfig(embedding_optimizer=rule), len(spec.tasks))
    for batch in make_rows(spec, 300).batches(64):
        stepper.step(batch)
    after = model.state_dict()
    tables = [key for key in before if key.endswith("fields.table")]
    assert tables and len(stepper.optimizers.rows) == len(tables)
    for key in tables:
        moved = (after[key] != before[key]).any(dim=1)
        assert torch.isfinite(after[key]).all() and moved.float().mean() > 0.8


def planted(n: int, seed: int) -> tuple[FeatureSpec, Dataset]:
    """Task 0: left likes odd items, right likes high ones. Task 1: the number's sign. 10 % of labels are flipped."""
    fields, numbers = (FieldSpec("item", "id", 12),), (FieldSpec("price", "number"),)
    spec = FeatureSpec(fields, numbers, (), ("left", "right"), ("like", "buy"), after=(-1, -1))
    g = torch.Generator().manual_seed(seed)
    item_N, scenario_N = torch.randint(2, 12, (n,), generator=g), torch.randint(0, 2, (n,), generator=g)
    price_N, zeros_N = torch.randn(n, generator=g), torch.zeros(n, dtype=torch.int64)
    liked_N = torch.where(scenario_N == 0, item_N % 2 == 1, item_N >= 7)
    clean_NT = torch.stack([liked_N, price_N > 0], dim=1).float()
    labels_NT = torch.where(torch.rand(n, 2, generator=g) < 0.1, 1 - clean_NT, clean_NT)
    ones_NT = torch.ones(n, 2)
    return spec, Dataset(item_N[:, None], price_N[:, None], scenario_N, zeros_N, labels_NT, ones_NT, zeros_N, zeros_N)


@every_model
@pytest.mark.slow
def test_learns_a_planted_interaction_of_scenario_and_item(name):
    """A perfect model reaches 0.90; one that adds up scenario and item, 0.84."""
    (spec, train), (_, valid) = planted(4000, seed=0), planted(4000, seed=1)
    model = models.build(name, spec, seed=0)
    config = TrainConfig(epochs=6, patience=6, batch_size=256, learning_rate=1e-2)
    fit(model, train, valid.map(lambda column: column[:1000]), config, device="cpu")
    logits_NT, labels_NT = predict(model, valid), valid.labels_NT.numpy()
    for scenario in (0, 1):
        rows = (valid.scenario_N == scenario).numpy()
        assert auc(labels_NT[rows, 0], logits_NT[rows, 0]) > 0.87
        assert auc(labels_NT[rows, 1], logits_NT[rows, 1]) > 0.87
