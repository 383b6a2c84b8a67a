"""A model trained on a sample of the negatives predicts for all rows: by the formula, and on a planted log."""


import numpy as np
import pytest
import torch
from torch import nn

from hinet_core import models
from hinet_core.dataset import Dataset, FeatureSpec, FieldSpec
from hinet_core.models.layers import without_sampling
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit, predict

pytestmark = pytest.mark.slow

SPEC = FeatureSpec((), (FieldSpec("taste", "number"),), (), ("home", "map"), ("click", "order"), after=(-1, 0))
RATES = (0.1, 1.0)


def test_probabilities_of_the_sample_become_those_of_all_rows() -> None:
    """From chances of a click and of an order after it, over the whole range and at several rates."""
    chances = torch.logspace(-5, -1e-4, 40).double()
    click, after = torch.cartesian_prod(chances, chances).unbind(dim=1)
    for rate in (1e-3, 0.1, 0.7, 1.0):
        share = click + rate * (1 - click)
        in_sample = torch.stack([click / share, click * after / share], dim=1)
        found = without_sampling(torch.logit(in_sample), torch.full_like(click, rate)).sigmoid()
        torch.testing.assert_close(found, torch.stack([click, click * after], dim=1), rtol=1e-9, atol=0)
        if rate < 1:
            # The first task's correction alone would be wrong for what comes after it.
            shifted = (torch.logit(in_sample[:, 1]) + np.log(rate)).sigmoid()
            assert (shifted / (click * after)).min() < 0.8


def test_the_first_task_is_shifted_by_the_logarithm_of_the_rate_and_no_rate_changes_no_bit() -> None:
    logits_BT = torch.randn(50, 3) * 8
    rate_B = torch.full((50,), 0.02)
    torch.testing.assert_close(without_sampling(logits_BT, rate_B)[:, 0], logits_BT[:, 0] + np.log(0.02).astype("f4"))
    assert torch.equal(without_sampling(logits_BT, torch.ones(50)), logits_BT)
    extreme = without_sampling(torch.tensor([[60.0, 60.0], [-60.0, -60.0], [60.0, -60.0]]), torch.full((3,), 0.01))
    assert torch.isfinite(extreme).all()


def planted(n: int, seed: int, rates: tuple[float, ...] = ()) -> tuple[Dataset, torch.Tensor]:
    """Rows of two scenarios, and the true chance of a click and of an order; of the negatives `rates` stay."""
    g = torch.Generator().manual_seed(seed)
    taste_N, scenario_N = torch.randn(n, generator=g), torch.randint(0, 2, (n,), generator=g)
    click_N = torch.sigmoid(taste_N - 2.5 + 0.5 * scenario_N)
    chance_NT = torch.stack([click_N, click_N * torch.sigmoid(-0.5 * taste_N - 0.5)], dim=1)
    clicked_N = torch.rand(n, generator=g) < click_N
    ordered_N = clicked_N & (torch.rand(n, generator=g) < chance_NT[:, 1] / click_N)
    labels_NT = torch.stack([clicked_N, ordered_N], dim=1).float()
    zeros_N = torch.zeros(n, dtype=torch.int64)
    data = Dataset(torch.zeros(n, 0, dtype=torch.int32), taste_N[:, None], scenario_N, zeros_N, labels_NT,
                   torch.ones(n, 2), zeros_N, zeros_N)  # fmt: skip
    if rates:
        kept_N = clicked_N | (torch.rand(n, generator=g) < torch.tensor(rates)[scenario_N])
        data = data.map(lambda column: column[kept_N])
        data.negative_rate = rates
        chance_NT = chance_NT[kept_N]
    return data, chance_NT


def trained(rates: tuple[float, ...]) -> nn.Module:
    """Without a known validation label, so that no line is fitted there and the correction stands alone."""
    train, _ = planted(20_000, 0, rates)
    valid, _ = planted(10, 1)
    valid.label_mask_NT[:] = 0
    model = models.build("shared_bottom", SPEC, seed=0, dropout=0.0, input_dropout=0.0)
    fit(model, train, valid, TrainConfig(epochs=4, batch_size=256, learning_rate=5e-3), device="cpu")
    return model


def predicted_over_expected(model: nn.Module, data: Dataset, chance_NT: torch.Tensor) -> np.ndarray:
    """Per scenario and task, (S, T)."""
    p_NT = 1 / (1 + np.exp(-predict(model, data)))
    groups = [(data.scenario_N == scenario).numpy() for scenario in (0, 1)]
    return np.stack([p_NT[rows].mean(axis=0) / chance_NT.numpy()[rows].mean(axis=0) for rows in groups])


def test_a_model_of_sampled_rows_is_calibrated_on_all_rows_and_is_not_without_the_correction() -> None:
    judged, chance_NT = planted(20_000, 2)
    model = trained(RATES)
    assert predicted_over_expected(model, judged, chance_NT) == pytest.approx(np.ones((2, 2)), abs=0.15)
    model.calibration.rate_S[:] = 1
    wrong_ST = predicted_over_expected(model, judged, chance_NT)
    assert (wrong_ST[0] > 3).all()
    assert wrong_ST[1] == pytest.approx(np.ones(2), abs=0.15)


def test_every_model_corrects_only_what_it_predicts() -> None:
    """In training mode the logits are those of the sample; the rates are stored with the weights."""
    data, _ = planted(200, 3)
    batch = next(data.batches(200))
    for name in models.names():
        model = models.build(name, SPEC, seed=0).eval()
        before = model(batch)
        model.calibration.rate_S.copy_(torch.tensor(RATES))
        expected = without_sampling(before, torch.tensor(RATES)[batch.scenario_B])
        torch.testing.assert_close(model(batch), expected)
        assert torch.equal(model.calibration.train()(before, batch.scenario_B), before)
        assert model.state_dict()["calibration.rate_S"].tolist() == pytest.approx(RATES)


def test_a_model_that_cannot_be_corrected_is_refused() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(1, 2)

        def forward(self, batch):
            return self.line(batch.numbers_BN)

    train, _ = planted(100, 0, RATES)
    with pytest.raises(ValueError, match="no layers.Calibration named calibration .* or remove split.negative_rate"):
        fit(Plain(), train, train, TrainConfig(epochs=1), device="cpu")
