"""On a simulated log: how well its rows can be told apart at all, judged like a model.

N rows, T tasks.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb
import numpy as np
from scipy.special import logit

from hinet_core.contract import Contract
from hinet_core.evaluation.rows import Rows, Scores
from hinet_core.lake.sql import quote_identifier
from hinet_core.world.load import load
from hinet_core.world.observed import REQUESTS_PER_DAY
from hinet_core.world.posterior import known_chances, true_chances
from hinet_core.world.truth import day_number

KNOWN = "best from a row's features"
TRUE = "true chances"
CHANCES = {KNOWN: known_chances, TRUE: true_chances}


def ceilings(
    contract: Contract,
    examples: duckdb.DuckDBPyRelation,
    days: Sequence[date],
    rows: Rows,
) -> Mapping[str, Scores]:
    """Scores of the true chances, and of what a row's features tell of them, for the rows of `Scorer.score`.

    Empty where the log is no simulated one, or its tasks are not a click and an order.
    """
    if contract.world is None or len(rows.tasks) != 2:
        return {}
    world = load(contract)
    names = (contract.name_of(role) for role in ("request", "item", "position"))
    columns = ", ".join(["day_number", *map(quote_identifier, names)])
    in_order = examples.order("day_number, source_file, record_number").project(columns).fetchnumpy()
    day_N, request_N, item_N, position_N = (np.asarray(one).astype(np.int64) for one in in_order.values())
    if len(day_N) != len(rows):
        raise ValueError(f"expected the {len(rows):,} judged rows, found {len(day_N):,} examples")
    found = {}
    for name, chances in CHANCES.items():
        first_NT, theta_N1 = np.zeros((len(rows), 2)), np.zeros((len(rows), 1))
        for day in days:
            mine, requests = day_N == day_number(day), world.log_requests(day)
            row_M = request_N[mine] - day_number(day) * REQUESTS_PER_DAY
            first_NT[mine] = chances(world, requests, row_M, item_N[mine] - 1)
            theta_N1[mine, 0] = world.theta_SN[requests.scenario_R[row_M], position_N[mine] - 1]
        found[name] = Scores(model=name, first_NT=logit(first_NT), logged_NT=logit(theta_N1 * first_NT))
    return found
