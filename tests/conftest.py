"""Fixtures for all rooms: a tiny contract, an empty home, a DuckDB connection."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from hinet_core.contract import Contract, parse_contract
from hinet_core.lake import connect
from hinet_core.settings import Paths

KUAIRAND = Path(__file__).parents[2] / "shared" / "data" / "kuairand_pure_sub"

TINY: dict[str, Any] = {
    "name": "tiny",
    "time_zone": "Europe/Berlin",
    "first_day": "2026-03-01",
    "last_day": "2026-04-30",
    "sources": [
        {"name": "log", "kind": "log", "files": "log_*.csv", "format": "csv"},
        {"name": "items", "kind": "side", "files": "items.csv", "format": "csv", "join": {"item": "item_id"}},
    ],
    "columns": [
        {"name": "user", "type": "int64", "role": "user", "min": 1},
        {"name": "item", "type": "string", "role": "item", "encode": "id"},
        {"name": "place", "type": "string", "role": "scenario"},
        {"name": "shown_at", "type": "timestamp", "role": "time", "parse": "iso"},
        {"name": "slot", "type": "int8", "role": "position", "min": 1, "max": 10},
        {"name": "clicked", "type": "int8", "role": "outcome", "values": [0, 1]},
        {"name": "ordered", "type": "int8", "role": "outcome", "values": [0, 1]},
        {"name": "ordered_at", "type": "timestamp", "role": "known_at", "parse": "iso", "nullable": True},
        {"name": "price", "type": "float64", "role": "feature", "encode": "number", "nullable": True, "min": 0},
        {"name": "brand", "type": "string", "role": "feature", "encode": "id", "source": "items", "nullable": True},
    ],
    "scenarios": [
        {"id": "home", "values": ["1"]},
        {"id": "search", "values": ["2", "2b"]},
        {"id": "other", "modelled": False},
    ],
    "tasks": [
        {"name": "click", "label": "clicked"},
        {
            "name": "order",
            "label": "ordered",
            "after": "click",
            "known_at": "ordered_at",
            "window": "24h",
            "matures_after": "24h",
        },
    ],
    "dedupe": {"key": ["user", "item", "shown_at"]},
    "features": {
        "windows_days": [1, 7, 30],
        "entities": [
            {"name": "user", "keys": ["user"]},
            {"name": "item", "keys": ["item"]},
            {"name": "scenario", "keys": ["scenario_id"]},
        ],
    },
    "split": {"train_days": 10, "judged_days": 2},
}


@pytest.fixture
def tiny_raw() -> dict[str, Any]:
    """The tiny contract as a dictionary that a test may change."""
    return copy.deepcopy(TINY)


@pytest.fixture
def tiny(tiny_raw: dict[str, Any]) -> Contract:
    return parse_contract(tiny_raw, "tiny.toml")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """An empty home of one contract."""
    home = Paths(tmp_path / "home" / "tiny")
    home.landing.mkdir(parents=True)
    home.lake.mkdir()
    return home


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect()
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def kuairand_data() -> Path:
    """The real log, where it is at hand."""
    if not KUAIRAND.is_dir():
        pytest.skip(f"the real log is not here: put KuaiRand's files under {KUAIRAND.name} beside the project")
    return KUAIRAND
