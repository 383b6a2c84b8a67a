import pytest

from hinet_core import lake


@pytest.fixture
def con():
    connection = lake.connect(threads=1)
    yield connection
    connection.close()
