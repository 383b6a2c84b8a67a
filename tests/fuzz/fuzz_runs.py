"""How many cases run in which tier, and how: drawn by Hypothesis from fixed seeds, shrunk, and counted as they end."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from types import ModuleType

import cell_damage
import crash_damage
import export_damage
import file_damage
import late_damage
import line_damage
import packed_damage
from damages import KINDS, NotHereError, Plant
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from judge import judge
from log_truth import Log
from random_log import random_log

# Each registers its kinds of damage.
ROOMS = (cell_damage, line_damage, crash_damage, export_damage, file_damage, packed_damage, late_damage)
QUICK, LONG = 3, 100  # cases of each kind of damage in `make test`, and in `make test-all`
# Damaged files that are ingested at once, with a whole one: a log costs as much as the cases in it are many, or few.
TOGETHER = 3, 6  # for a few cases, for many
TURNS = 20  # of asking for what is left: a log may have no place for a damage, or for one only
CLEAN_QUICK, CLEAN_LONG = 40, 400  # logs with nothing wrong in them
PHASES = [Phase.generate, *([Phase.shrink] if os.environ.get("FUZZ_SHRINK") else [])]
CONTRACTS_QUICK, CONTRACTS_LONG = 60, 500  # of each of the four ways to fuzz the contract


def kinds_of(room: ModuleType) -> list[str]:
    """The kinds of damage that a module has registered."""
    return [name for name, kind in KINDS.items() if kind.plant.__module__ == room.__name__]


def run_cases(cases: int, check: Callable[[Random], None], turn: int = 0) -> int:
    """Call `check` with sources of randomness from Hypothesis, the same ones in each turn; how many passed.

    A failure prints the contract and the files. FUZZ_SHRINK=1 makes them smaller first, which takes minutes.
    """
    passed = Counter()

    @seed(turn)
    @settings(
        max_examples=cases, database=None, deadline=None, report_multiple_bugs=False,
        phases=PHASES, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.randoms(use_true_random=False))
    def one_case(rng: Random) -> None:
        check(rng)
        passed["cases"] += 1

    one_case()
    return passed["cases"]


def run_damage(name: str, cases: int, home: Path) -> None:
    """Plant one kind of damage into so many files of random logs and judge what ingest makes of each."""
    kind = KINDS[name]
    together = TOGETHER[cases > QUICK]
    judged = Counter()

    def one_log(rng: Random) -> None:
        log = random_log(rng, replace(kind.wish, files=together + 1))
        planted = plant(rng, log, kind.plant, together)
        if not planted:
            reject()
        judge(log, home)
        judged.update(logs=1, files=planted)

    for turn in range(TURNS):
        run_cases(-(-(cases - judged["files"]) // together), one_log, turn)
        if judged["files"] >= cases:
            return
        if judged["files"] == judged["logs"]:
            together = 1  # damage to what is not a file's: more files would only be read
    raise AssertionError(f"{name}: {judged['files']} cases in {TURNS} turns, expected {cases}")


def plant(rng: Random, log: Log, damage: Plant, together: int) -> int:
    """Damage one file after the other, or once what is not a file's: the folder, a side table, outcomes. How often."""
    planted = 0
    for file in log.files[:together]:
        log.files = [file, *(one for one in log.files if one is not file)]
        try:
            damage(rng, log)
        except NotHereError:
            continue
        planted += 1
        if log.meddle or log.may_fail or log.late or (log.side and log.side.tamper):
            break
    return planted
