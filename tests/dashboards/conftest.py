"""Published homes for the pages: filled, refused lift, nothing evaluated, broken in the ways a disk can break it."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "publish"))

from planted_lake import CHAMPION, plant, planted_contract, refused_lift

from hinet_core.lake import Lake
from hinet_core.publish.run import publish
from hinet_core.settings import Paths

APP = Path(__file__).parents[2] / "dashboards" / "app.py"


def publish_planted(home: Path, name: str, lift_rows: list[dict] | None = None) -> Paths:
    paths = Paths(home / name)
    paths.root.mkdir(parents=True)
    publish(planted_contract(paths.root, name), plant(paths.lake, lift_rows), paths, CHAMPION, "http://127.0.0.1:3000")
    return paths


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory) -> Path:
    """Two contracts: `tea` with an estimated lift, `refused` where lift is not estimable."""
    home = tmp_path_factory.mktemp("filled")
    publish_planted(home, "tea")
    publish_planted(home, "refused", refused_lift())
    return home


@pytest.fixture(scope="session")
def bare_home(tmp_path_factory) -> Path:
    """One contract, published before anything was ingested."""
    home = tmp_path_factory.mktemp("bare")
    paths = Paths(home / "tea")
    paths.root.mkdir(parents=True)
    publish(planted_contract(paths.root), Lake(paths.lake), paths)
    return home


@pytest.fixture
def own_home(filled_home, tmp_path) -> Path:
    """A copy of `tea` alone, to be broken by a test."""
    shutil.copytree(filled_home / "tea" / "published", tmp_path / "tea" / "published")
    return tmp_path


@pytest.fixture
def open_app(monkeypatch):
    """Run the app on a home, and one page of it."""
    from streamlit.testing.v1 import AppTest

    from dashboards import published

    # A page runs as `__main__`, and new processes of later tests would begin with it.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])

    def run(home: Path, view: str | None = None, **query: str) -> AppTest:
        published.connection.clear()
        published.query_cached.clear()
        monkeypatch.setenv("HINET_HOME", str(home))
        app = AppTest.from_file(str(APP), default_timeout=20)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        return app.switch_page(f"views/{view}.py").run() if view else app

    return run
