"""One tidy row per scope, quantity and estimator, for people (`hinet off-policy`), programs (--csv) and the page."""

from collections.abc import Iterator
from typing import Any

from hinet_core.lift.expected import LEVEL
from hinet_core.lift.off_policy.evaluate import Estimate
from hinet_core.lift.off_policy.gates import REFUSED
from hinet_core.lift.off_policy.lake_estimates import Scope

Row = dict[str, Any]
FIGURES = (
    "ess_rows", "ess_share", "max_weight", "max_weight_share", "top_variance_share", "mean_weight", "mean_weight_se",
    "effective_orders",
)  # fmt: skip
COLUMNS = (
    "scope", "scenario_id", "quantity", "estimator", "status", "reason", "estimate", "se", "low", "high", "level",
    "method", "unit", "n_units", "n_requests", "n_rows", "truth", "truth_low", "truth_high", *FIGURES, "unseen_share",
    "added_share", "support_orders", "switch_tau", "dropped_share",
)  # fmt: skip



def rows_of(scope: Scope) -> Iterator[Row]:
    """A scope that allows nothing is one refused row."""
    blank = dict.fromkeys(COLUMNS) | {
        "scope": "scenario" if scope.scenario else "pooled", "scenario_id": scope.scenario, "n_rows": scope.n_rows,
    }  # fmt: skip
    if scope.report is None:
        yield blank | {"quantity": "value_b", "status": REFUSED, "reason": scope.reason} | truth_of(scope, "value_b")
        return
    report = scope.report
    common = blank | {name: getattr(report.health, name) for name in FIGURES} | {
        "unit": report.unit, "n_requests": report.n_requests, "unseen_share": scope.unseen_share,
        "added_share": report.support.added_share, "support_orders": report.support.orders,
    }  # fmt: skip
    for one in report.estimates:
        row = common | interval_of(one) | truth_of(scope, one.quantity)
        if one.estimator == "Switch-DR" and report.switch is not None:
            row |= {"switch_tau": report.switch.tau, "dropped_share": report.switch.dropped_share}
        yield row


def interval_of(one: Estimate) -> Row:
    said = {"quantity": one.quantity, "estimator": one.estimator, "status": one.status, "reason": one.reason}
    if one.interval is None:
        return said
    found = one.interval
    return said | {
        "estimate": found.estimate, "se": found.se, "low": found.low, "high": found.high, "level": LEVEL,
        "method": found.method, "n_units": found.n_units,
    }  # fmt: skip


def truth_of(scope: Scope, quantity: str) -> Row:
    found = scope.truth.get(quantity)
    return {} if found is None else {"truth": found.estimate, "truth_low": found.low, "truth_high": found.high}
