"""Rules for the rows of a batch, against a dense gradient and one row at a time."""

import copy
import itertools

import pytest
import torch
from loop_rows import SPEC, rows

from hinet_core import models
from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec
from hinet_core.models.layers import FieldEmbedding
from hinet_core.models.parts.open_rows import distinct
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit, predict
from hinet_core.training.losses import masked_bce
from hinet_core.training.optimizers import Optimizers
from hinet_core.training.step import Stepper
from hinet_core.training.stopping import auc

WITH_LISTS = FeatureSpec(
    fields=(FieldSpec("user", "id", 40), FieldSpec("secret", "id", 5, in_x=False), FieldSpec("item", "id", 7)),
    numbers=(FieldSpec("price", "number"),),
    lists=(FieldSpec("history", "list", 90, max_length=4),),
    scenarios=("a", "b"),
    tasks=("click",),
)
RULES = ("rowwise_adagrad", "touched_adam")


def batches(n_batches=6, size=8):
    """Few rows of many: some tokens twice in a batch, some never; ids and list entries overlap between batches."""
    g = torch.Generator().manual_seed(1)
    n = n_batches * size
    data = Dataset(
        fields_NF=torch.stack([torch.randint(0, w, (n,), generator=g) for w in (40, 5, 7)], dim=1).int(),
        numbers_NK=torch.randn(n, 1, generator=g),
        scenario_N=torch.randint(0, 2, (n,), generator=g),
        position_N=torch.zeros(n, dtype=torch.int64),
        labels_NT=torch.randint(0, 2, (n, 1), generator=g).float(),
        label_mask_NT=torch.ones(n, 1),
        user_N=torch.arange(n),
        day_N=torch.zeros(n, dtype=torch.int64),
        lists={"history": torch.randint(0, 90, (n, 4), generator=g).int()},
    )
    return list(data.batches(size))


def model_with_lists():
    return models.build("mmoe", WITH_LISTS, seed=0, dropout=0.0, input_dropout=0.0)


def mean_loss(model, batch):
    return masked_bce(model(batch), batch.labels_BT, batch.label_mask_BT).sum() / len(batch)


def dense_gradient(model, batch):
    """(R, D) by ordinary backpropagation on a copy."""
    twin = copy.deepcopy(model)
    mean_loss(twin, batch).backward()
    return [one.grad for one in twin.parameters()], twin.fields.table.grad


def rows_read(model, batch):
    """By hand: user at 0, item behind it, the scenario, the history (padding too)."""
    user, item = batch.fields_BF[:, 0].tolist(), (40 + batch.fields_BF[:, 2]).tolist()
    scenario, history = (47 + batch.scenario_B).tolist(), (49 + batch.lists["history"].flatten()).tolist()
    return sorted({*user, *item, *scenario, *history})


def test_distinct_rows_come_once_each_with_its_place():
    places_R = torch.full((10,), 77, dtype=torch.int32)
    rows_U = distinct(torch.tensor([4, 9, 4, 0, 9, 9, 3]), places_R)
    assert sorted(rows_U.tolist()) == [0, 3, 4, 9]
    assert rows_U[places_R[torch.tensor([4, 9, 0, 3])].long()].tolist() == [4, 9, 0, 3]
    assert places_R[torch.tensor([1, 2, 5, 6, 7, 8])].tolist() == [77] * 6


def test_open_rows_read_the_same_and_take_the_summed_gradient():
    model, batch = model_with_lists(), batches()[0]
    whole, grad_RD = model(batch), dense_gradient(model, batch)[1]
    opened = model.fields.open_rows(batch, torch.zeros(len(model.fields.table), dtype=torch.int32))
    assert sorted(opened.rows_U.tolist()) == rows_read(model, batch)
    assert torch.equal(model(batch), whole)
    mean_loss(model, batch).backward()
    model.fields.close_rows()
    assert model.fields.table.grad is None
    torch.testing.assert_close(opened.values_UD.grad, grad_RD[opened.rows_U])
    grad_RD[opened.rows_U] = 0
    assert not grad_RD.any()


@pytest.mark.parametrize("rule", RULES)
def test_only_the_rows_of_the_batch_move(rule):
    model, batch = model_with_lists(), batches()[0]
    before_RD = model.fields.table.detach().clone()
    Stepper(model, TrainConfig(embedding_optimizer=rule), 1).step(batch)
    moved = (model.fields.table != before_RD).any(dim=1).nonzero().flatten().tolist()
    # The list's padding row is read and decays, but its value never counts.
    assert moved == rows_read(model, batch)
    assert model.fields.opened is None


def adagrad_by_row(gradients, w_D, lr, l2):
    sum_of_squares = 0.0
    for g_D in gradients:
        g_D = g_D.double() + l2 * w_D
        sum_of_squares += (g_D**2).mean()
        w_D = w_D - lr * g_D / (sum_of_squares**0.5 + 1e-8)
    return w_D


def adam_by_row(gradients, w_D, lr, l2):
    row = torch.nn.Parameter(w_D.clone())
    adam = torch.optim.Adam([row], lr=lr, weight_decay=l2)
    for g_D in gradients:
        row.grad = g_D.double()
        adam.step()
    return row.detach()


@pytest.mark.parametrize(("rule", "by_row"), list(zip(RULES, (adagrad_by_row, adam_by_row), strict=True)), ids=RULES)
def test_a_row_moves_as_if_alone_with_the_batches_that_read_it(rule, by_row):
    """The slow way: dense gradients by ordinary backpropagation, then each row through its own batches."""
    config = TrainConfig(embedding_optimizer=rule, embedding_learning_rate=0.02, embedding_l2=0.01, clip_norm=1e9)
    model = model_with_lists()
    stepper, start_RD, gradients = Stepper(model, config, 1), model.fields.table.detach().clone(), {}
    for batch in batches():
        grad_RD = dense_gradient(model, batch)[1]
        for row in rows_read(model, batch):
            gradients.setdefault(row, []).append(grad_RD[row])
        stepper.step(batch)
    assert {1, 6} <= {len(one) for one in gradients.values()}
    assert len(gradients) < len(start_RD)
    for row, w_D in enumerate(start_RD):
        expected_D = by_row(gradients.get(row, []), w_D.double(), 0.02, 0.01)
        torch.testing.assert_close(model.fields.table[row].detach().double(), expected_D, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_clipping_counts_the_rows(rule):
    model, batch = model_with_lists(), batches()[0]
    gradients, grad_RD = dense_gradient(model, batch)
    norm = torch.cat([one.flatten() for one in gradients]).norm()
    optimizers = Optimizers(model, TrainConfig(embedding_optimizer=rule))
    with optimizers.open(batch):
        mean_loss(model, batch).backward()
        optimizers.clip(norm.item() / 4)
        opened = model.fields.opened
        torch.testing.assert_close(opened.values_UD.grad, grad_RD[opened.rows_U] / 4, rtol=1e-4, atol=1e-8)
        others = zip(optimizers.whole, [one for one in gradients if one is not grad_RD], strict=True)
        for mine, dense in others:
            torch.testing.assert_close(mine.grad, dense / 4, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("rule", RULES)
def test_average_of_few_rows_is_that_of_every_step(rule):
    """Against an average of all parameters at every step, read at the end and once on the way."""
    config = TrainConfig(embedding_optimizer=rule, learning_rate=0.05, ema_decay=0.8)
    model = model_with_lists()
    stepper, average = Stepper(model, config, 1), [one.detach().clone() for one in model.parameters()]
    for step, batch in enumerate(itertools.chain(*[batches()] * 5), 1):
        stepper.step(batch)
        decay = min(0.8, step / (3 + step))
        average = [decay * a + (1 - decay) * w.detach() for a, w in zip(average, model.parameters(), strict=True)]
        if step in (7, 30):
            for mine, every_step in zip(stepper.averaged.average, average, strict=True):
                torch.testing.assert_close(mine, every_step, rtol=1e-5, atol=1e-6)


def test_average_without_decay_is_the_last_step():
    model = model_with_lists()
    stepper = Stepper(model, TrainConfig(embedding_optimizer="touched_adam", ema_decay=0.0), 1)
    for batch in batches():
        stepper.step(batch)
    with stepper.averaged.in_place():
        assert all(torch.equal(a, w) for a, w in zip(stepper.averaged.average, model.parameters(), strict=True))


def test_a_dense_step_is_that_of_torch():
    model, batch = model_with_lists(), batches()[0]
    twin = copy.deepcopy(model)
    config = TrainConfig(optimizer="adamw", weight_decay=0.1, learning_rate=0.01, embedding_l2=0.0, clip_norm=1e9)
    Stepper(model, config, 1).step(batch)
    mean_loss(twin, batch).backward()
    torch.optim.AdamW([one for one in twin.parameters() if one is not twin.fields.table], 0.01, weight_decay=0.1).step()
    torch.optim.Adam([twin.fields.table], 0.01).step()
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_dense_adam_pulls_the_table_alone_by_l2_in_its_gradient():
    """Adam by hand: g = dL/dw + l2 w for the table, dL/dw for all else; rows that no batch reads shrink too."""
    model, lr, l2 = model_with_lists(), 0.01, 0.02
    stepper = Stepper(model, TrainConfig(learning_rate=lr, embedding_l2=l2, clip_norm=1e9), 1)
    means, squares = ([torch.zeros_like(one).double() for one in model.parameters()] for _ in range(2))
    for t, batch in enumerate(batches()[:3], 1):
        gradients, before = dense_gradient(model, batch)[0], [one.detach().double() for one in model.parameters()]
        stepper.step(batch)
        for i, after in enumerate(model.parameters()):
            g = gradients[i].double() + (l2 * before[i] if after is model.fields.table else 0)
            means[i], squares[i] = 0.9 * means[i] + 0.1 * g, 0.999 * squares[i] + 0.001 * g**2
            move = means[i] / (1 - 0.9**t) / ((squares[i] / (1 - 0.999**t)).sqrt() + 1e-8)
            torch.testing.assert_close(after.detach().double(), before[i] - lr * move, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_same_batches_give_the_same_bits(rule):
    tables = []
    for _ in range(2):
        model = models.build("hinet", SPEC, seed=0)
        stepper = Stepper(model, TrainConfig(embedding_optimizer=rule), 2)
        torch.manual_seed(0)
        for batch in rows(300).batches(100, seed=0):
            stepper.step(batch)
        tables.append(torch.cat([one.detach().flatten() for one in model.parameters()]))
    assert torch.equal(*tables)


def test_a_table_without_rows_is_left_alone():
    spec = FeatureSpec((), (FieldSpec("price", "number"),), (), ("a", "b"), ("click",))
    model = models.build("hinet", spec, seed=0)
    batch = batches()[0]
    Stepper(model, TrainConfig(embedding_optimizer="touched_adam"), 1).step(batch)
    assert isinstance(model.fields, FieldEmbedding) and model.fields.table.shape == (0, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer is 'sgd', expected one of adam, adamw"),
        ({"embedding_optimizer": "adam"}, "expected one of dense_adam, rowwise_adagrad, touched_adam"),
        ({"weight_decay": 0.1}, "optimizer is adam: set it to adamw"),
        ({"embedding_learning_rate": -1.0}, "expected 0 or more"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)


@pytest.mark.slow
def test_rows_of_the_batch_alone_rank_as_well_as_dense_adam():
    """400 items of which each has a chance of its own, 20 rows of an item on average, and two scenarios that differ."""
    spec = FeatureSpec((FieldSpec("item", "id", 402),), (), (), ("a", "b"), ("click",))
    likes_I = torch.randn(402, generator=torch.Generator().manual_seed(0))

    def planted(n, seed):
        g = torch.Generator().manual_seed(seed)
        item_N, scenario_N = torch.randint(2, 402, (n,), generator=g), torch.randint(0, 2, (n,), generator=g)
        chance_N = torch.sigmoid(1.5 * likes_I[item_N] * torch.where(scenario_N == 0, 1, -1))
        label_N1, zeros_N = torch.bernoulli(chance_N, generator=g)[:, None], torch.zeros(n, dtype=torch.int64)
        ones_N1 = torch.ones(n, 1)
        return Dataset(item_N[:, None], torch.zeros(n, 0), scenario_N, zeros_N, label_N1, ones_N1, zeros_N, zeros_N)

    train, valid, test = planted(8000, 1), planted(1000, 2), planted(8000, 3)
    found = {}
    for rule, rate in (("dense_adam", 0.0), ("touched_adam", 0.0), ("rowwise_adagrad", 0.1)):
        config = TrainConfig(
            embedding_optimizer=rule, embedding_learning_rate=rate, learning_rate=1e-2, batch_size=400, epochs=4
        )
        scores = []
        for seed in (0, 1):
            model = models.build("shared_bottom", spec, seed=seed)
            fit(model, train, valid, config, seed=seed, device="cpu")
            scores.append(auc(test.labels_NT[:, 0].numpy(), predict(model, test)[:, 0]))
        found[rule] = sum(scores) / 2
    assert found["dense_adam"] > 0.7
    assert found["touched_adam"] > found["dense_adam"] - 0.01
    assert found["rowwise_adagrad"] > found["dense_adam"] - 0.01
