"""The log whose orders come later, as a dictionary that a test may change, and as a contract."""

import pytest
from late_log import late_raw

from hinet_core.contract import parse_contract


@pytest.fixture
def raw():
    return late_raw()


@pytest.fixture
def late(raw):
    return parse_contract(raw)
