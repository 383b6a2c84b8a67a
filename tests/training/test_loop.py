"""The trainer: determinism, early stopping, what it reports and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from loop_rows import SPEC, rows

from hinet_core import models
from hinet_core.training.config import TRAIN_PRESETS, TrainConfig
from hinet_core.training.history import TrainingDivergedError
from hinet_core.training.loop import device_of, fit, predict
from hinet_core.training.stopping import Scorer

pytestmark = pytest.mark.slow

SHORT = TrainConfig(epochs=3, batch_size=100)


def trained(config=SHORT, seed=0, train=None, valid=None, name="shared_bottom", **overrides):
    model = models.build(name, SPEC, seed=seed, **overrides)
    train = rows(1000) if train is None else train
    valid = rows(800, seed=1) if valid is None else valid
    return model, fit(model, train, valid, config, seed=seed, device="cpu")


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("name", ["hinet", "shared_bottom"])
def test_same_seed_gives_the_same_bits_whatever_ran_before(name):
    first, history = trained(name=name)
    torch.rand(17)
    again, repeated = trained(name=name)
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(trained(seed=1, name=name)[0]))
    values = [[row | {"wall_s": 0} for row in h.rows] for h in (history, repeated)]
    assert values[0] == values[1]


def test_training_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained()
    assert torch.equal(torch.rand(3), expected)


def test_loss_falls_and_ranking_is_learned():
    _, history = trained(TrainConfig(epochs=5, batch_size=100, learning_rate=3e-3), train=rows(4000))
    losses = [row["value"] for row in history.rows if row["split"] == "train" and row["task"] == 0]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.02
    assert history.best_score > 0.68


def test_slot_of_the_log_is_learned_beside_x():
    model, _ = trained(TrainConfig(epochs=6, batch_size=100, patience=6, learning_rate=1e-2), train=rows(4000))
    slots_SPT = model.position.slots_SPT.detach()
    assert (slots_SPT[:, 0] > slots_SPT[:, 1:].amax(dim=1) + 0.3).all()


def test_best_epoch_is_restored_not_the_last():
    """Validation labels are the opposite of the train labels: every epoch of learning is worse than the one before."""
    valid = rows(800, seed=1)
    valid.labels_NT = 1 - valid.labels_NT
    stopped, history = trained(TrainConfig(epochs=30, patience=2, batch_size=100), valid=valid)
    assert history.best_epoch < history.epochs == history.best_epoch + 2
    best, _ = trained(TrainConfig(epochs=history.best_epoch, batch_size=100), valid=valid)
    assert torch.equal(weights(stopped), weights(best))
    assert not stopped.training


def test_kept_weights_are_those_that_were_scored():
    """AUC as a ranking is judged, at slot 1; logloss at the slots of the log."""
    valid = rows(800, seed=1)
    model, history = trained(TrainConfig(epochs=4, batch_size=50, learning_rate=5e-3), train=rows(3000), valid=valid)
    scorer = Scorer.of(valid)
    aucs = scorer.auc_per_task(predict(model, valid.at_first_slot()))
    assert np.mean(list(aucs.values())) == pytest.approx(history.best_score, abs=1e-9)
    best = {
        (row["metric"], row["task"]): row["value"]
        for row in history.rows
        if row["split"] == "valid" and row["epoch"] == history.best_epoch
    }
    with model.calibration.bypassed():
        before = scorer.logloss_per_task(predict(model, valid))
    for task, value in before.items():
        assert value == pytest.approx(best["logloss", task], abs=1e-6)
    after = scorer.logloss_per_task(predict(model, valid))
    assert all(after[task] <= before[task] for task in before)
    assert [cell.method for cell in history.calibration] == ["platt"] * 4


def test_history_has_a_row_per_report_task_and_metric():
    seen = []
    model = models.build("shared_bottom", SPEC, seed=0)
    history = fit(model, rows(1000), rows(800, 1), SHORT, device="cpu", on_epoch=lambda e, r: seen.append((e, r)))
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert [row for _, chunk in seen for row in chunk] == history.rows
    count = {}
    for row in history.rows:
        count.setdefault((row["split"], row["metric"], row["task"]), []).append((row["epoch"], row["step"]))
    ends = [(1.0, 10), (2.0, 20), (3.0, 30)]
    assert {key: steps for key, steps in count.items() if key[0] == "valid"} == {
        ("valid", "logloss", 0): ends,
        ("valid", "logloss", 1): ends,
        ("valid", "auc", 0): ends,
        ("valid", "auc", 1): ends,
        ("valid", "score", None): ends,
    }
    assert len(count["train", "logloss", 0]) == 30
    assert (history.steps, history.rule) == (30, "macro_auc")
    assert history.rows_per_s > 0


def test_a_task_without_known_labels_is_not_trained_and_not_reported():
    train = rows(500)
    train.label_mask_NT[:, 1] = 0.0
    train.labels_NT[:, 1] = float("nan")
    model, history = trained(train=train)
    assert {row["task"] for row in history.rows if row["split"] == "train"} == {0}
    fresh = models.build("shared_bottom", SPEC, seed=0)
    pairs = zip(fresh.towers[1].parameters(), model.towers[1].parameters(), strict=True)
    assert all(torch.allclose(a, b) for a, b in pairs)


def test_without_validation_all_epochs_run():
    valid = rows(100, seed=1)
    valid.label_mask_NT[:] = 0.0
    _, history = trained(TrainConfig(epochs=4, patience=1, batch_size=100), valid=valid)
    assert (history.epochs, history.best_epoch, history.best_score, history.rule) == (4, 4, None, "none")


def test_predict_is_in_row_order_for_any_batch_size_and_keeps_the_mode():
    model, data = models.build("hinet", SPEC, seed=0).train(), rows(37)
    whole = predict(model, data)
    assert whole.shape == (37, 2) and whole.dtype == np.float32
    np.testing.assert_allclose(predict(model, data, batch_size=5), whole, rtol=1e-4, atol=1e-6)
    assert model.training
    assert predict(model, data.map(lambda tensor: tensor[:0])).shape == (0, 2)


def broken(**changes):
    return replace(rows(200), **changes)


@pytest.mark.parametrize(
    ("train", "config", "message"),
    [
        (broken(numbers_NK=torch.full((200, 1), float("nan"))), SHORT, r"\[0\] of the training rows hold NaN"),
        (broken(label_mask_NT=torch.zeros(200, 2)), SHORT, "no training row has a known label"),
        (rows(0), SHORT, "the training set has no row"),
        (rows(200), replace(SHORT, task_weights=(1.0,)), "task_weights has 1 values, expected 2"),
    ],
    ids=["numbers", "labels", "empty", "weights"],
)
def test_unusable_input_is_refused_with_the_next_step(train, config, message):
    with pytest.raises(ValueError, match=message):
        trained(config, train=train)


def test_a_diverging_loss_says_what_to_change():
    train = rows(300)
    train.numbers_NK = torch.full((300, 1), 1e38)
    with pytest.raises(
        TrainingDivergedError, match=r"lower learning_rate \(now 0.001\).*largest absolute number: 1e\+38"
    ):
        trained(train=train)
    weights = replace(SHORT, task_weights=(1.0, 2.0), positive_weights=(1.0, 1e30))
    with pytest.raises(TrainingDivergedError, match=r"or the weights of the loss \(up to 2e\+30\), or scale"):
        trained(weights, train=train)


def test_settings_are_checked_and_presets_exist():
    assert set(TRAIN_PRESETS) == {"quick", "paper", "authors"}
    with pytest.raises(ValueError, match="batch_size is 0, expected more than 0"):
        TrainConfig(batch_size=0)
    for wrong in ({"batch_size": 2.5}, {"predict_batch_size": 1.5}, {"epochs": True}):
        with pytest.raises(ValueError, match="expected a whole number"):
            TrainConfig(**wrong)
    for wrong, words in (
        ({"learning_rate": True}, "learning_rate is True, expected a number"),
        ({"learning_rate": float("inf")}, "learning_rate is inf, expected a finite number"),
        ({"clip_norm": float("nan")}, "clip_norm is nan, expected more than 0"),
        ({"ema_decay": 1}, "ema_decay is 1, expected 0 or more and less than 1"),
        ({"cell_weights": (1.0, 2.0)}, r"cell_weights is \(1.0, 2.0\), expected a list of lists of numbers"),
        ({"deterministic": 1}, "deterministic is 1, expected true or false"),
    ):
        with pytest.raises(ValueError, match=words):
            TrainConfig(**wrong)
    assert TrainConfig(clip_norm=float("inf"), learning_rate=1).learning_rate == 1


def test_device_names():
    assert device_of("cpu").type == "cpu"
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="expected auto, cpu or cuda"):
        device_of("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU, so asking for it is no error")
def test_a_missing_gpu_is_named():
    with pytest.raises(ValueError, match="set the device to auto or cpu"):
        device_of("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_learns_the_same_as_a_cpu():
    config = TrainConfig(epochs=8, batch_size=50, patience=8)
    scores = []
    for device in ("cpu", "cuda"):
        model = models.build("hinet", SPEC, seed=0)
        scores.append(fit(model, rows(4000), rows(2000, 1), config, device=device).best_score)
    assert abs(scores[0] - scores[1]) < 0.02
