"""How many units an order has: a secondary outcome, which depends on user and shop but on no taste.

    units | order = 1 + Poisson((mean - 1) exp(g_u + h_i - sd^2)),    g, h ~ N(0, sd^2)

so that the mean over users and shops is the setting `units_per_order`. U users, I shops.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from hinet_core.world.config import WorldConfig
from hinet_core.world.draws import Stage, uniform

SD = 0.4
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """g_U of the users and h_I of the shops; `mean` of all orders."""

    user_U: NDArray[np.float64]
    item_I: NDArray[np.float64]
    mean: float

    def expected(self, user: Integers, item: Integers) -> NDArray[np.float64]:
        """E[units | order]; `user` broadcasts against `item`."""
        return 1 + (self.mean - 1) * np.exp(self.user_U[user] + self.item_I[item] - SD**2)

    def drawn(self, key: NDArray[np.uint64], user: Integers, item: Integers) -> Integers:
        """Units of orders, by inversion of the keyed uniforms: at least 1."""
        drawn: Integers = poisson.ppf(uniform(key, Stage.UNITS, item), self.expected(user, item) - 1).astype(np.int64)
        return 1 + drawn


def draw_units(config: WorldConfig, n_items: int) -> Units:
    rng = np.random.default_rng([config.seed, 401])
    user, item = SD * rng.standard_normal(config.users), SD * rng.standard_normal(n_items)
    return Units(user, item, config.units_per_order)
