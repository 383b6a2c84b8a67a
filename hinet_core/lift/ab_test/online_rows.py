"""Rows of L3 in the columns of the table `lift`, and the test day by day; by the statistics of anybody's own test.

Truth and oracle stand beside: expected orders of all requests of the test, under B and under the oracle, over A's.
"""

from dataclasses import replace

import numpy as np

from hinet_core.lift.ab_test.online import OnlineTest
from hinet_core.lift.ab_test.paired_rows import blank, metrics_of
from hinet_core.lift.own_test.analyse import HIDDEN, Analysis, analyse, figures
from hinet_core.lift.own_test.read import PerUser
from hinet_core.lift.policies import Floats
from hinet_core.lift.statistics.chronicle import DailyArm, Look, chronicle
from hinet_core.lift.statistics.planning import planned_log_se
from hinet_core.lift.statistics.sample_ratio import sample_ratio
from hinet_core.lift.statistics.samples import LEVEL, NotEstimableError, Sample
from hinet_core.lift.statistics.sequential import tightest_tau
from hinet_core.lift.tables import Row
from hinet_core.world.truth import World

ARMS = ("A", "B")


def per_user(world: World, test: OnlineTest, measure: str = "orders") -> PerUser:
    """The users who came, as a file of their outcomes would tell it: `orders` or `units`."""
    came = test.came_U
    total_US, before_US = (
        (test.orders_US, test.before_orders_US) if measure == "orders" else (test.units_US, test.before_units_US)
    )
    return PerUser(
        ARMS, world.scenario_ids, test.is_b_U[came].astype(np.int64), test.came_US[came], total_US[came],
        before_US[came], test.entry_U[came],
    )  # fmt: skip


def online_rows(world: World, test: OnlineTest, names: tuple[str, str]) -> Analysis:
    """Rows per metric, pooled first, each with its truth and oracle; and the checks of the split."""
    found = analyse(per_user(world, test))
    rows = [beside(world, row, test.expected_TS) for row in found.rows]
    if "units_per_request" in metrics_of(world):
        units = analyse(per_user(world, test, "units")).rows
        for row, orders in zip(units, found.rows, strict=True):
            if row["metric"] == "orders_per_request":
                # Units of one order come together: where orders are too few, units are too.
                told = row if orders["lift"] is not None else orders
                rows.append(beside(world, told | {"metric": "units_per_request"}, test.units_TS))
    common = {"kind": "artifact", "estimator": "L3", "model_a": names[0], "model_b": names[1], "n_seeds": 1}
    return replace(found, rows=[row | common for row in rows])


def beside(world: World, row: Row, expected_TS: Floats) -> Row:
    mine = slice(None) if not row["scenario_id"] else [world.scenario_ids.index(row["scenario_id"])]
    a, b, oracle = expected_TS[:, mine].sum(axis=1)
    return row | ({"true_lift": b / a - 1, "oracle_lift": oracle / a - 1} if a > 0 else {})


def days_of(test: OnlineTest, names: tuple[str, str], level: float = LEVEL) -> list[Row]:
    """One row a day: orders per request so far with CUPED, its fixed and its always-valid interval; pooled.

    Columns of the table `lift` and `day`, `sequential_low`, `sequential_high`, `p_sequential`, `tau`. tau was fixed by
    the days before the test: those of the users who came then, half of them in each arm. NotEstimableError where
    nobody ordered in these days. A split that is red hides every day, as it hides the rows.
    """
    came_before = test.before_came_U > 0
    history = Sample(test.before_orders_US.sum(axis=1)[came_before], test.before_came_U[came_before])
    half = max(len(history) // 2, 1)
    tau = tightest_tau(planned_log_se(history, half, half), level)
    before_U = test.before_orders_US.sum(axis=1)
    a, b = (
        DailyArm(test.orders_DU[:, mine], test.came_DU[:, mine], before_U[mine]) for mine in (~test.is_b_U, test.is_b_U)
    )
    expected_a, expected_b, oracle = test.expected_TS.sum(axis=1)
    truth = {"true_lift": expected_b / expected_a - 1, "oracle_lift": oracle / expected_a - 1}
    came_D, hidden = test.came_DU.sum(axis=1).cumsum(), broken_split(test)
    looks = chronicle(a, b, tau, level)
    if hidden is not None:
        looks = [replace(look, fixed=None, reason=hidden, low=None, high=None, p=1.0) for look in looks]
    return [
        day_row(blank(names, "L3", "orders_per_request", "") | truth | {"n_requests": int(came)}, look)
        for look, came in zip(looks, came_D, strict=True)
    ]


def broken_split(test: OnlineTest) -> str | None:
    """Why no lift is shown where the arms have not got the users that they should."""
    try:
        found = sample_ratio([int((test.came_U & mine).sum()) for mine in (~test.is_b_U, test.is_b_U)])
    except NotEstimableError:
        return None
    return HIDDEN.format(p=found.p) if found.hides_lift else None


def day_row(row: Row, look: Look) -> Row:
    """The state at the end of a day; no sequential interval where a standard error cannot be relied on yet."""
    row = row | {
        "day": look.day, "tau": look.tau, "level": look.level, "sequential_low": look.low, "sequential_high": look.high,
        "p_sequential": look.p,
    }  # fmt: skip
    if look.fixed is None:
        return row | {"status": "not_estimable", "reason": look.reason}
    return row | figures(look.fixed)
