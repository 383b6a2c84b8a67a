"""The simulated test of the contract's two models, committed: what `hinet lift A B --online` prints of them.

A step beside `lift`, whose L1 says what the rankings are worth. `lift_test` has L2, L3 and what L1 says of units;
`lift_guardrails`, `lift_days` and `lift_splits` are of the same replay and the same test. Deterministic.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from hinet_core.contract import Contract
from hinet_core.lake import Lake
from hinet_core.lift.ab_test.compared import Tested, replayed_rows, tested_online
from hinet_core.lift.ab_test.named import contest
from hinet_core.lift.ab_test.paired_rows import blank
from hinet_core.lift.own_test.analyse import Checked
from hinet_core.lift.run import code_version, refusal
from hinet_core.lift.run import inputs_of as inputs_of_lift
from hinet_core.lift.tables import LIFT, LIFT_DAYS, LIFT_GUARDRAILS, LIFT_SPLITS, Row, refused_row

STEP = "lift_test"
TABLES: Mapping[str, pa.Schema] = {
    "lift_test": LIFT, "lift_guardrails": LIFT_GUARDRAILS, "lift_days": LIFT_DAYS, "lift_splits": LIFT_SPLITS,
}  # fmt: skip
ESTIMATORS = ("L2", "L3")
Rows = Mapping[str, Sequence[Row]]


def commit_test(contract: Contract, lake: Lake, models_root: Path, as_of: date, seed: int = 0) -> Rows:
    """Commit the four tables as of D and return their rows; of a log without a world `lift_test` says why, alone."""
    reason = refusal(contract)
    info: Row = {"inputs": inputs_of(contract, lake, as_of, seed), "full_fingerprint": contract.full_fingerprint}
    if reason:
        rows = refused(contract, as_of, reason)
        info |= {"reason": reason}
    else:
        rows = tested(contract, lake, models_root, as_of, seed)
    with lake.begin(STEP, as_of) as draft:
        for table, schema in TABLES.items():
            draft.write_rows(table, list(rows[table]), schema)
        draft.commit(info)
    return rows


def inputs_of(contract: Contract, lake: Lake, as_of: date, seed: int = 0) -> Row:
    """What a test as of D is made from: what the lift is made from, and its size."""
    inputs = inputs_of_lift(contract, lake, as_of)
    if contract.world is None:
        return inputs
    size = contract.lift
    return inputs | {
        "replay_requests": size.replay_requests, "test_days": size.test_days, "test_requests": size.test_requests,
        "seed": seed, "code_version": code_version(),
    }  # fmt: skip


def refused(contract: Contract, as_of: date, reason: str) -> Rows:
    """Pooled first, then the modelled scenarios, of both estimators; nothing in the other tables."""
    scenarios = [None, *(one.id for one in contract.modelled)]
    rows = [
        refused_row(contract, as_of, scenario, reason) | {"estimator": estimator}
        for estimator in ESTIMATORS
        for scenario in scenarios
    ]
    return dict.fromkeys(TABLES, ()) | {"lift_test": rows}


def tested(contract: Contract, lake: Lake, models_root: Path, as_of: date, seed: int) -> Rows:
    """The same functions as of the verb, at the sizes of the contract's [lift]."""
    names, size = (contract.lift.baseline, contract.lift.challenger), contract.lift
    with contest(contract, lake, models_root, names, as_of) as found:
        rows, guards = replayed_rows(found, names, size.replay_requests, seed)
        test = tested_online(found, names, size.test_days, size.test_requests, seed)
        common = {"as_of": as_of, "world_hash": found.world.hash, "seed": seed, "code_version": code_version()}
    in_lift = ("L1", "orders_per_request")
    kept = [row for row in rows if (row["estimator"], row["metric"]) != in_lift]
    tables = {
        "lift_test": [*kept, *test.rows],
        "lift_guardrails": guards,
        "lift_days": day_rows(names, test, size.test_days),
        "lift_splits": [split_row(names, check) for check in test.checks],
    }
    return {table: [row | common for row in rows] for table, rows in tables.items()}


def day_rows(names: tuple[str, str], test: Tested, n_days: int) -> list[Row]:
    """`day` as `test_day`, since a day of the lake is a date; where no day can be judged each says why."""
    if test.no_days is None:
        return [{"test_day" if name == "day" else name: value for name, value in row.items()} for row in test.days]
    why = {"status": "not_estimable", "reason": test.no_days}
    return [
        dict.fromkeys(LIFT_DAYS.names) | blank(names, "L3", "orders_per_request", "") | why | {"test_day": number + 1}
        for number in range(n_days)
    ]


def split_row(names: tuple[str, str], check: Checked) -> Row:
    """The check of the split over all users (scenario "") or those who entered in a scenario."""
    row: Row = dict.fromkeys(LIFT_SPLITS.names) | {
        "scope": "scenario" if check.scenario else "pooled", "scenario_id": check.scenario, "model_a": names[0],
        "model_b": names[1], "reason": check.reason,
    }  # fmt: skip
    if check.found is None:
        return row
    users_a, users_b = check.found.users
    return row | {
        "light": check.found.light, "p": check.found.p, "detectable": check.found.detectable, "users_a": users_a,
        "users_b": users_b,
    }  # fmt: skip
