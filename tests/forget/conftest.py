"""The three days, ingested with their audit and with features, as every test may change them."""

import shutil
from pathlib import Path

import pytest
from three_days import compute, ingest, write_log

from hinet_core.contract import parse_contract
from hinet_core.lake import Lake
from hinet_core.settings import Paths

MADE: list[Path] = []  # the folder below, made once


@pytest.fixture
def home(tiny_raw, tmp_path, tmp_path_factory):
    """Contract, folders and lake after ingest with its audit and features; the last day is kept out."""
    tiny_raw["quality"] = {"max_quarantined_share": 0.6}
    tiny_raw["features"]["entities"].append({"name": "pair", "keys": ["user", "item"]})
    tiny_raw["features"]["entities"][0]["lifetime"] = True
    tiny_raw["features"]["recent"] = [
        {"name": "last_items", "entity": "user", "of": "item", "length": 3},
        {"name": "last_users", "entity": "item", "of": "user", "length": 3},
    ]
    contract = parse_contract(tiny_raw)
    if not MADE:
        made = Paths(tmp_path_factory.mktemp("made"))
        write_log(made)
        ingest(contract, made, Lake(made.lake))
        compute(contract, Lake(made.lake))
        MADE.append(made.root)
    paths = Paths(shutil.copytree(MADE[0], tmp_path / "home" / "tiny"))
    return contract, paths, Lake(paths.lake)
