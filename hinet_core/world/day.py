"""One day of the log that the world would leave behind: exposures with their outcomes, whole or piece by piece.

A day of any size takes the memory of one piece: its requests are put in the order of time in windows of about
WINDOW requests, for each of which all times are drawn again instead of being kept.
"""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hinet_core.world.draws import Stage, uniform
from hinet_core.world.observed import exposure_columns
from hinet_core.world.outcomes import outcomes
from hinet_core.world.truth import Requests, World

HOUR_MS = 3_600_000
# Requests of a piece, requests whose order is kept in memory, and requests whose times are drawn at once.
PIECE, WINDOW, SCAN = 8192, 1_000_000, 65_536


def day_pieces(world: World, day: date, piece: int = PIECE) -> Iterator[pa.Table]:
    """The exposures of a day in the order of time, those of at most `piece` requests at once."""
    for numbers in in_time_order(world, day, piece):
        yield day_table(world, day, numbers)


def in_time_order(world: World, day: date, piece: int = PIECE) -> Iterator[NDArray[np.int64]]:
    """The numbers of a day's requests by time, then number, at most `piece` at once."""
    n_requests = world.traffic.requests_on(day)
    sample = np.sort(world.log_times(day, np.arange(min(n_requests, SCAN))))
    n_windows = -(-n_requests // WINDOW)
    inner = sample[np.arange(1, n_windows) * len(sample) // n_windows]
    edges = [np.iinfo(np.int64).min, *inner.tolist(), np.iinfo(np.int64).max]
    for low, high in pairwise(edges):
        found = [_inside(world, day, start, min(start + SCAN, n_requests), low, high)
                 for start in range(0, n_requests, SCAN)]  # fmt: skip
        time_W, number_W = (np.concatenate(one) for one in zip(*found, strict=True))
        number_W = number_W[np.lexsort((number_W, time_W))]
        for start in range(0, len(number_W), piece):
            yield number_W[start : start + piece]


def _inside(
    world: World, day: date, start: int, stop: int, low: int, high: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times and numbers of those of the requests start … stop - 1 whose time is in [low, high)."""
    numbers = np.arange(start, stop)
    times = world.log_times(day, numbers)
    inside = (times >= low) & (times < high)
    return times[inside], numbers[inside]


def day_table(world: World, day: date, rows: slice | NDArray[np.int64] | None = None) -> pa.Table:
    """The exposures of a day, or of some of its requests, with their outcomes, in the order of time."""
    requests = world.log_requests(day, rows)
    appeal = world.appeal(requests)
    top = world.logged_slates(requests, appeal)
    click_RN, order_RN, delay_ms_RN = _outcomes(world, requests, appeal, top)
    n_slots = top.shape[1]
    row = np.repeat(np.arange(len(requests)), n_slots)
    item = np.take_along_axis(requests.item_RC, top, axis=1).ravel()
    position = np.tile(np.arange(1, n_slots + 1), len(requests))
    columns = dict(exposure_columns(world, requests, row, item, position))
    order = order_RN.ravel()
    columns["is_click"] = click_RN.ravel().astype(np.int8)
    columns["is_order"] = order.astype(np.int8)
    order_at = columns["shown_at_ms"] + delay_ms_RN.ravel()
    columns["order_at_ms"] = pa.array(order_at, mask=~order)
    if world.config.units_per_order > 1:
        columns["units"] = _units(world, requests.key_R[row], requests.user_R[row], item, order)
    by_time = np.lexsort((position, columns["request_id"], columns["shown_at_ms"]))
    return pa.table(columns).take(pa.array(by_time))


def _outcomes(
    world: World, requests: Requests, appeal: NDArray[np.float32], top: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """(R, N) click, order and order delay in ms."""
    p_click, p_order = world.probabilities(requests, appeal)
    item = np.take_along_axis(requests.item_RC, top, axis=1)
    theta = world.theta_SN[requests.scenario_R]
    seen_click, then_order = (np.take_along_axis(chance, top, axis=1) for chance in (p_click, p_order))
    click, order = outcomes(requests.key_R, item, theta * seen_click, then_order)
    return click, order, order_delay_ms(world, uniform(requests.key_R[:, None], Stage.DELAY, item))


def _units(
    world: World,
    key_N: NDArray[np.uint64],
    user_N: NDArray[np.int64],
    item_N: NDArray[np.int64],
    order_N: NDArray[np.bool_],
) -> pa.Array:
    """Units of each order, NULL where nothing was ordered."""
    units_N = np.zeros(len(order_N), dtype=np.int16)
    units_N[order_N] = world.units.drawn(key_N[order_N], user_N[order_N], item_N[order_N])
    return pa.array(units_N, mask=~order_N)


def order_delay_ms(world: World, u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Exponential delay truncated to the order window, by inversion; whole milliseconds, at least one."""
    mean, window = world.config.order_delay_hours, world.config.order_window_hours
    hours = -mean * np.log1p(u * np.expm1(-window / mean))
    return np.clip((hours * HOUR_MS).astype(np.int64), 1, round(window * HOUR_MS) - 1)
