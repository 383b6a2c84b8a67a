"""A simulated world's truth once more, the slow way: one request, one shop, one number at a time.

It has the numbers that describe users and shops, and the settings, from the world, and nothing that is computed from
them: chances, slates and what they are worth are the equations written out, and its requests are draws of its own.
Without drift of tastes: the first day's.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np

from hinet_core.world.truth import World


@dataclass(frozen=True)
class Visit:
    """One request: a user (by number) in a scenario (by number), and the shops that could be shown to him."""

    user: int
    scenario: int
    weekend: bool
    items: list[int]


class SlowWorld:
    """Plain numbers of a world, and the equations on them."""

    def __init__(self, world: World) -> None:
        self.config, self.scenarios = world.config, list(world.config.scenarios.values())
        users, items = world.users, world.items
        self.taste, self.weight = users.taste_UJ.tolist(), world.weights_SKJ.tolist()
        self.trait = [self.with_products(one) for one in items.trait_IJ.tolist()]
        self.bias = world.bias_SK.tolist()
        self.place_of_user, self.place_of_item = users.place_U2.tolist(), items.place_I2.tolist()
        self.quality, self.price = items.quality_I.tolist(), items.price_I.tolist()
        self.price_ideal, self.propensity = users.price_ideal_U.tolist(), users.propensity_UK.tolist()
        self.activity, self.popularity = users.activity_U, items.popularity_M
        self.seen = [
            [slot**-one.position_decay for slot in range(1, self.config.slots + 1)] for one in self.scenarios
        ]

    def chances(self, visit: Visit, items: Sequence[int]) -> list[tuple[float, float]]:
        """Per shop P(click) where it is looked at, and P(order | click)."""
        by_outcome = []
        for outcome in range(2):
            pull = self.pull(visit, outcome)
            by_outcome.append([self.chance(visit, item, outcome, pull) for item in items])
        return list(zip(*by_outcome, strict=True))

    def pull(self, visit: Visit, outcome: int) -> list[float]:
        """How strongly this user goes by each trait of a shop here; then by each product of two neighbours' traits."""
        taste, weight = self.taste[visit.user], self.weight[visit.scenario][outcome]
        share = self.config.variance.interaction
        parts = [math.sqrt(1 - share)] * len(weight) + [math.sqrt(share)] * len(weight)
        return [part * w * z for part, w, z in zip(parts, weight * 2, self.with_products(taste), strict=False)]

    def with_products(self, match: list[float]) -> list[float]:
        """Where products matter too, those of the next two after them."""
        if not self.config.variance.interaction:
            return match
        n = len(match)
        return match + [match[(j + 1) % n] * match[(j + 2) % n] for j in range(n)]

    def chance(self, visit: Visit, item: int, outcome: int, pull: list[float]) -> float:
        here = self.scenarios[visit.scenario]
        logit = self.bias[visit.scenario][outcome] + sum(map(mul, pull, self.trait[item]))
        logit += here.quality[outcome] * self.quality[item]
        far = math.dist(self.place_of_user[visit.user], self.place_of_item[item])
        logit -= here.distance[outcome] * math.log(1 + 5 * far)
        logit -= here.price[outcome] * abs(self.price[item] - self.price_ideal[visit.user])
        logit += self.propensity[visit.user][outcome]
        if outcome == 1 and visit.weekend:
            logit += self.config.weekend_order
        return 1 / (1 + math.exp(-logit))

    def worth(self, visit: Visit, slate: Sequence[int]) -> float:
        """Expected orders of shops shown in this order."""
        chances = self.chances(visit, slate)
        return math.fsum(
            seen * click * order for seen, (click, order) in zip(self.seen[visit.scenario], chances, strict=False)
        )

    def visits(self, n: int, seed: int, weekend: bool = False) -> Iterator[Visit]:
        """`n` requests as they come: users by activity, scenarios by share, shops about by popularity."""
        rng = np.random.default_rng(seed)
        shares = np.array([one.share for one in self.scenarios])
        users = rng.choice(len(self.activity), n, p=self.activity / self.activity.sum()).tolist()
        scenarios = rng.choice(len(shares), n, p=shares / shares.sum()).tolist()
        n_items = len(self.popularity)
        drawn = rng.choice(n_items, (n, self.config.candidates), p=self.popularity / self.popularity.sum()).tolist()
        for user, scenario, places in zip(users, scenarios, drawn, strict=True):
            yield Visit(user, scenario, weekend, distinct(sorted(places), n_items))


def distinct(drawn: Sequence[int], n_items: int) -> list[int]:
    """Places of shops, ascending: one that was drawn before moves on to the next; there is room for all."""
    found: list[int] = []
    for place in drawn:
        found.append(max(place, found[-1] + 1) if found else place)
    # Who was moved beyond the last shop comes back, and pushes those before.
    for back, index in enumerate(reversed(range(len(found)))):
        found[index] = min(found[index], n_items - 1 - back)
    return found


def ranked(items: Sequence[int], scores: Sequence[float], n_slots: int) -> list[int]:
    """Best scores first, ties by shop."""
    return [item for _, item in sorted(zip([-one for one in scores], items, strict=True))][:n_slots]
