"""Exports: the books reconcile, clean rows arrive exactly, damaged ones are quarantined with the reason."""

import export_damage
import pytest
from fuzz_runs import LONG, QUICK, kinds_of, run_damage


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds_of(export_damage))
def test_some_cases(kind, home):
    run_damage(kind, QUICK, home)


@pytest.mark.long
@pytest.mark.parametrize("kind", kinds_of(export_damage))
def test_a_hundred_cases(kind, home):
    run_damage(kind, LONG, home)
