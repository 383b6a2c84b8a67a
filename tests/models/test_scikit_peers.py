"""The peers of scikit-learn: what torch computes from the stored tensors is what scikit-learn computes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_rows import make_rows, make_spec
from scipy.special import expit
from sklearn.metrics import log_loss

from hinet_core import models
from hinet_core.dataset import Batch, FeatureSpec, FieldSpec
from hinet_core.models.boosted_trees import BoostedTrees
from hinet_core.models.boosted_trees import Config as TreesConfig
from hinet_core.models.logistic import Config as LogisticConfig
from hinet_core.models.logistic import Logistic, fitted
from hinet_core.models.parts.all_rows import flat_logit, known_labels, rows_of, slot_offsets
from hinet_core.models.parts.forest import Forest
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit, predict
from hinet_core.training.stopping import Scorer

TREES = TreesConfig(trees=40, patience=8, leaves=16, depth=6, rows_per_leaf=10, learning_rate=0.3)
# A field wider than a category may be, one with a single value, and one that the validation rows alone have values of.
WIDE = FeatureSpec(
    fields=(FieldSpec("item", "id", 300), FieldSpec("city", "id", 6), FieldSpec("one", "id", 3)),
    numbers=(FieldSpec("price", "number"), FieldSpec("age", "number")),
    lists=(FieldSpec("history", "list", 6, max_length=4),),
    scenarios=("a", "b", "c"),
    tasks=("click", "order"),
    n_positions=4,
)


def wide_rows(n, seed=0):
    """A click follows price times scenario, and city; an order the item's rank; slot 1 adds to both."""
    rows = make_rows(WIDE, n, seed)
    g = torch.Generator().manual_seed(seed + 1)
    rows.fields_NF[:, 2] = 2
    if seed == 0:
        rows.fields_NF[:, 1].clamp_(max=4)
    price_N, item_N, city_N = rows.numbers_NK[:, 0], rows.fields_NF[:, 0], rows.fields_NF[:, 1]
    logit_NT = torch.stack([price_N * (rows.scenario_N - 1) + (city_N % 2), 1.5 - item_N / 100], dim=1)
    logit_NT = logit_NT - 1 + (rows.position_N == 1)[:, None]
    rows.labels_NT = (torch.rand(n, 2, generator=g) < logit_NT.sigmoid()).float()
    rows.label_mask_NT[: n // 10, 1] = 0
    return rows


def raw_logits(model, rows) -> np.ndarray:
    with torch.inference_mode(), model.calibration.bypassed():
        return model.eval()(rows.batch(slice(None))).double().numpy()


@pytest.mark.parametrize("crosses", [True, False])
def test_logistic_regression_is_that_of_scikit_learn(crosses):
    train, valid = wide_rows(1500), wide_rows(400, seed=1)
    model = Logistic(WIDE, LogisticConfig(scenario_crosses=crosses))
    model.fit_rows(train, valid, None, 0)
    batch, judged = rows_of(train, 10**6, 0), rows_of(valid, 10**6, 0)
    for task in range(2):
        place_N, label_N = known_labels(batch, task)
        assert len(place_N) == (1500, 1350)[task]
        reference = fitted(model.design(batch)[place_N], label_N, model.config)
        expected = reference.decision_function(model.design(judged))
        np.testing.assert_allclose(raw_logits(model, valid)[:, task], expected, rtol=0, atol=1e-6)


def test_a_design_row_by_hand():
    """Two scenarios; ids 4 + 3 rows, a list of 3 rows, one number; then levels, copies per scenario, slots."""
    spec = FeatureSpec(
        (FieldSpec("city", "id", 4), FieldSpec("kind", "id", 3)), (FieldSpec("price", "number"),),
        (FieldSpec("seen", "list", 3, max_length=3),), ("home", "map"), ("click",), 2,
    )  # fmt: skip
    batch = Batch(
        torch.tensor([[2, 1]]), torch.tensor([[0.5]]), {"seen": torch.tensor([[2, 0, 2]])}, torch.tensor([1]),
        torch.tensor([2]), torch.zeros(1, 1), torch.ones(1, 1),
    )  # fmt: skip
    found = Logistic(spec).design(batch).toarray()[0]
    own = [0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0.5]
    assert found.tolist() == [*own, 0, 1, *[0] * 11, *own, 0, 0, 0, 1]


@pytest.fixture(scope="module")
def trees():
    train, valid = wide_rows(3000), wide_rows(1500, seed=1)
    model = BoostedTrees(WIDE, TREES)
    model.fit_rows(train, valid, None, 0)
    return model, train, valid


@pytest.mark.parametrize("leaves", [16, 31, 63])
def test_trees_are_those_of_scikit_learn(leaves):
    """Up to the tree with the least loss on the validation rows; also for categories that training never saw."""
    train, valid = wide_rows(3000), wide_rows(1500, seed=1)
    model = BoostedTrees(WIDE, replace(TREES, leaves=leaves, depth=9, rows_per_leaf=5))
    model.fit_rows(train, valid, None, 0)
    most = max(int(forest.leaves_R.max()).bit_length() for forest in model.forests)
    assert most == leaves
    batch, judged = rows_of(train, 10**6, 0), rows_of(valid, 10**6, 0)
    without_slots = replace(valid, position_N=torch.zeros_like(valid.position_N))
    found_NT = raw_logits(model, without_slots)
    for task in range(2):
        place_N, label_N = known_labels(batch, task)
        reference = model.fitted(task, model.matrix(task, batch)[place_N], label_N, judged, 0)
        expected_N = reference.decision_function(model.matrix(task, judged))
        np.testing.assert_allclose(found_NT[:, task], expected_N, rtol=0, atol=1e-6)
        assert 0 < len(reference._predictors) < len(reference.validation_score_) - 1
        best = max(reference.validation_score_)
        loss = log_loss(judged.labels_BT[:, task], expit(expected_N))
        assert task == 1 or loss == pytest.approx(-best, abs=1e-6)
    assert np.isnan(model.matrix(0, judged)).any()


def test_parameters_are_the_leaves_that_scikit_learn_counts_with_levels_and_slots(trees):
    model, train, valid = trees
    batch, judged, leaves = rows_of(train, 10**6, 0), rows_of(valid, 10**6, 0), 0
    for task in range(2):
        place_N, label_N = known_labels(batch, task)
        reference = model.fitted(task, model.matrix(task, batch)[place_N], label_N, judged, 0)
        leaves += sum(tree.get_n_leaf_nodes() for (tree,) in reference._predictors)
    assert leaves > 100
    assert models.n_params(model) == leaves + 2 + 3 * 4 * 2
    assert models.n_params(BoostedTrees(WIDE, TREES)) == 2 + 3 * 4 * 2


def test_parameters_of_logistic_regression_are_its_coefficients_levels_and_slots():
    """300 + 6 + 3 ids, 6 list entries, 2 numbers: shared and per scenario; 3 levels; 3 x 4 slots; two tasks."""
    columns = 300 + 6 + 3 + 6 + 2
    assert models.n_params(Logistic(WIDE)) == 2 * (columns + 3 * columns + 3 + 3 * 4)
    assert models.n_params(Logistic(WIDE, LogisticConfig(scenario_crosses=False))) == 2 * (columns + 3 + 3 * 4)


def test_trees_learn_what_was_planted(trees):
    model, _, valid = trees
    price, scenario = valid.numbers_NK[:, 0], valid.scenario_N
    steep = raw_logits(model, replace(valid, position_N=torch.zeros_like(valid.position_N)))[:, 0]
    rising = np.corrcoef(steep[scenario == 2], price[scenario == 2])[0, 1]
    falling = np.corrcoef(steep[scenario == 0], price[scenario == 0])[0, 1]
    assert rising > 0.6 and falling < -0.6


def test_the_slot_is_fitted_to_what_the_trees_leave(trees):
    """Planted: slot 1 adds one to the logit of both tasks, in every scenario."""
    model, _, _ = trees
    slots_SPT = model.position.slots_SPT.detach()
    gap_ST = slots_SPT[:, 0] - slots_SPT[:, 1:].mean(dim=1)
    assert (gap_ST > 0.5).all() and (gap_ST < 1.6).all()


def test_fitting_again_leaves_nothing_of_before(trees):
    _, train, valid = trees
    again, fresh = BoostedTrees(WIDE, TREES), BoostedTrees(WIDE, TREES)
    again.fit_rows(train, valid, None, 0)
    few = train.map(lambda tensor: tensor[:400])
    for model in (again, fresh):
        model.fit_rows(few, valid, None, 0)
    assert all(torch.equal(one, fresh.state_dict()[key]) for key, one in again.state_dict().items())


def test_no_stored_number_is_infinite_or_nan(trees):
    assert all(torch.isfinite(one).all() for one in trees[0].state_dict().values())


def test_an_empty_forest_adds_nothing():
    forest = Forest(40, 8, 2, 2)
    assert forest(torch.full((3, 2), 255), torch.tensor([[1.0, torch.nan]] * 3)).tolist() == [0, 0, 0]


def test_leaves_beyond_the_bits_of_a_word_are_refused():
    with pytest.raises(ValueError, match="leaves is 64, expected 2 to 63"):
        BoostedTrees(WIDE, replace(TREES, leaves=64))


def test_of_many_rows_the_seed_draws_some_in_their_order():
    rows = wide_rows(50)
    rows.numbers_NK[:, 0] = torch.arange(50)
    first, again, other = (rows_of(rows, 20, seed).numbers_BN[:, 0] for seed in (3, 3, 4))
    assert len(first) == 20 and (first.diff() > 0).all()
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_offsets_of_slots_minimise_the_penalised_loss():
    """The condition of the minimum: predicted minus observed plus b is zero in every cell; an empty cell stays 0."""
    rng = np.random.default_rng(0)
    logit_N, cell_N = rng.normal(size=2000) * 3, rng.integers(0, 4, 2000)
    label_N = (rng.random(2000) < expit(logit_N + np.array([2.0, -9.0, 0.3, 0.0])[cell_N])).astype(int)
    offset_C = slot_offsets(logit_N, label_N, cell_N, 5)
    slope_C = np.bincount(cell_N, expit(logit_N + offset_C[cell_N]) - label_N, 5) + offset_C
    np.testing.assert_allclose(slope_C, 0, atol=1e-8)
    assert offset_C[4] == 0


@pytest.mark.parametrize("model", [Logistic(make_spec()), BoostedTrees(make_spec(), TREES)], ids=["logistic", "trees"])
def test_one_label_alone_gives_the_logit_of_its_rate(model):
    train, valid = make_rows(make_spec(), 60), make_rows(make_spec(), 60, seed=1)
    train.labels_NT[:, 0] = 0
    model.fit_rows(train, valid, None, 0)
    found_NT = raw_logits(model, valid)
    np.testing.assert_allclose(found_NT[:, 0], flat_logit(np.zeros(60, int)), rtol=1e-6)
    assert flat_logit(np.zeros(60, int)) == pytest.approx(np.log(0.5 / 60.5))
    assert np.ptp(found_NT[:, 1]) > 0


@pytest.mark.parametrize("kind", [Logistic, BoostedTrees])
def test_the_trainer_counts_it_as_one_epoch_validates_and_calibrates(kind):
    train, valid = wide_rows(1500), wide_rows(800, seed=1)
    model, seen = kind(WIDE), []
    history = fit(model, train, valid, TrainConfig(), device="cpu", on_epoch=lambda epoch, rows: seen.append(epoch))
    assert (history.epochs, history.best_epoch, history.steps, seen) == (1, 1, 0, [1])
    assert history.best_score == pytest.approx(np.mean(list(aucs(model, valid).values())), abs=1e-9)
    assert history.best_score > 0.6
    assert {cell.method for cell in history.calibration} == {"platt"}
    assert not model.training


def aucs(model, valid):
    with model.calibration.bypassed():
        return Scorer.of(valid).auc_per_task(predict(model, valid.at_first_slot()))
