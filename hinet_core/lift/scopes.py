"""Where a lift is told: over all scenarios by their traffic, and in each; which of them count; and what a row says."""

from collections.abc import Iterator, Sequence

import numpy as np

from hinet_core.contract import Contract
from hinet_core.lift.architecture import ArchitectureLift
from hinet_core.lift.expected import Lift
from hinet_core.lift.judgement import Judgement
from hinet_core.lift.policies import Floats
from hinet_core.lift.statistics.families import benjamini_hochberg
from hinet_core.lift.statistics.samples import LEVEL
from hinet_core.lift.tables import Row
from hinet_core.world.truth import World


def scopes(contract: Contract, world: World, judgement: Judgement) -> Iterator[tuple[str | None, Judgement, Floats]]:
    """(None, all requests, weights), then (scenario, its requests, ones) of every modelled scenario."""
    codes = {name: code for code, name in enumerate(world.scenario_ids)}
    count = np.bincount(judgement.scenario_R, minlength=len(codes))
    # The sample holds every scenario equally often; weights restore the world's traffic.
    yield None, judgement, (world.shares_S / np.maximum(count, 1))[judgement.scenario_R]
    for one in contract.modelled:
        mine = judgement.part(judgement.scenario_R == codes[one.id])
        yield one.id, mine, np.ones(len(mine))


def adjust(rows: Sequence[Row]) -> None:
    """Fill `p_bh`: the pooled row, which is the first, stands by itself; the scenarios are one family."""
    pooled, *others = rows
    pooled["p_bh"] = pooled["p_raw"]
    tested = [row for row in others if row["p_raw"] is not None]
    for row, adjusted in zip(tested, benjamini_hochberg([row["p_raw"] for row in tested]), strict=True):
        row["p_bh"] = adjusted


def estimated(found: Lift | ArchitectureLift, method: str) -> Row:
    """What an estimate of either kind fills in."""
    return {
        "lift": found.lift,
        "low": found.low,
        "high": found.high,
        "n_users": found.n_users,
        "n_requests": found.n_requests,
        "value_a": found.value_a,
        "value_b": found.value_b,
        "mde80": found.mde80,
        "status": "estimated",
        "level": LEVEL,
        "method": method,
        "orders_a": found.value_a * found.n_requests,
        "orders_b": found.value_b * found.n_requests,
        "p_raw": found.p,
    }
