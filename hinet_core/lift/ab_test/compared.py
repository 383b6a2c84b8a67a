"""All that is said of two rankings: L1, L2 and guardrails of one replay, and the online test with its days.

`hinet lift` prints it and the step `lift_test` commits it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hinet_core.lift.ab_test.guardrail_rows import guardrail_rows
from hinet_core.lift.ab_test.named import Contest
from hinet_core.lift.ab_test.online import online_test
from hinet_core.lift.ab_test.online_rows import days_of, online_rows
from hinet_core.lift.ab_test.paired_rows import paired_rows
from hinet_core.lift.ab_test.replay import replay
from hinet_core.lift.own_test.analyse import Checked
from hinet_core.lift.statistics.samples import NotEstimableError
from hinet_core.lift.tables import Row


@dataclass(frozen=True)
class Tested:
    """Rows of L3, checks of the split, and the days; without days a reason: what came before was too little to plan by.
    """

    rows: Sequence[Row]
    checks: Sequence[Checked]
    days: Sequence[Row]
    no_days: str | None = None


def replayed_rows(found: Contest, names: tuple[str, str], n_requests: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows of L1 and L2, and guardrails, of `n_requests` fresh requests of each scenario."""
    replayed = replay(found.world, found.scorers, names, found.days, n_requests, seed, seed)
    guards = guardrail_rows(found.world, replayed, names, found.versions)
    return paired_rows(found.world, replayed, names), guards


def tested_online(found: Contest, names: tuple[str, str], n_days: int, n_requests: int | None, seed: int) -> Tested:
    """An online test of so many days; by default as many requests come as the world's days have."""
    test = online_test(found.world, found.scorers, names, found.test_days(n_days), n_requests, seed)
    analysis = online_rows(found.world, test, names)
    try:
        return Tested(analysis.rows, analysis.checks, days_of(test, names))
    except NotEstimableError as error:
        return Tested(analysis.rows, analysis.checks, [], str(error))
