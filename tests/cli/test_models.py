"""`hinet models` and `hinet model`: the versions, a card and a program; `hinet train`: what it refuses."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from hinet_core import models
from hinet_core.dataset import FeatureSpec, FieldSpec
from hinet_core.lake import Lake
from hinet_core.registry import POINTER
from hinet_core.training import checkpoint
from hinet_core.training.description import DESCRIPTION
from hinet_core.training.run import RUN_SCHEMA

SPEC = FeatureSpec((FieldSpec("item", "id", 5),), (), (), ("home", "search"), ("click",))


@pytest.fixture
def version(tmp_path) -> Path:
    model = models.build("shared_bottom", SPEC, seed=0)
    folder = tmp_path / "home" / "tiny" / "models" / "v1"
    return checkpoint.save(folder, model, "shared_bottom", model.config, SPEC, None, {})


def test_the_card_of_a_version_is_printed(call, contract, version):
    status, said = call("model", "card", "v1", "--contract", contract)
    assert status == 0, said
    assert said == (version / "MODEL_CARD.md").read_text()
    assert said.startswith("# shared_bottom\n") and "- scenarios: home, search" in said


def test_the_list_of_versions_has_seconds_and_pace(call, contract, tmp_path):
    """The second run is of a release that kept no pace."""
    lake, as_of = Lake(tmp_path / "home" / "tiny" / "lake"), date(2026, 4, 2)
    for model, pace in (("hinet", 5432.1), ("mmoe", None)):
        run = dict.fromkeys(RUN_SCHEMA.names) | {
            "model": model, "version": f"{model}-1", "as_of": as_of, "preset": "quick", "n_train": 9000,
            "n_params": 1234, "duration_s": 12.6, "rows_per_s": pace,
        }  # fmt: skip
        with lake.begin(f"train/{model}", as_of) as draft:
            draft.write_rows("runs", [run], RUN_SCHEMA)
            draft.commit()
    status, said = call("models", "--contract", contract)
    assert status == 0, said
    assert cells_of(said) == [
        ["hinet-1", "2026-04-02", "quick", "", "9000", "1234", "13", "5432", "run of its day, folder missing"],
        ["mmoe-1", "2026-04-02", "quick", "", "9000", "1234", "13", "", "run of its day, folder missing"],
    ]


def cells_of(said: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]


def test_every_finished_folder_is_listed_and_the_run_of_its_day_is_marked(call, contract, tmp_path):
    """Two seeds as of one day: the second is the day's run, the first was made champion before. One file is torn."""
    models_root, lake = tmp_path / "home" / "tiny" / "models", Lake(tmp_path / "home" / "tiny" / "lake")
    model = models.build("shared_bottom", SPEC, seed=0)
    for seed in (0, 1):
        run = {"run_id": f"s-{seed}", "version": f"s-{seed}", "model": "shared_bottom", "as_of": "2026-04-02",
               "preset": "quick", "seed": seed, "n_train": 9000, "n_params": 1234, "duration_s": 12.6,
               "started_at": "2026-04-03T06:00:00", "best_epoch": 1}  # fmt: skip
        checkpoint.save(models_root / f"s-{seed}", model, "shared_bottom", model.config, SPEC, None, {"run": run})
        with lake.begin("train/shared_bottom", date(2026, 4, 2)) as draft:
            row = dict.fromkeys(RUN_SCHEMA.names) | run | {"as_of": date(2026, 4, 2), "started_at": None}
            draft.write_rows("runs", [row], RUN_SCHEMA)
            draft.commit()
    pointer = {"model": "shared_bottom", "version": "s-0", "as_of": "2026-04-02", "run_id": "s-0", "reason": "chosen"}
    (models_root / POINTER).write_text(json.dumps(pointer))
    for name, text in (("torn", "{"), (".s-2.partial", "{}")):
        (models_root / name).mkdir()
        (models_root / name / DESCRIPTION).write_text(text)
    status, said = call("models", "--contract", contract)
    assert status == 0, said
    assert cells_of(said) == [
        ["torn", "", "", "", "", "", "", "", "folder not readable"],
        ["s-0", "2026-04-02", "quick", "0", "9000", "1234", "13", "", "champion"],
        ["s-1", "2026-04-02", "quick", "1", "9000", "1234", "13", "", "run of its day"],
    ]
    assert said.endswith("champion: s-0 (chosen)\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v2", "Error: version: found 'v2', allowed: champion, or one of v1 (the folders in "),
        ("../models/v1", "Error: version: found '../models/v1', allowed: champion, or one of v1"),
        (".v2.partial", "Error: version: found '.v2.partial', allowed: champion, or one of v1 (the folders in "),
        ("champion", "there is no champion yet. make run, or the asset champion in Dagster, names the "),
    ],
)
def test_a_version_that_is_not_there_is_answered_with_those_that_are(call, contract, version, name, message):
    shutil.copytree(version, version.with_name(".v2.partial"))  # of a process that is saving it now, or was killed
    for verb in ("card", "export"):
        status, said = call("model", verb, name, "--contract", contract)
        assert (status, said.count("\n")) == (1, 1)
        assert message in said


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("learning_rate=-1", "training.learning_rate: found -1, allowed: more than 0"),
        ("scenario_weights.moon=2", "training.scenario_weights: found 'moon', allowed: home, search"),
        ("# epochs=3", "setting: found '# epochs=3', allowed: NAME=VALUE with a key of [training] but models, as "
         "learning_rate=0.001 or task_weights.click=2"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_refused_before_anything_is_read(call, contract, setting, message):
    status, said = call("train", "--contract", contract, "--as-of", "2026-03-28", "--set", setting)
    assert (status, said) == (1, f"Error: {message}\n")


@pytest.mark.parametrize("name", ["", "v2", "../models/v1"])
def test_a_version_to_start_from_that_is_not_there_is_refused_before_anything_is_read(call, contract, version, name):
    status, said = call("train", "--contract", contract, "--as-of", "2026-03-28", "--warm-start", name)
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith(f"Error: version: found {name!r}, allowed: champion, or one of v1 (the folders in ")


@pytest.mark.slow
def test_a_version_is_exported_into_a_folder_of_its_own(call, contract, version, tmp_path):
    status, said = call("model", "export", "v1", tmp_path / "out", "--contract", contract)
    assert status == 0, said
    assert said.startswith(f"{tmp_path / 'out'}: model.pt2 and what it needs; try python ")
    assert (tmp_path / "out" / "score.py").is_file()
    status, said = call("model", "export", "v1", tmp_path / "out", "--contract", contract)
    assert status == 1 and "exists already: name another folder" in said
