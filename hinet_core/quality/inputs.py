"""What may enter a model, read from rows of `impressions` or `examples`: N rows, M values (of lists more than one a
row)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hinet_core.contract import Contract, Task, computed_features
from hinet_core.quality.maturity import late_by

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Input:
    """A column that may enter a model, read as `encode`: id, number or list. `personal`: its values name people.

    A computed feature has the `transform` by which models read it, and the `window` of days that it looks back.
    """

    name: str
    encode: str
    computed: bool = False
    personal: bool = False
    transform: str = ""
    window: str = ""


def inputs_of(contract: Contract, present: Sequence[str]) -> list[Input]:
    """The contract's inputs and the computed features, as far as the rows have them."""
    people = {one.name for role in ("user", "request") for one in contract.columns_with(role)}
    found = [Input(one.name, one.encode or "id", personal=one.name in people) for one in contract.inputs]
    longest = f"{max(contract.features.windows_days)}d"  # how far recency and recent items look back
    found += [
        Input(one.name, one.encode, True, one.of in people, one.transform, one.window or longest)
        for one in computed_features(contract)
    ]
    return [one for one in found if one.name in present]


def settled_until_us(contract: Contract, task: Task, newest: date) -> int:
    """The last exposure whose outcome is settled when the newest day ends, epoch microseconds; that of a task which
    follows a late one settles with it."""
    end = datetime.combine(newest + timedelta(days=1), time(0), contract.zone)
    wait = max(task.matures_after, late_by(contract, task))
    return int((end.timestamp() - wait.total_seconds()) * 1_000_000)


def numbers(column: pa.ChunkedArray) -> Floats:
    """Values as float64, missing ones as NaN."""
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)


def values_of(column: pa.ChunkedArray, encode: str) -> tuple[Codes, Codes, list[str]]:
    """(row, code) of every value of an id or list column, in the order of rows, and the values by code.

    A missing value has a code of its own; in lists code 0 stands for an empty or missing list.
    """
    if encode != "list":
        code_N, names = _coded(column)
        return np.arange(len(code_N)), code_N, names
    lists = column.combine_chunks()
    length_N = np.asarray(pc.fill_null(pc.list_value_length(lists), 0)).astype(np.int64)
    places_N = np.maximum(length_N, 1)
    code_M = np.zeros(places_N.sum(), dtype=np.int64)
    item_codes, names = _coded(pa.chunked_array([pc.list_flatten(lists)]))
    code_M[np.repeat(length_N > 0, places_N)] = item_codes + 1
    return np.repeat(np.arange(len(length_N)), places_N), code_M, ["none", *names]


def _coded(column: pa.ChunkedArray) -> tuple[Codes, list[str]]:
    """Each value by its place among the different ones."""
    encoded = column.dictionary_encode(null_encoding="encode").combine_chunks()
    names = ["missing" if one is None else str(one) for one in encoded.dictionary.to_pylist()]
    return np.asarray(encoded.indices).astype(np.int64), names
