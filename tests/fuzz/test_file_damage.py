"""Damage to files: the books reconcile, clean rows arrive exactly, damaged ones are quarantined with the reason."""

import file_damage
import packed_damage
import pytest
from fuzz_runs import LONG, QUICK, kinds_of, run_damage

KINDS = [*kinds_of(file_damage), *kinds_of(packed_damage)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_some_cases(kind, home):
    run_damage(kind, QUICK, home)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_cases(kind, home):
    run_damage(kind, LONG, home)
