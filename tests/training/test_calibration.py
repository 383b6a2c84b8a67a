"""A planted shift and slope are found again, and no ranking changes."""

import numpy as np
import pytest
import torch

from hinet_core.models.layers import Calibration
from hinet_core.training.calibration import platt


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.4, -0.6), (0.5, 1.0)])
def test_a_planted_line_is_found(scale, shift):
    rng = np.random.default_rng(3)
    logit_N = rng.normal(-2, 1, 200_000)
    label_N = rng.random(200_000) < 1 / (1 + np.exp(-(scale * logit_N + shift)))
    found = platt(logit_N, label_N.astype(np.float64))
    assert found == pytest.approx((scale, shift), abs=0.05)
    a, b = found
    # The first-order condition of the intercept: predicted equals observed.
    assert (1 / (1 + np.exp(-(a * logit_N + b)))).sum() == pytest.approx(label_N.sum(), rel=1e-6)


def test_too_few_labels_constant_scores_or_a_reversed_score_leave_the_logits_alone():
    rng = np.random.default_rng(3)
    logit_N = rng.normal(size=1000)
    assert platt(logit_N, (np.arange(1000) < 49).astype(float)) is None
    assert platt(np.zeros(1000), (np.arange(1000) < 500).astype(float)) is None
    assert platt(logit_N, (logit_N < 0).astype(float)) is None


def test_separable_labels_stay_finite():
    logit_N = np.linspace(-1, 1, 1000)
    a, b = platt(logit_N, (logit_N > 0).astype(float))
    assert np.isfinite([a, b]).all()


def test_identity_until_fitted_and_saved_with_the_model():
    calibration = Calibration(3, 2).eval()
    logits_BT, scenario_B = torch.randn(5, 2), torch.randint(0, 3, (5,))
    assert torch.equal(calibration(logits_BT, scenario_B), logits_BT)
    assert set(calibration.state_dict()) == {"rate_S", "scale_T", "shift_T"}
