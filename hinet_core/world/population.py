"""Users and shops of the world: what drives them (latent) and what the log may show of it (observed)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_core.world.config import WorldConfig

Floats = NDArray[np.float32]

ACTIVITY_BUCKETS = 5
# Standard deviations over users of the price ideal y and of the propensities: r^order = ORDER_OF_CLICK r^click + an own
# part. What is seen of y and r^click has noise in proportion to them.
PRICE_IDEAL_SD, CLICK_SD, ORDER_OF_CLICK, ORDER_SD = 0.8, 0.4, 0.375, 0.5


@dataclass(frozen=True)
class Users:
    """Latent: taste_UJ z, price_ideal_U y, propensity_UK r (click, order), place_U2 in the unit square,
    activity_U (a distribution). `seen_*` are the same with noise: all that a log may carry."""

    taste_UJ: Floats
    price_ideal_U: Floats
    propensity_UK: Floats
    place_U2: Floats
    activity_U: NDArray[np.float64]
    seen_taste_UJ: Floats
    seen_price_ideal_U: Floats
    seen_propensity_U: Floats
    activity_bucket_U: NDArray[np.int8]


@dataclass(frozen=True)
class Items:
    """Shops: trait_IJ v (mean 0, variance 1 per dimension), quality q, price p.

    The first M are open on the first day, most popular first. In night d the shops at the places replaced_DM close, and
    as many new ones, numbered on, take their places and popularity.
    """

    trait_IJ: Floats
    category_I: NDArray[np.int16]
    quality_I: Floats
    price_I: Floats
    place_I2: Floats
    popularity_M: NDArray[np.float64]
    replaced_DM: NDArray[np.int64]

    def open_after(self, nights: int) -> NDArray[np.int64]:
        """(M,) shops that are open, most popular place first; after the last night that is known, those."""
        shops, n_new = np.arange(len(self.popularity_M)), self.replaced_DM.shape[1]
        for night, places in enumerate(self.replaced_DM[: max(nights, 0)]):
            shops[places] = len(shops) + night * n_new + np.arange(n_new)
        return shops


def draw_users(config: WorldConfig) -> Users:
    rng = np.random.default_rng([config.seed, 201])
    n_users, noise = config.users, config.observation_noise
    taste = rng.standard_normal((n_users, config.dimensions))
    price_ideal = PRICE_IDEAL_SD * rng.standard_normal(n_users)
    click = CLICK_SD * rng.standard_normal(n_users)
    order = ORDER_OF_CLICK * click + ORDER_SD * rng.standard_normal(n_users)
    place = rng.random((n_users, 2))
    activity = rng.gamma(0.8, 1 / 0.8, n_users) + 1e-6
    activity /= activity.sum()
    seen_taste = taste + noise * rng.standard_normal(taste.shape)
    seen_price_ideal = price_ideal + PRICE_IDEAL_SD * noise * rng.standard_normal(n_users)
    seen_propensity = click + CLICK_SD * noise * rng.standard_normal(n_users)
    rank = np.argsort(np.argsort(activity, kind="stable"), kind="stable")
    return Users(
        taste.astype(np.float32),
        price_ideal.astype(np.float32),
        np.stack([click, order], axis=1).astype(np.float32),
        place.astype(np.float32),
        activity,
        seen_taste.astype(np.float32),
        seen_price_ideal.astype(np.float32),
        seen_propensity.astype(np.float32),
        (rank * ACTIVITY_BUCKETS // n_users + 1).astype(np.int8),
    )


def draw_items(config: WorldConfig) -> Items:
    rng = np.random.default_rng([config.seed, 301])
    n_items, popularity = config.items, _power_law(config.items, 0.6)
    category = rng.choice(config.categories, n_items, p=_power_law(config.categories, 0.7))
    centre = rng.standard_normal((config.categories, config.dimensions))
    trait = np.sqrt(0.5) * (centre[category] + rng.standard_normal((n_items, config.dimensions)))
    spread = trait.std(axis=0)
    mean, spread = trait.mean(axis=0), np.where(spread > 0, spread, 1)
    own = (trait - mean) / spread, category, *_quality_price_place(rng, n_items)

    rng, nights = np.random.default_rng([config.seed, 302]), config.days - 1
    n_new = nights * config.new_items_per_day
    category = rng.choice(config.categories, n_new, p=_power_law(config.categories, 0.7))
    trait = np.sqrt(0.5) * (centre[category] + rng.standard_normal((n_new, config.dimensions)))
    new = (trait - mean) / spread, category, *_quality_price_place(rng, n_new)
    replaced = [rng.choice(n_items, config.new_items_per_day, replace=False) for _ in range(nights)]

    trait, category, quality, price, place = map(np.concatenate, zip(own, new, strict=True))
    return Items(
        trait.astype(np.float32),
        (category + 1).astype(np.int16),
        quality.astype(np.float32),
        price.astype(np.float32),
        place.astype(np.float32),
        popularity,
        np.array(replaced, dtype=np.int64).reshape(nights, config.new_items_per_day),
    )


def _quality_price_place(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], ...]:
    return rng.standard_normal(count), rng.standard_normal(count), rng.random((count, 2))


def _power_law(count: int, exponent: float) -> NDArray[np.float64]:
    mass = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return mass / mass.sum()
