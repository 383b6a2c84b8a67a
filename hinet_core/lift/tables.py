"""The table `lift`: one row per scope, pair of models and estimator. Lifts are relative to model_a, 0.01 = 1 %.

`kind` says of what: `artifact`, two trained models, or `architecture`, over training seeds (docs/lift.md).
`true_lift` is what a noisy estimate is held against; it stays NULL for L1, which is that truth up to the
sampling of requests. `ess` and `support_orders` belong to estimates from logs and stay NULL here.

The step `lift_test` has the same columns in `lift_test` (L2 and L3), and more of them in `lift_guardrails` (within a
margin or not) and `lift_days` (the online test by the end of each day); `lift_splits` says whether its users were split
evenly.
"""

from datetime import date
from typing import Any

import pyarrow as pa

from hinet_core.contract import Contract

Row = dict[str, Any]

_TEXT = "kind metric scope scenario_id model_a model_b estimator status reason method world_hash code_version"
_REAL = (
    "lift low high level orders_a orders_b value_a value_b oracle_lift logger_lift random_lift true_lift "
    "p_raw p_bh mde80 ess"
)
_TYPES = {
    **dict.fromkeys(_TEXT.split(), pa.string()),
    **dict.fromkeys(_REAL.split(), pa.float64()),
    **dict.fromkeys(("n_users", "n_requests", "support_orders"), pa.int64()),
    **dict.fromkeys(("n_seeds", "seed"), pa.int32()),
    "as_of": pa.date32(),
}
_ORDER = (
    "kind metric scope scenario_id as_of model_a model_b estimator status reason lift low high level method n_users "
    "n_requests orders_a orders_b value_a value_b oracle_lift logger_lift random_lift true_lift p_raw p_bh mde80 ess "
    "support_orders n_seeds world_hash seed code_version"
)
LIFT = pa.schema([(name, _TYPES[name]) for name in _ORDER.split()])
LIFT_GUARDRAILS = pa.schema([*LIFT, ("margin", pa.float64()), ("verdict", pa.string()), ("worst", pa.float64())])
_SEQUENTIAL = ("sequential_low", "sequential_high", "p_sequential", "tau")
LIFT_DAYS = pa.schema([*LIFT, ("test_day", pa.int32()), *((name, pa.float64()) for name in _SEQUENTIAL)])
# `scenario_id` is where the test first met a user, "" all of them; without a `light` there is a reason.
_OF_SPLITS = {
    "light": pa.string(), "p": pa.float64(), "detectable": pa.float64(), "users_a": pa.int64(), "users_b": pa.int64(),
}  # fmt: skip
_SPLIT_ORDER = "scope scenario_id as_of model_a model_b light reason p detectable users_a users_b world_hash seed"
LIFT_SPLITS = pa.schema([(name, (_TYPES | _OF_SPLITS)[name]) for name in f"{_SPLIT_ORDER} code_version".split()])


def blank_row(contract: Contract, as_of: date, scenario_id: str | None) -> Row:
    """Keys of one row of L1, everything else NULL; `scenario_id` None = pooled over the modelled scenarios."""
    return dict.fromkeys(LIFT.names) | {
        "kind": "artifact",
        "metric": "orders_per_request",
        "scope": "pooled" if scenario_id is None else "scenario",
        "scenario_id": scenario_id or "",
        "as_of": as_of,
        "model_a": contract.lift.baseline,
        "model_b": contract.lift.challenger,
        "estimator": "L1",
        "n_seeds": 1,
    }


def refused_row(contract: Contract, as_of: date, scenario_id: str | None, reason: str) -> Row:
    """A row that says why there is no number."""
    return blank_row(contract, as_of, scenario_id) | {"status": "not_estimable", "reason": reason}
