"""Damage to outcomes: their books reconcile, clean ones label exposures exactly, damaged ones are quarantined."""

import late_damage
import pytest
from fuzz_runs import LONG, QUICK, kinds_of, run_damage


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds_of(late_damage))
def test_some_cases(kind, home):
    run_damage(kind, QUICK, home)


@pytest.mark.long
@pytest.mark.parametrize("kind", kinds_of(late_damage))
def test_a_hundred_cases(kind, home):
    run_damage(kind, LONG, home)
