"""The table `lift`: one row per scope, pair of models and estimator. Lifts are relative to model_a, 0.01 = 1 %.

`kind` says of what: `artifact`, two trained models, or `architecture`, over training seeds (docs/lift.md).
`true_lift` is what a noisy estimate is held against; it stays NULL for L1, which is that truth up to the
sampling of requests. `ess` and `support_orders` belong to estimates from logs and stay NULL here.
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


def blank_row(contract: Contract, as_of: date, scenario_id: str | None) -> Row:
    """Keys of one row, everything else NULL; `scenario_id` None = pooled over the modelled scenarios."""
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
