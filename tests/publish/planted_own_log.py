"""Planted rows of what a log says by itself: estimates of two questions with their gates, and two online tests."""

from datetime import date
from pathlib import Path

from hinet_core.lake import Lake
from hinet_core.lift.off_policy.run import OFF_POLICY, OFF_POLICY_GATES
from hinet_core.lift.own_test.analyse import analyse
from hinet_core.lift.own_test.kept import keep
from hinet_core.lift.own_test.read import read

DAYS = (date(2026, 3, 13), date(2026, 3, 14))
PLACES = {"": "pooled", "a": "scenario", "b": "scenario"}
FEW = "the estimate leans on 12.0 outcomes (fewer than 30)"
WORTHLESS = "the weights are worth 2.1 rows (at least 50); the largest alone holds 69% of their sum"
TOTALS = """arm,scenario,users,requests,orders
A,,900,9000,300
B,,910,9100,360
A,a,600,6000,200
B,a,610,6100,245
"""


def estimate(question: str, day: date, scenario: str, quantity: str, estimator: str, status: str, reason: str = "",
             value: float | None = None) -> dict:  # fmt: skip
    row = dict.fromkeys(OFF_POLICY.names) | {
        "question": question, "title": f"Asked: {question}", "day": day, "first_day": DAYS[0], "target": "uniform",
        "baseline": "logger", "log_rows": "arm=old", "truth_rows": "", "task": "order", "seed": 0,
        "code_version": "0.1.0", "scope": PLACES[scenario], "scenario_id": scenario, "quantity": quantity,
        "estimator": estimator, "status": status, "reason": reason, "unit": "user", "n_rows": 4000,
    }  # fmt: skip
    if value is not None:
        row |= {"estimate": value, "low": value - 0.05, "high": value + 0.05, "level": 0.95, "n_units": 800}
        row |= {"truth": value - 0.01, "truth_low": value - 0.2, "truth_high": value + 0.2}
    return row


def estimates(day: date, shift: float = 0.0) -> list[dict]:
    """`green` everywhere but amber in a and refused in b; `refused` as a whole."""
    rows = []
    for name in ("direct method", "Switch-DR", "DR", "SNIPS", "IPS"):
        for scenario, status, reason in (("", "green", ""), ("a", "amber", FEW), ("b", "refused", WORTHLESS)):
            for quantity, value in (("value_b", 0.2), ("lift", 0.1234 + shift)):
                number = None if status == "refused" else value
                row = estimate("asked", day, scenario, quantity, name, status, reason, number)
                rows.append(row | ({"switch_tau": float("inf")} if name == "Switch-DR" else {}))
    for scenario in PLACES:
        why = "3 of 4000 rows have no propensity"
        rows.append(estimate("bare", day, scenario, "value_b", "every", "refused", why))
    return rows


def gates(day: date) -> list[dict]:
    def row(question: str, scenario: str, name: str, value: float, verdict: str, reason: str = "") -> dict:
        return {"question": question, "day": day, "scope": PLACES[scenario], "scenario_id": scenario, "gate": name,
                "quantity": "value_b", "value": value, "rule": "refused below 50", "verdict": verdict,
                "reason": reason}  # fmt: skip

    rows = [row("asked", "a", "effective_orders", 12.0, "amber", FEW)]
    rows += [row("asked", "b", "ess_rows", 2.1, "refused", WORTHLESS)]
    rows += [row("asked", scenario, "rows", 4000.0, "green") for scenario in PLACES]
    missing = "3 of 4000 rows have no propensity"
    return rows + [row("bare", scenario, "rows", 4000.0, "refused", missing) for scenario in PLACES]


def plant_estimates(lake: Lake) -> None:
    """Of two days: the older ones, a point lower, are not those to show."""
    for day, shift in zip(DAYS, (-0.01, 0.0), strict=True):
        with lake.begin("off_policy", day) as draft:
            draft.write_rows("off_policy", estimates(day, shift), OFF_POLICY)
            draft.write_rows("off_policy_gates", gates(day), OFF_POLICY_GATES)
            draft.commit()


def plant_own_tests(lake: Lake, folder: Path) -> None:
    """A test with an interval and a name that is markup, and one whose split is red."""
    path = folder / "march.csv"
    path.write_text(TOTALS)
    keep(lake, "*March* sale", path, analyse(read(path), overdispersion=1.5))
    path.write_text(TOTALS.replace("A,,900", "A,,600"))
    keep(lake, "Broken split", path, analyse(read(path), overdispersion=1.5))
