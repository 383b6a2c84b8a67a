"""ESMM: the product of the funnel, over all exposures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_rows import make_rows, make_spec, randomized
from numpy_peers import esmm_row, parameters

from hinet_core.models.esmm import ESMM, Config
from hinet_core.models.layers import funnel_product

SIZES = Config(embedding=3, widths=(6, 4))


def small(spec, **changes) -> ESMM:
    return randomized(ESMM(spec, replace(SIZES, **changes))).eval()


@pytest.mark.parametrize("after", [(-1, 0, 1), (-1, 0, 0), (-1, -1, 1)], ids=["chain", "fork", "two funnels"])
def test_forward_is_the_product_of_the_slow_reference(after):
    spec = replace(make_spec(n_tasks=3), after=after)
    model, rows = small(spec), make_rows(spec, 12)
    with torch.no_grad():
        found = model(rows.batch(slice(None))).sigmoid().numpy()
    p = parameters(model)
    np.testing.assert_allclose(found, [esmm_row(model, spec, p, rows, n) for n in range(12)], rtol=1e-4, atol=1e-6)


def test_a_later_step_is_never_likelier_than_the_one_before():
    spec = make_spec()
    model = small(spec)
    with torch.no_grad():
        logits_BT = model(make_rows(spec, 500).batch(slice(None)))
    assert (logits_BT[:, 1] < logits_BT[:, 0]).all()


def test_the_later_loss_trains_both_steps_and_the_first_loss_its_own_alone():
    spec = make_spec()
    model, batch = small(spec), make_rows(spec, 40).batch(slice(None))
    model(batch)[:, 0].sum().backward()
    first, later = ([p.grad for p in step.parameters()] for step in model.steps)
    assert all(g is None or not g.any() for g in later)
    assert all(g.any() for g in first)
    model.zero_grad()
    model(batch)[:, 1].sum().backward()
    assert all(p.grad.any() for step in model.steps for p in step.parameters())


def test_conversion_learns_from_exposures_that_were_not_clicked():
    """Its network has a gradient from a row without a click; a network trained on clicks alone would have none."""
    spec = make_spec()
    model, rows = small(spec), make_rows(spec, 1)
    batch = rows.batch(slice(None))
    unclicked = torch.zeros_like(batch.labels_BT)
    torch.nn.functional.binary_cross_entropy_with_logits(model(batch), unclicked).backward()
    assert all(p.grad.any() for p in list(model.steps[1].parameters())[-2:])


def test_a_spec_without_the_funnel_is_refused():
    with pytest.raises(ValueError, match="ESMM multiplies along the funnel, but the feature spec says nothing of it"):
        ESMM(replace(make_spec(), after=()))


def test_parameter_count_is_the_formula():
    spec = make_spec(3)
    d = 3 * 4 + 2
    step = (d + 1) * 6 + (6 + 1) * 4 + (4 + 1)
    assert sum(p.numel() for p in small(spec).parameters()) == (9 + 7 + 6 + 3) * 3 + 2 * step + 3 * 4 * 2


def test_product_loses_nothing_at_the_ends():
    """Against doubles: very rare and almost sure steps keep their digits, and their gradients are finite."""
    ends = torch.tensor([-80.0, -30.0, -1.0, 0.0, 2.0, 30.0, 80.0])
    logits_BT = torch.cartesian_prod(ends, ends).requires_grad_()
    found = funnel_product(logits_BT, (-1, 0))
    z = logits_BT.detach().double()
    log_p = torch.nn.functional.logsigmoid(z).sum(dim=1)
    # log(1 - p) of doubles, from 1 - p q = (1 - p) + p (1 - q)
    log_not = torch.log(torch.sigmoid(-z[:, 0]) + torch.sigmoid(z[:, 0]) * torch.sigmoid(-z[:, 1]))
    torch.testing.assert_close(found[:, 1].double(), log_p - log_not, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[:, 0], logits_BT[:, 0], rtol=1e-6, atol=1e-6)
    found.sum().backward()
    assert torch.isfinite(logits_BT.grad).all()
