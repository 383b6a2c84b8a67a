"""T14: the simulated world has the rates that its contract asks for, on requests that no calibration saw."""

from hinet_core.contract import load_contract
from hinet_core.world.load import load
from hinet_core.world.rates import FRESH_REQUESTS, RateCheck, rate_checks

CONTRACT, REPLICATIONS = "meishi", 500


def calibrate(replications: int, seed: int) -> list[RateCheck]:
    """200,000 fresh requests per scenario at 500 replications, and in proportion; named T14."""
    n_per_scenario = max(FRESH_REQUESTS * replications // REPLICATIONS, 1)
    found = rate_checks(load(load_contract(CONTRACT)), n_per_scenario, seed)
    return [one._replace(name=f"T14 {CONTRACT}: {one.name}") for one in found]
