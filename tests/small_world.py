"""Small worlds for tests: the packaged contract with fewer users, shops and requests."""

from typing import Any

from hinet_core.contract import Contract, load_contract

SMALL = {"users": 400, "items": 200, "requests_per_day": 150, "days": 4, "calibration_requests": 1000}


def small_contract(**settings: Any) -> Contract:
    contract = load_contract("meishi")
    return contract.model_copy(update={"world": {**contract.world, **SMALL, **settings}})
