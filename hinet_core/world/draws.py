"""Random numbers that are a pure function of their key.

Every draw is a hash of (world seed, stream, day, request, stage, item), so any request of any day can be
drawn alone, in any order and in chunks of any size, with the same outcome. The mixing function is the
finaliser of SplitMix64, applied element by element.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


class Stream(IntEnum):
    """Separate families of requests: no request of one is ever a request of another."""

    LOG = 1
    CALIBRATION = 2
    EVALUATION = 3
    ONLINE = 4


class Stage(IntEnum):
    """What a draw decides. Numbers are part of the world: append, never renumber."""

    USER = 1
    HOUR = 2
    SCENARIO = 3
    SECOND_OF_HOUR = 4
    CANDIDATE = 5
    LOGGER = 6
    CLICK = 7
    ORDER = 8
    DELAY = 9
    WEEKEND = 10
    UNITS = 11
    RANKING = 12
    ARM = 13


def mix(key: ArrayLike) -> NDArray[np.uint64]:
    """A bijection of 64-bit words whose output bits all depend on all input bits."""
    with np.errstate(over="ignore"):
        word = np.asarray(key, dtype=np.uint64) + _GOLDEN
        word = (word ^ (word >> np.uint64(30))) * _FIRST
        word = (word ^ (word >> np.uint64(27))) * _SECOND
        return word ^ (word >> np.uint64(31))


def fold(*parts: ArrayLike) -> NDArray[np.uint64]:
    """One key from integers or arrays of integers (broadcast); the order of the parts matters."""
    key: NDArray[np.uint64] = np.zeros((), dtype=np.uint64)
    for part in parts:
        key = mix(key ^ mix(np.asarray(part, dtype=np.int64).astype(np.uint64)))
    return key


def drawn_again(key: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Keys under which the same requests have other outcomes, one set per seed."""
    return mix(key ^ fold(seed))


def uniform(key: NDArray[np.uint64], stage: Stage, item: ArrayLike = 0) -> NDArray[np.float64]:
    """Uniforms strictly inside (0, 1), one per broadcast element of `key` and `item`."""
    with np.errstate(over="ignore"):
        # Key and stage are mixed before the item joins, so wide candidate arrays cost one round each.
        base = mix(key ^ np.uint64(int(stage) << 56))
        word = mix(base + np.asarray(item, dtype=np.int64).astype(np.uint64) * _GOLDEN)
    return ((word >> np.uint64(11)).astype(np.float64) + 0.5) * _TO_UNIT


def normal(key: NDArray[np.uint64], stage: Stage, item: ArrayLike = 0) -> NDArray[np.float64]:
    """Standard normals by inversion of `uniform`."""
    return ndtri(uniform(key, stage, item))
