"""The world's truth and draws once more, one request, one candidate, one number at a time, in plain Python.

It shares with the engine the numbers that describe users, shops and requests, and nothing that is computed from them.
Chances and worth are those of the loops of `make calibrate`.
"""

import math

from hinet_core.lift.calibration.engine import visit_of
from hinet_core.lift.calibration.slow_world import SlowWorld, ranked

__all__ = ["ranked"]

WORD = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
CLICK, ORDER, UNITS, ARM = 7, 8, 11, 13


def mixed(word):
    word = (word + GOLDEN) & WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)


def again(key, seed):
    return mixed(key ^ mixed(0 ^ mixed(seed)))


def luck(key, stage, item=0):
    word = mixed((mixed(key ^ (stage << 56)) + item * GOLDEN) & WORD)
    return ((word >> 11) + 0.5) / 2**53


def plain(world):
    """Its numbers as lists, kept, because a world has many."""
    if world.hash not in _plain:
        _plain[world.hash] = SlowWorld(world)
    return _plain[world.hash]


_plain = {}


def chances(world, requests, r, item):
    """P(click) at slot effect 1 and P(order | click)."""
    return plain(world).chances(visit_of(requests, r), [item])[0]


def worth(world, requests, r, slots, per_order=None):
    """Expected orders of a slate; units, where it is said how many an order of each item has."""
    decay = list(world.config.scenarios.values())[int(requests.scenario_R[r])].position_decay
    return math.fsum(
        n**-decay * math.prod(chances(world, requests, r, item)) * (per_order[item] if per_order else 1)
        for n, item in enumerate(slots, start=1)
    )


def ordered(world, requests, r, slots, key):
    """Items of a slate that are ordered."""
    decay = list(world.config.scenarios.values())[int(requests.scenario_R[r])].position_decay
    found = []
    for n, item in enumerate(slots, start=1):
        click, order = chances(world, requests, r, item)
        if luck(key, CLICK, item) < n**-decay * click and luck(key, ORDER, item) < order:
            found.append(item)
    return found


def orders(world, requests, r, slots, key):
    """Realised orders of a slate."""
    return len(ordered(world, requests, r, slots, key))


def mean_units(world, user, item):
    """Expected units of an order: users and shops vary by a log-normal factor of mean 1 each."""
    shift = float(world.units.user_U[user]) + float(world.units.item_I[item])
    return 1 + (world.config.units_per_order - 1) * math.exp(shift - 0.4**2)


def poisson(u, mean):
    """The number whose cumulated probability first reaches u."""
    count, mass = 0, math.exp(-mean)
    below = mass
    while below < u:
        count += 1
        mass *= mean / count
        below += mass
    return count
