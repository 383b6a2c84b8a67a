"""A day's examples are the same rows in the same order, however many batches they come in."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from feature_lakes import built, hashes, read
from slow_features import ONE_OF_EACH
from tiny_log import random_rows, tiny_contract

from hinet_core.features import day_batches
from hinet_core.features.examples import write_examples

CONTRACT = tiny_contract(features=ONE_OF_EACH)
FIRST = date(2024, 3, 6)


def test_a_day_in_several_batches_is_the_day_in_one(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = built(con, CONTRACT, tmp_path, random_rows(3, "UTC", FIRST, n_days=2, n=12_000))
    at_once, day = hashes(CONTRACT, lake), lake.days("examples")[-1]
    monkeypatch.setattr(day_batches, "ROWS_A_BATCH", 2048)
    monkeypatch.setattr("hinet_core.features.examples.example_batches", counted := Counted())
    write_examples(con, CONTRACT, lake, day)
    assert counted.batches > 1
    assert hashes(CONTRACT, lake) == at_once


class Counted:
    """`example_batches` that counts them."""

    batches = 0

    def __call__(self, *arguments: Any) -> Iterator[pa.Table]:
        for batch in day_batches.example_batches(*arguments):
            self.batches += 1
            yield batch


def test_rows_are_ordered_by_scenario_user_time_and_record(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    lake = built(con, CONTRACT, tmp_path, random_rows(3, "UTC", FIRST, n_days=1, n=300))
    found = lake.scan(con, "examples").to_arrow_table().to_pylist()
    places = [(one["scenario_id"], one["user"], one["exposed_us"], one["record_number"]) for one in found]
    assert places == sorted(places)
    assert len({place[:3] for place in places}) < len(places)


def test_a_day_without_rows_of_modelled_scenarios_has_no_examples_but_their_columns(
    tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    rows = random_rows(3, "UTC", FIRST, n_days=2)
    second = max(one["day"] for one in rows)
    others = [one for one in rows if one["day"] != second or one["scenario_id"] == "other"]
    lake = built(con, CONTRACT, tmp_path, others)
    empty, full = (lake.scan(con, "examples", [day]) for day in (second, FIRST))
    assert read(con, lake, [second]) == {}
    assert (empty.columns, empty.types) == (full.columns, full.types)
