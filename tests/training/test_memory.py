"""Memory that is not there, for real: the training ends in a sentence that says what to lower."""

import gc
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from loop_rows import SPEC, rows

from hinet_core import models
from hinet_core.dataset import FieldSpec
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit
from hinet_core.training.memory import TooLargeError, enough_memory, size
from hinet_core.training.progress import Progress


def test_an_embedding_that_no_memory_holds_names_the_widths_and_the_vocabulary():
    with (
        pytest.raises(TooLargeError, match=r"not fit into memory \(.*allocate.*lower its embedding .*min_token_count"),
        enough_memory(TrainConfig()),
    ):
        models.build("mmoe", SPEC, embedding=10**13)


LIMITED = """
import resource, sys
import torch
from loop_rows import SPEC, rows
from hinet_core import models
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit
config = TrainConfig(batch_size=50_000, epochs=1)
model = models.build("mmoe", SPEC, seed=0, expert_widths=(512, 256))
fit(model, rows(200), rows(200, 1), config, device="cpu")  # what is imported on the way is there
train = rows(50_000)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
try:
    fit(model, train, rows(200, 1), config, device="cpu")
except ValueError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of a process")
def test_a_batch_that_does_not_fit_names_the_batch_size():
    """8 experts x 512 units x 50,000 rows take 0.8 GB, and there is a quarter."""
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", LIMITED], cwd=here, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("TooLargeError training ran out of memory ("), done.stdout + done.stderr
    assert "lower batch_size (now 50000), predict_batch_size (now 4096) or the widths" in done.stdout
    assert "is kept" not in done.stdout


@pytest.mark.parametrize("name", ["logistic", "boosted_trees"])
def test_all_rows_that_do_not_fit_at_once_name_how_many_are_taken(name):
    """On a log without slots these models have no parameter whose size could be told."""
    model = models.build(name, replace(SPEC, n_positions=0), seed=0)
    assert not list(model.parameters())
    with (
        pytest.raises(TooLargeError, match=r"memory \(.*lower max_rows of .* \(now 1000000\)") as error,
        enough_memory(TrainConfig(), model),
    ):
        np.empty(2**60, np.int8)
    assert "batch_size (now 1024)" not in str(error.value)


def test_only_what_was_saved_is_said_to_be_kept(tmp_path):
    progress, said = Progress(tmp_path / "v"), []
    model = models.build("mmoe", SPEC, seed=0)
    with progress.held():
        for save in (False, True):
            if save:
                progress.save({}, {}, {"weight": torch.zeros(2)})
            with pytest.raises(TooLargeError) as error, enough_memory(TrainConfig(), model, progress):
                torch.empty(2**60)
            said.append(str(error.value))
    kept = "What was last saved is kept: the same settings go on from there when more memory is free; other settings"
    assert [kept in one for one in said] == [False, True]
    assert said[1].startswith(said[0])


def bytes_by_row(n_rows: int) -> int:
    """What the live tensors take that have so many rows."""
    found = [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]
    found += [one.grad for one in found if one.is_leaf and one.grad is not None]
    return sum({one.data_ptr(): one.nbytes for one in found if one.shape[:1] == (n_rows,)}.values())


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "times"), [("dense_adam", 7), ("rowwise_adagrad", 4)])
def test_a_table_takes_as_many_times_its_size_as_is_said(rule, times):
    """Most in validation after the best epoch: table, averages, those of the best epoch, the last step's weights put
    aside; of dense Adam also the gradient and two moments, of a rule by row a number or two per row."""
    spec, taken = replace(SPEC, fields=(FieldSpec("item", "id", 50_021),)), []
    model = models.build("shared_bottom", spec, seed=0)
    table_RD = model.fields.table
    model.register_forward_hook(lambda model, *_: None if model.training else taken.append(bytes_by_row(len(table_RD))))
    fit(model, rows(100), rows(60, 1), TrainConfig(epochs=2, batch_size=50, embedding_optimizer=rule), device="cpu")
    assert times <= max(taken) / table_RD.nbytes <= times + 0.5


def test_other_errors_stay_what_they_are():
    class Broken(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(3, 2)

        def forward(self, batch):
            return self.line(batch.numbers_BN)

    with pytest.raises(RuntimeError, match=r"shape|size"):
        fit(Broken(), rows(100), rows(100, 1), TrainConfig(epochs=1), device="cpu")


def test_sizes():
    assert [size(one) for one in (2**20, 3 * 2**19, 2**30, 5 * 2**31)] == ["1.0 MiB", "1.5 MiB", "1.0 GiB", "10.0 GiB"]
