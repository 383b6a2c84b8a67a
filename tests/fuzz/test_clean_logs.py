"""Logs with nothing wrong in them arrive whole: every layout, spelling and encoding that a contract can declare."""

import pytest
from damages import KINDS
from fuzz_runs import CLEAN_LONG, CLEAN_QUICK, CONTRACTS_LONG, CONTRACTS_QUICK, LONG, QUICK, run_cases
from judge import judge
from random_log import random_log
from test_contract_parser import CHECKS


@pytest.mark.slow
def test_some_cases(home):
    assert run_cases(CLEAN_QUICK, lambda rng: judge(random_log(rng), home)) >= CLEAN_QUICK


@pytest.mark.long
def test_many_cases(home):
    assert run_cases(CLEAN_LONG, lambda rng: judge(random_log(rng), home)) >= CLEAN_LONG


def test_the_tiers_hold_what_the_project_promises():
    """500 cases in `make test`; 10,000 in `make test-all`, of each kind of damage a hundred, counted as they end."""
    assert len(KINDS) * QUICK + CLEAN_QUICK + len(CHECKS) * CONTRACTS_QUICK >= 500
    assert len(KINDS) * LONG + CLEAN_LONG + len(CHECKS) * CONTRACTS_LONG >= 10_000
    assert LONG >= 100
