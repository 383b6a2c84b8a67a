"""Training HiNet is training its plain form: a module per expert, all heads, torch's own Adam."""

import pytest
import torch
from model_rows import make_rows, make_spec
from plain_hinet import plain_of
from test_hinet import small

from hinet_core.training.config import TrainConfig
from hinet_core.training.losses import masked_bce
from hinet_core.training.step import Stepper

SAME = TrainConfig(embedding_l2=0.0, clip_norm=float("inf"), ema_decay=0.0, learning_rate=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("heads", ["per_task", "per_scenario_task"])
def test_fifty_steps_have_the_losses_of_the_plain_form(heads):
    spec = make_spec()
    model, data = small(spec, heads=heads).train(), make_rows(spec, 300)
    plain = plain_of(model, spec)
    stepper, adam = Stepper(model, SAME, 2), torch.optim.Adam(plain.parameters(), lr=SAME.learning_rate)
    first = None
    for step in range(50):
        batch = data.batch(torch.arange(step, step + 200))
        theirs = masked_bce(plain(batch), batch.labels_BT, batch.label_mask_BT).sum() / len(batch)
        first = first or theirs.item()
        adam.zero_grad()
        theirs.backward()
        adam.step()
        assert abs(stepper.step(batch).sum(dim=1).mean().item() - theirs.item()) < 1e-5
    assert theirs < first - 0.01
