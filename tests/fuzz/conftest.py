"""Where a case is written: in memory where there is such a disk, since each case forces its files to it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)
