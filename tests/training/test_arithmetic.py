"""The same bits again: at one thread and at two, with every model, and where a GPU is asked for it."""

from dataclasses import replace

import pytest
import torch
from loop_rows import SPEC, rows

from hinet_core import models
from hinet_core.training.arithmetic import CUBLAS, kernels, threads
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit

MODELS_SPEC = replace(SPEC, after=(-1, 0))
SHORT = TrainConfig(epochs=1, batch_size=500)


def weights(name: str, config: TrainConfig = SHORT) -> dict[str, torch.Tensor]:
    model = models.build(name, MODELS_SPEC, seed=0, **({"trees": 20} if name == "boosted_trees" else {}))
    fit(model, rows(1000), rows(200, 1), config, device="cpu")
    return model.state_dict()


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_the_same_number_of_threads_gives_the_same_bits(count):
    before = torch.get_num_threads()
    with threads(count):
        assert torch.get_num_threads() == count
        assert same(weights("hinet"), weights("hinet"))
    assert torch.get_num_threads() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_every_model_trains_with_deterministic_kernels_alone_to_the_bits_that_a_cpu_gives_anyway(name):
    first = weights(name, replace(SHORT, deterministic=True))
    torch.rand(5)
    assert same(first, weights(name))
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_gpu_whose_library_was_not_told_in_time_is_refused(monkeypatch):
    monkeypatch.delenv(CUBLAS, raising=False)
    with pytest.raises(ValueError, match=f"{CUBLAS} is None: set it to :4096:8"), kernels(True, torch.device("cuda")):
        pass
    monkeypatch.setenv(CUBLAS, ":4096:8")
    with kernels(True, torch.device("cuda")):
        assert torch.are_deterministic_algorithms_enabled()
    with kernels(False, torch.device("cuda")):
        assert not torch.are_deterministic_algorithms_enabled()
