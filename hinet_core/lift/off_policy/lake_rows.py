"""One tidy row per scope, quantity and estimator, and one per scope and gate.

For people (`hinet off-policy`), programs (--csv), the page and the tables `off_policy` and `off_policy_gates`.
"""

from collections.abc import Iterator
from typing import Any

from hinet_core.lift.expected import LEVEL
from hinet_core.lift.off_policy.evaluate import Estimate
from hinet_core.lift.off_policy.gates import GREEN, REFUSED, Gate
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
GATE_COLUMNS = ("scope", "scenario_id", "gate", "quantity", "value", "rule", "verdict", "reason")
USABLE = "every row with a propensity above 0 and at most 1, two users (or requests) at least"
# The estimator of a row that stands for all of them.
EVERY = "every"


def rows_of(scope: Scope) -> Iterator[Row]:
    """A scope that allows nothing is one refused row."""
    blank = dict.fromkeys(COLUMNS) | {
        "scope": "scenario" if scope.scenario else "pooled", "scenario_id": scope.scenario, "n_rows": scope.n_rows,
    }  # fmt: skip
    if scope.report is None:
        refused = {"quantity": "value_b", "estimator": EVERY, "status": REFUSED, "reason": scope.reason}
        yield blank | refused | truth_of(scope, "value_b")
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


def gate_rows(scope: Scope) -> Iterator[Row]:
    """What the scope was held to. `rows`: the log can be weighted at all; what it lacks is the reason."""
    place = {"scope": "scenario" if scope.scenario else "pooled", "scenario_id": scope.scenario}
    verdict = GREEN if scope.report else REFUSED
    gates = [("value_b", Gate("rows", float(scope.n_rows), USABLE, verdict, scope.reason))]
    if scope.report is not None:
        # A log of shown rows does not say what its logger never shows.
        gates += [("value_b", one) for one in scope.report.health.gates if one.name != "unsupported"]
        gates += [("lift", scope.report.support.gate)]
    for quantity, one in gates:
        yield place | {
            "gate": one.name, "quantity": quantity, "value": one.value, "rule": one.rule, "verdict": one.verdict,
            "reason": one.reason,
        }  # fmt: skip


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
