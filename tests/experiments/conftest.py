"""The tiny log as committed examples, for experiments and searches on it."""

from datetime import date
from pathlib import Path

import pytest
from tiny_log import random_rows, tiny_contract, write_ingest

from hinet_core.features.daily import write_daily_range
from hinet_core.features.examples import write_examples_range
from hinet_core.lake import Lake, connect


@pytest.fixture(scope="session")
def examples_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a lake with the examples of 2024-03-06 to 2024-03-13; to be copied by who changes it."""
    root = tmp_path_factory.mktemp("experiments") / "lake"
    lake = write_ingest(root, random_rows(0, "UTC", date(2024, 3, 6), n_days=8, n=900))
    con = connect(threads=1)
    write_daily_range(con, tiny_contract(), lake, lake.days("ingest"))
    write_examples_range(con, tiny_contract(), lake, lake.days("ingest"))
    con.close()
    return root


@pytest.fixture
def lake(examples_root: Path) -> Lake:
    return Lake(examples_root)
