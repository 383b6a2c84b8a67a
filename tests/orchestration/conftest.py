"""A small simulated log, drawn once, and homes that start with its files."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
from small_log import small_contract_file

from hinet_core.contract import Contract, load_contract
from hinet_core.settings import Paths
from hinet_core.world.log import write_log
from orchestration.graph import assets_of
from orchestration.reporting import key_of
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


@pytest.fixture
def materialize(home: Home, instance: dg.DagsterInstance):
    """One run of tables of a contract, of a day (`partition_key`) or a range (`tags`); what fails is in the result."""

    def run(contract: Contract, tables: list[str], **asked) -> dg.ExecuteInProcessResult:
        keys, resources = [key_of(contract, table) for table in tables], {"home": home}
        return dg.materialize(
            assets_of(contract), selection=keys, instance=instance, resources=resources, raise_on_error=False, **asked
        )

    return run


@pytest.fixture
def failed_with():
    """What the only failed step of a run says."""

    def said(result: dg.ExecuteInProcessResult) -> str:
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        return failure.step_failure_data.user_failure_data.description

    return said
