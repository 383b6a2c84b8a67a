"""Networks that share nothing: per task, and per scenario and task."""

import pytest
import torch
from model_rows import make_rows, make_spec, randomized
from numpy_peers import assert_rows_are, single_row

from hinet_core.models import single_task, single_task_per_scenario
from hinet_core.models.single_task import SingleTask
from hinet_core.models.single_task_per_scenario import SingleTaskPerScenario

SIZES = dict(embedding=3, widths=(6, 4))
MODULES = {SingleTask: single_task, SingleTaskPerScenario: single_task_per_scenario}
kinds = pytest.mark.parametrize("kind", MODULES, ids=lambda kind: kind.__name__)


def small(kind, spec):
    return randomized(kind(spec, MODULES[kind].Config(**SIZES))).eval()


def trained_by(model, loss) -> list[bool]:
    """Which networks the loss reaches."""
    model.zero_grad()
    loss.backward()
    return [any(p.grad is not None and bool(p.grad.any()) for p in one.parameters()) for one in model.networks]


@kinds
def test_forward_is_that_of_the_slow_reference(kind):
    spec = make_spec(n_tasks=3)
    model, rows = small(kind, spec), make_rows(spec, 12)
    assert_rows_are(model, spec, rows, single_row)


def test_a_task_trains_its_own_network_alone_embeddings_included():
    spec = make_spec(n_tasks=3)
    model, batch = small(SingleTask, spec), make_rows(spec, 30).batch(slice(None))
    assert trained_by(model, model(batch)[:, 1].sum()) == [False, True, False]
    assert not [name for name, _ in model.named_parameters() if not name.startswith(("networks.", "position."))]


def test_a_row_trains_the_networks_of_its_own_scenario_alone():
    spec = make_spec(n_scenarios=3)
    model, rows = small(SingleTaskPerScenario, spec), make_rows(spec, 60)
    batch = rows.batch(torch.nonzero(rows.scenario_N == 1).flatten())
    assert trained_by(model, model(batch).sum()) == [False, False, True, True, False, False]
    assert trained_by(model, model(batch)[:, 0].sum()) == [False, False, True, False, False, False]
    assert not [name for name, _ in model.named_parameters() if not name.startswith(("networks.", "position."))]


@kinds
def test_parameter_count_is_the_formula(kind):
    spec = make_spec(3)
    per_scenario = kind is SingleTaskPerScenario
    n_networks, rows, width = (6, 22, 9 + 2) if per_scenario else (2, 22 + 3, 12 + 2)
    network = rows * 3 + (width + 1) * 6 + (6 + 1) * 4 + (4 + 1)
    assert sum(p.numel() for p in small(kind, spec).parameters()) == n_networks * network + 3 * 4 * 2
