"""Memory that is not there, for real: the training ends in a sentence that says what to lower."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from loop_rows import SPEC, rows

from hinet_core import models
from hinet_core.training.config import TrainConfig
from hinet_core.training.loop import fit
from hinet_core.training.memory import TooLargeError, enough_memory, size


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
    assert "the same settings go on from there" in done.stdout


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
