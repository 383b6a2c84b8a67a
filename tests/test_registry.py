"""Versions and the champion pointer: latest, atomic, and clear when something is missing."""

import json
import shutil
import threading
from datetime import date

import pyarrow as pa
import pytest

from hinet_core.contract import load_contract
from hinet_core.lake import Lake
from hinet_core.quality.drift import CHAMPION, Reference
from hinet_core.registry import (
    POINTER,
    RegistryError,
    champion,
    champion_reference,
    promote,
    set_champion,
    versions,
)
from hinet_core.training.description import DESCRIPTION, FORMAT, KEYS, checksum, contract_of

RUNS = pa.schema({"run_id": pa.string(), "model": pa.string(), "as_of": pa.date32(), "version": pa.string()})


@pytest.fixture
def contract():
    return load_contract("kuairand")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def trained(lake, models_root, model, day, folder=True, under=None):
    """Commit what training commits: one row of runs, and of the finished folder what it says of itself."""
    version = f"{model}-{day.isoformat()}-00000000"
    run = {"run_id": f"run-{version}", "model": model, "as_of": day, "version": version}
    with lake.begin(f"train/{model}", day) as draft:
        draft.write_rows("runs", [run], RUNS)
        draft.commit()
    if folder:
        (models_root / version).mkdir(parents=True)
        described = dict.fromkeys(KEYS, "") | {"format": FORMAT}
        described["meta"] = {"contract": contract_of(under or load_contract("kuairand"))}
        (models_root / version / DESCRIPTION).write_text(json.dumps(described | {"checksum": checksum(described)}))
    return run


def test_before_anything_is_trained(tmp_path, lake, contract):
    assert versions(tmp_path / "models", lake) == []
    assert champion(tmp_path / "models") is None
    with pytest.raises(RegistryError, match=r"expected a finished version of hinet under .* found none\. Train"):
        set_champion(tmp_path / "models", contract, lake)


def test_the_champion_is_the_latest_finished_challenger_and_says_that_no_gate_judged_it(tmp_path, lake, contract):
    root = tmp_path / "models"
    trained(lake, root, "hinet", date(2022, 5, 5))
    newest = trained(lake, root, "hinet", date(2022, 5, 6))
    trained(lake, root, "mmoe", date(2022, 5, 7))
    trained(lake, root, "hinet", date(2022, 5, 7), folder=False)
    chosen = set_champion(root, contract, lake)
    assert champion(root) == chosen
    assert (chosen["version"], chosen["as_of"]) == (newest["version"], date(2022, 5, 6))
    assert chosen["reason"] == "the latest hinet; no promotion gate has judged it"
    assert chosen["data_fingerprint"] == contract.data_fingerprint


def test_a_version_of_another_contract_is_refused_with_every_difference(tmp_path, lake, contract):
    root = tmp_path / "models"
    trained(lake, root, "hinet", date(2022, 5, 6), under=load_contract("meishi"))
    with pytest.raises(RegistryError) as error:
        set_champion(root, contract, lake)
    said = str(error.value)
    assert said.startswith("hinet-2022-05-06-00000000 cannot be the champion: hinet-2022-05-06-00000000 was trained ")
    assert "under another contract than kuairand is now: column " in said and " more. Train it again" in said
    assert champion(root) is None


def test_versions_are_listed_by_as_of_with_what_is_on_disk(tmp_path, lake):
    root = tmp_path / "models"
    trained(lake, root, "mmoe", date(2022, 5, 6), folder=False)
    trained(lake, root, "hinet", date(2022, 5, 5))
    found = [(row["model"], row["as_of"].day, row["present"]) for row in versions(root, lake)]
    assert found == [("hinet", 5, True), ("mmoe", 6, False)]
    assert [row["model"] for row in versions(root, lake, "mmoe")] == ["mmoe"]


def test_the_same_champion_again_writes_nothing(tmp_path, lake, contract):
    root = tmp_path / "models"
    trained(lake, root, "hinet", date(2022, 5, 6))
    set_champion(root, contract, lake)
    before = (root / POINTER).stat()
    set_champion(root, contract, lake)
    assert (root / POINTER).stat().st_ino == before.st_ino


def test_a_champion_without_its_folder_is_an_error(tmp_path, lake, contract):
    root = tmp_path / "models"
    run = trained(lake, root, "hinet", date(2022, 5, 6))
    set_champion(root, contract, lake)
    shutil.rmtree(root / run["version"])
    with pytest.raises(RegistryError, match="expected its folder beside it, found none"):
        champion(root)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": "hinet"}'])
def test_a_damaged_pointer_names_its_file(tmp_path, text):
    (tmp_path / POINTER).write_text(text)
    with pytest.raises(RegistryError, match=r"champion\.json"):
        champion(tmp_path)


def test_a_reader_never_sees_half_a_pointer(tmp_path, lake, contract):
    root = tmp_path / "models"
    runs = [trained(lake, root, "hinet", date(2022, 5, day)) for day in (5, 6)]
    promote(root, contract, runs[0], "start")
    names, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            names.add(champion(root)["version"])

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(100):
        promote(root, contract, runs[turn % 2], f"turn {turn}")
    stop.set()
    reader.join()
    assert names <= {run["version"] for run in runs}
    assert json.loads((root / POINTER).read_text())["reason"] == "turn 99"
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []


def test_what_the_champion_learned_from_stands_in_its_folder(tmp_path, lake, contract):
    root = tmp_path / "models"
    assert champion_reference(root) is None
    run = trained(lake, root, "hinet", date(2022, 5, 6))
    promote(root, contract, run, "judged")
    with pytest.raises(RegistryError, match=r"model\.json: expected the days that hinet-2022-05-06-00000000 was"):
        champion_reference(root)
    days = {"train": ["2022-05-01", "2022-05-02"], "fresh": ["2022-05-04"], "valid": "2022-05-03", "missing": []}
    (root / run["version"] / "model.json").write_text(json.dumps({"meta": {"days": days}}))
    learned = (date(2022, 5, 1), date(2022, 5, 2), date(2022, 5, 4))
    assert champion_reference(root) == Reference(CHAMPION, learned, run["version"])
