"""From a contract's [world] section to a calibrated world."""

from datetime import date
from functools import lru_cache

import numpy as np

from hinet_core.contract import Contract
from hinet_core.world.calibration import calibrated
from hinet_core.world.config import WorldConfig, read_config, world_hash
from hinet_core.world.population import draw_items, draw_users
from hinet_core.world.preferences import N_OUTCOMES, weights
from hinet_core.world.traffic import Traffic
from hinet_core.world.truth import World


def load(contract: Contract) -> World:
    """The world of a contract; ValueError names the key when the section is absent or wrong."""
    return _build(read_config(contract).model_dump_json(), contract.first_day, contract.time_zone)


# Kept per settings, because calibration takes seconds.
@lru_cache(maxsize=4)
def _build(config_json: str, first_day: date, time_zone: str) -> World:
    config = WorldConfig.model_validate_json(config_json)
    uncalibrated = World(
        config,
        Traffic(config, first_day, time_zone),
        draw_users(config),
        draw_items(config),
        weights(config).astype(np.float32),
        np.zeros((len(config.scenarios), N_OUTCOMES)),
        world_hash(config, first_day, time_zone),
    )
    return calibrated(uncalibrated)
