"""Whether a log can carry an estimate: what is measured, and when the answer is a refusal.

The usual effective sample size says nothing about a lift: that lives on what B adds and A never shows, which the log
saw only where its logger explored. SUPPORT ORDERS are the orders on impressions with e_A = 0 and e_B > 0; with few of
them the interval of a lift is too narrow though every other figure looks healthy (lift.md 6: 76 % coverage at 1.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hinet_core.lift.expected import ratio_lift
from hinet_core.lift.off_policy.estimators import weights
from hinet_core.lift.off_policy.logged import Floats, LoggedRows, Target

GREEN, AMBER, REFUSED = "green", "amber", "refused"
# Orders: fewer than the first refuse, fewer than the second take the bootstrap. Rules of thumb.
FEWEST_ORDERS, FEW_ORDERS = 5, 30
# Rows that the weights are worth; their share below which item-position IPS covered 85 to 93 % (lift.md 6).
FEWEST_ROWS, LOW_ESS_SHARE = 50, 0.01
MEAN_WEIGHT_SE = 3.0
TOP_ROWS = 0.01
SUPPORT_RULE = (
    f"if the target adds something: amber below {FEW_ORDERS}, refused below {FEWEST_ORDERS}; "
    "the baseline is held to the gates above"
)
# Of the target's exposure; what is less is rounding.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Gate:
    """One figure, the rule it is held to, and what follows; `reason` empty where it passes."""

    name: str
    value: float
    rule: str
    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class Health:
    """Figures of one target on one log, and what follows from them."""

    ess_rows: float  # (sum w)^2 / sum w^2
    ess_share: float  # of the rows
    max_weight: float
    max_weight_share: float  # of the sum of weights
    top_variance_share: float  # of the variance of w y, in the 1 % of rows with most of it
    mean_weight: float  # sum w theta / sum theta, 1 where the propensities are right
    mean_weight_se: float
    unsupported: float  # share of the target's exposure that the logger never shows
    effective_orders: float  # (sum w y)^2 / sum (w y)^2
    verdict: str
    reasons: tuple[str, ...] = field(default=())
    gates: tuple[Gate, ...] = field(default=())

    @property
    def few(self) -> bool:
        return self.verdict == AMBER


@dataclass(frozen=True)
class Support:
    """What a lift of B over A leans on: the share of B's exposure that A never shows, and the orders seen there."""

    added_share: float
    orders: float
    verdict: str
    reason: str = ""

    @property
    def gate(self) -> Gate:
        return Gate("support_orders", self.orders, SUPPORT_RULE, self.verdict, self.reason)


def health(log: LoggedRows, target: Target) -> Health:
    """Judge the weights of a target; every failed gate is a reason."""
    w_N = weights(log, target)
    won_N = w_N * log.outcome_N
    total, rows = float(w_N.sum()), len(w_N)
    ess = total**2 / float((w_N**2).sum()) if total > 0 else 0.0
    effective = float(won_N.sum()) ** 2 / float((won_N**2).sum()) if won_N.any() else 0.0
    mean, se = mean_weight(log, w_N)
    figures = {
        "ess_rows": ess, "ess_share": ess / rows, "max_weight": float(w_N.max()),
        "max_weight_share": float(w_N.max()) / total if total > 0 else 0.0,
        "top_variance_share": top_share(won_N), "mean_weight": mean, "mean_weight_se": se,
        "unsupported": target.unsupported, "effective_orders": effective,
    }  # fmt: skip
    gates = tuple(gates_of(figures))
    refusals, warnings = (tuple(one.reason for one in gates if one.verdict == verdict) for verdict in (REFUSED, AMBER))
    verdict = REFUSED if refusals else AMBER if warnings else GREEN
    return Health(**figures, verdict=verdict, reasons=refusals or warnings, gates=gates)


def gates_of(of: dict[str, float]) -> Iterator[Gate]:
    """Every gate with its figure, also those that pass."""
    never, off, se = of["unsupported"], abs(of["mean_weight"] - 1), of["mean_weight_se"]
    yield gate("unsupported", never, "refused above 0", (
        REFUSED, never > NEGLIGIBLE,
        f"{never:.2%} of the target's exposure is on items that the logger never shows (must be 0): "
        "nothing in the log tells what they are worth",
    ))  # fmt: skip
    yield gate("mean_weight", of["mean_weight"], f"refused beyond 1 ± {MEAN_WEIGHT_SE * se:.3g}", (
        REFUSED, off > MEAN_WEIGHT_SE * se + NEGLIGIBLE,
        f"the mean weight is {of['mean_weight']:.4f} (standard error {se:.4f}); with its own "
        "propensities it is 1 within 3 of them: the slates are not what the policy would show",
    ))  # fmt: skip
    yield gate("ess_rows", of["ess_rows"], f"refused below {FEWEST_ROWS}", (
        REFUSED, of["ess_rows"] < FEWEST_ROWS,
        f"the weights are worth {of['ess_rows']:.1f} rows (at least {FEWEST_ROWS}); the largest alone holds "
        f"{of['max_weight_share']:.0%} of their sum",
    ))  # fmt: skip
    few = of["effective_orders"]
    yield gate("effective_orders", few, f"amber below {FEW_ORDERS}, refused below {FEWEST_ORDERS}",
        (REFUSED, few < FEWEST_ORDERS, f"the estimate leans on {few:.1f} outcomes (at least {FEWEST_ORDERS})"),
        (AMBER, few < FEW_ORDERS, f"the estimate leans on {few:.1f} outcomes (fewer than {FEW_ORDERS})"),
    )  # fmt: skip
    yield gate("ess_share", of["ess_share"], f"amber below {LOW_ESS_SHARE}", (
        AMBER, of["ess_share"] < LOW_ESS_SHARE,
        f"the weights are worth {of['ess_share']:.2%} of the rows (less than {LOW_ESS_SHARE:.0%})",
    ))  # fmt: skip


def gate(name: str, value: float, rule: str, *ways: tuple[str, bool, str]) -> Gate:
    """The first way to fail (verdict, whether it does, reason) that does, else green."""
    verdict, reason = next(((verdict, reason) for verdict, fails, reason in ways if fails), (GREEN, ""))
    return Gate(name, value, rule, verdict, reason)


def mean_weight(log: LoggedRows, w_N: Floats) -> tuple[float, float]:
    """sum w theta / sum theta with its clustered standard error; 1 in expectation if the propensities are right."""
    found = ratio_lift(log.per_request(log.theta_N), log.per_request(w_N * log.theta_N), log.clusters)
    return found.lift + 1, found.se


def top_share(won_N: Floats) -> float:
    """The part of sum (w y - mean)^2 that lies in the 1 % of rows with most of it."""
    square_N = np.sort((won_N - won_N.mean()) ** 2)[::-1]
    total = float(square_N.sum())
    return float(square_N[: max(1, int(len(square_N) * TOP_ROWS))].sum()) / total if total > 0 else 0.0


def support(log: LoggedRows, a: Target, b: Target, added_share: float | None = None) -> Support:
    """Gate a lift by the orders on what B adds; `added_share` where it is known for all candidates."""
    added_N = (a.exposure_N <= 0) & (b.exposure_N > 0)
    orders = float(log.outcome_N[added_N].sum())
    if added_share is None:
        mass_N = weights(log, b) * log.theta_N
        added_share = float(mass_N[added_N].sum() / mass_N.sum()) if mass_N.any() else 0.0
    if added_share <= NEGLIGIBLE:
        return Support(0.0, orders, GREEN)
    told = f"{added_share:.1%} of what B shows A never shows, and the log has {orders:.0f} orders there"
    if orders < FEWEST_ORDERS:
        return Support(added_share, orders, REFUSED, f"{told} (at least {FEWEST_ORDERS}): let the logger explore more")
    if orders < FEW_ORDERS:
        return Support(added_share, orders, AMBER, f"{told} (fewer than {FEW_ORDERS})")
    return Support(added_share, orders, GREEN)
