"""A small simulated log, drawn once, and homes that start with its files."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
from small_log import small_contract_file

from hinet_core.contract import Contract, load_contract
from hinet_core.settings import Paths
from hinet_core.world.log import write_log
from orchestration.resources import Home


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_contract_file(tmp_path_factory.mktemp("contract"))


@pytest.fixture(scope="session")
def small(small_file: Path) -> Contract:
    return load_contract(str(small_file))


@pytest.fixture(scope="session")
def small_log(small: Contract, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the log's files; tests copy it."""
    folder = tmp_path_factory.mktemp("small_log")
    write_log(small, folder)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(folder=str(tmp_path / "home"))


@pytest.fixture
def small_paths(small: Contract, small_log: Path, home: Home) -> Paths:
    """A home in which the small log has landed."""
    paths = home.paths(small)
    shutil.copytree(small_log, paths.landing)
    paths.lake.mkdir()
    return paths


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as found:
        yield found
