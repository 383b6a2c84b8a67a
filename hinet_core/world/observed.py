"""What a log of the world may show: the landing tables, and candidates in the columns of `impressions`.

Taste z, weights w, propensity r and probabilities p never appear here; users and matches are seen with noise.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hinet_core.contract import Column, Contract, known_day_column, known_us_column, label_column
from hinet_core.world.truth import Requests, World, day_number

Columns = Mapping[str, Any]

# Candidates to be ranked get request numbers above any request of the log.
FIRST_CANDIDATE_REQUEST = 500_000_000
REQUESTS_PER_DAY = 1_000_000_000
ARROW_TYPES = {
    "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(), "float32": pa.float32(),
    "float64": pa.float64(), "string": pa.string(), "bool": pa.bool_(), "timestamp": pa.timestamp("us"),
    "date": pa.date32(), "list<int64>": pa.list_(pa.int64()), "list<string>": pa.list_(pa.string()),
}  # fmt: skip


def user_columns(world: World) -> Columns:
    """The users' side table, one row per user; ids count from 1."""
    users = world.users
    return {
        "user_id": np.arange(1, len(users.activity_U) + 1, dtype=np.int64),
        "activity": users.activity_bucket_U,
        "price_ideal": users.seen_price_ideal_U,
        "propensity": users.seen_propensity_U,
    }


def shop_columns(world: World) -> Columns:
    """The shops' side table, one row per shop; ids count from 1."""
    items = world.items
    return {
        "shop_id": np.arange(1, len(items.trait_IJ) + 1, dtype=np.int64),
        "category": items.category_I,
        "price": items.price_I,
        "quality": items.quality_I,
    }


def exposure_columns(
    world: World, requests: Requests, row_N: NDArray[np.int64], item_N: NDArray[np.int64], position_N: NDArray[Any]
) -> Columns:
    """The log's columns known before the outcome, for the shops `item_N` of the requests at `row_N`."""
    user = requests.user_R[row_N]
    match = world.users.seen_taste_UJ[user] * world.items.trait_IJ[item_N]
    scenarios = pa.DictionaryArray.from_arrays(
        pa.array(requests.scenario_R[row_N].astype(np.int32)), pa.array(world.scenario_ids)
    )
    return {
        "request_id": day_number(requests.day) * REQUESTS_PER_DAY + requests.number_R[row_N],
        "user_id": user + 1,
        "shop_id": item_N + 1,
        "scenario": scenarios.cast(pa.string()),
        "position": position_N.astype(np.int8),
        "shown_at_ms": requests.exposed_us_R[row_N] // 1000,
        "distance_km": (world.config.city_km * world.distance(user, item_N)).astype(np.float32),
        **{f"match_{j:02d}": np.ascontiguousarray(match[:, j]) for j in range(match.shape[1])},
    }


def candidate_table(world: World, contract: Contract, requests: Requests) -> pa.Table:
    """All candidates of the requests as rows of `impressions`, as if each were shown in slot 1.

    Row r * C + c is candidate c of request r, and `record_number` says so. Outcomes, labels and the times
    they became known are NULL.
    """
    n_candidates = requests.item_RC.shape[1]
    row = np.repeat(np.arange(len(requests)), n_candidates)
    item = requests.item_RC.ravel()
    seen = dict(exposure_columns(world, requests, row, item, np.ones(len(row), dtype=np.int8)))
    seen["request_id"] = seen["request_id"] + FIRST_CANDIDATE_REQUEST
    sides = {
        contract.name_of("user"): (user_columns(world), requests.user_R[row]),
        contract.name_of("item"): (shop_columns(world), item),
    }
    arrays = {column.name: _candidate_column(contract, column, seen, sides, len(row)) for column in contract.columns}
    arrays |= _system_columns(contract, requests, row, pa.array(seen["scenario"]))
    return pa.table(arrays)


def _candidate_column(
    contract: Contract, column: Column, seen: Columns, sides: Mapping[str, tuple[Columns, NDArray[np.int64]]], n: int
) -> pa.Array:
    kind = ARROW_TYPES[column.type]
    if column.role in ("outcome", "known_at"):
        return pa.nulls(n, kind)
    source = contract.source_of(column)
    columns, rows = (seen, None) if source.kind == "log" else sides[next(iter(source.join))]
    name = next((one for one in column.found_in if one in columns), None)
    if name is None:
        raise ValueError(
            f"contract {contract.name}: column {column.name}: the simulated world knows {', '.join(columns)}, "
            f"found {', '.join(column.found_in)}"
        )
    values = columns[name] if rows is None else columns[name][rows]
    if column.parse == "epoch_ms":
        return pa.array(values * 1000, pa.timestamp("us"))
    return pa.array(values).cast(kind)


def _system_columns(
    contract: Contract, requests: Requests, row: NDArray[np.int64], scenario: pa.Array
) -> dict[str, pa.Array]:
    count = len(row)
    columns = {
        "day": pa.repeat(pa.scalar(requests.day), count),
        "day_number": pa.repeat(pa.scalar(day_number(requests.day), pa.int32()), count),
        "hour": pa.array(requests.hour_R[row].astype(np.int8)),
        "exposed_us": pa.array(requests.exposed_us_R[row]),
        "scenario_id": scenario,
    }
    for task in contract.tasks:
        columns[label_column(task.name)] = pa.nulls(count, pa.int8())
        columns[known_us_column(task.name)] = pa.nulls(count, pa.int64())
        columns[known_day_column(task.name)] = pa.nulls(count, pa.int32())
    columns["source_file"] = pa.repeat(pa.scalar("world"), count)
    columns["record_number"] = pa.array(np.arange(count, dtype=np.int64))
    return columns
