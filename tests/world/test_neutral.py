"""The world of `meishi` stays the world that published results are about, until WORLD_VERSION says otherwise."""

import hashlib
from datetime import date

import numpy as np
import pyarrow as pa
from small_world import small_contract

from hinet_core.world.day import day_table
from hinet_core.world.load import load

SATURDAY = date(2025, 3, 8)


def content_hash(table: pa.Table) -> str:
    """Of names and values, whatever the pieces and types that they are kept in."""
    content = hashlib.sha256()
    for name in table.column_names:
        content.update(name.encode() + repr(table[name].to_pylist()).encode())
    return content.hexdigest()[:16]


def test_the_log_and_the_biases_are_those_of_published_results():
    world = load(small_contract())
    assert world.hash == "70f4cb7f9dcd"
    assert content_hash(day_table(world, SATURDAY)) == "3ef5aab7e734b0a1"
    # Six places: the last bits of a float32 sum are the processor's.
    found = np.round(world.bias_SK, 6).tolist()
    assert found == [
        [-1.719906, -1.797402], [-1.08187, -1.330014], [-2.035081, -2.095946], [-0.804512, -1.217293],
        [-0.798701, -1.377847], [-1.019628, -1.910683],
    ]  # fmt: skip


def test_settings_that_are_off_leave_the_world_what_it_is_and_others_make_another():
    variance = dict(small_contract().world["variance"])
    off = {"drift_per_day": 0.0, "item_churn": 0.0, "units_per_order": 1.0}
    same = load(small_contract(variance=variance | {"interaction": 0.0}, **off))
    assert same.hash == "70f4cb7f9dcd"
    on = {"drift_per_day": 0.01, "item_churn": 0.02, "units_per_order": 1.5}
    hashes = {load(small_contract(**{name: value})).hash for name, value in on.items()}
    hashes |= {load(small_contract(variance=variance | {"interaction": 0.3})).hash, same.hash}
    assert len(hashes) == 5
