"""HINET_THREADS holds for torch wherever a command trains or scores, not only for DuckDB."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_log import tiny_contract

from hinet_core.dataset import FeatureSpec, FieldSpec
from hinet_core.evaluation import explain
from hinet_core.evaluation.scoring import Scorer
from hinet_core.experiments import tune
from hinet_core.training import run
from hinet_core.training.config import TrainConfig

SPEC = FeatureSpec((FieldSpec("item", "id", 20),), (), (), ("a", "b"), ("click", "order"), 3)


class Seen(Exception):
    """Carries the number of threads that torch had."""


def look(*_: Any, **__: Any) -> None:
    raise Seen(torch.get_num_threads())


def trained(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run, "fit", look)
    run.fit_to_folder(job(), run.Prepared(SimpleNamespace(spec=SPEC), None, None), None, "cpu", None)


def tuned(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tune, "fit", look)
    tune.trained_at({}, job(), run.Prepared(SimpleNamespace(spec=SPEC), None, None), "cpu")


def judged(patch: pytest.MonkeyPatch) -> None:
    scorer = object.__new__(Scorer)
    scorer.bundle = None
    scorer.score(SimpleNamespace(by=look))


def explained(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(explain, "observed", look)
    explain.findings(None, None, SPEC, tiny_contract())


def job() -> run.Job:
    return run.Job(tiny_contract(), "mmoe", "quick", 0, None, {}, TrainConfig(), {}, "")


@pytest.mark.parametrize("work", [trained, tuned, judged, explained])
@pytest.mark.parametrize("count", [1, 2])
def test_torch_has_the_threads_of_the_environment(
    work: Callable[[pytest.MonkeyPatch], None], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("HINET_THREADS", str(count))
    with pytest.raises(Seen) as seen:
        work(monkeypatch)
    assert seen.value.args == (count,)
    assert torch.get_num_threads() == before
