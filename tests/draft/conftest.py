"""Where the files of a log stand before they are drafted."""

import pytest


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "data"
    found.mkdir()
    return found
