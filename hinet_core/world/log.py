"""Write the log that the world would leave behind: one Parquet file a day and two side tables.

    landing/impressions/day=YYYY-MM-DD.parquet    one row per exposure, local day of the contract
    landing/users.parquet, landing/shops.parquet  one row per user, per shop

A day is a pure function of the world, so what is already there from the same world is left alone.
"""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hinet_core.contract import Contract
from hinet_core.lake import fsync_path
from hinet_core.progress import track
from hinet_core.world.draws import Stage, uniform
from hinet_core.world.load import load
from hinet_core.world.observed import exposure_columns, shop_columns, user_columns
from hinet_core.world.truth import Requests, World

HASH_KEY = b"world_hash"
HOUR_MS = 3_600_000


class OtherWorldError(ValueError):
    """The landing folder holds files of another world."""


def write_log(contract: Contract, landing: Path) -> list[Path]:
    """Write what is missing of the contract's simulated log; returns all its files, oldest day first."""
    world = load(contract)
    paths = []
    for name, columns in (("users", user_columns), ("shops", shop_columns)):
        make_side = lambda columns=columns: pa.table(dict(columns(world)))  # noqa: E731
        paths.append(_write_once(landing / f"{name}.parquet", world.hash, make_side))
    for day in track(world.traffic.days(), "simulating days"):
        path = landing / "impressions" / f"day={day.isoformat()}.parquet"
        make_day = lambda day=day: day_table(world, day)  # noqa: E731
        paths.append(_write_once(path, world.hash, make_day))
    return paths


def day_table(world: World, day: date, rows: slice | None = None) -> pa.Table:
    """The exposures of a day (or of a slice of its requests) with their outcomes, in the order of time."""
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
    """(R, N) click, order and order delay in ms; draws are keyed by item, not by slot, so that the same
    item in the same slot has the same outcome under every ranking."""
    p_click, p_order = world.probabilities(requests, appeal)
    item = np.take_along_axis(requests.item_RC, top, axis=1)
    key = requests.key_R[:, None]
    theta = world.theta_SN[requests.scenario_R]
    click = uniform(key, Stage.CLICK, item) < theta * np.take_along_axis(p_click, top, axis=1)
    order = click & (uniform(key, Stage.ORDER, item) < np.take_along_axis(p_order, top, axis=1))
    return click, order, order_delay_ms(world, uniform(key, Stage.DELAY, item))


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


def _write_once(path: Path, world_hash: str, make: Callable[[], pa.Table]) -> Path:
    if path.exists():
        found = (pq.read_schema(path).metadata or {}).get(HASH_KEY, b"none").decode()
        if found != world_hash:
            raise OtherWorldError(
                f"{path}: expected a file of world {world_hash}, found world {found}; "
                "start over with FRESH=1 or choose another HINET_HOME"
            )
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    table = make()
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(table.replace_schema_metadata({HASH_KEY: world_hash.encode()}), draft, compression="zstd")
        fsync_path(draft)
        draft.replace(path)
        fsync_path(path.parent)
    finally:
        draft.unlink(missing_ok=True)
    return path
