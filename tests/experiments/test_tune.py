"""The search on the tiny log: the preset first, the same end after a kill, judged days never read."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_log import CONTRACT, tiny_contract

from hinet_core.cli import main
from hinet_core.draft.write import toml
from hinet_core.experiments.experiment import Entry, Settings
from hinet_core.experiments.found import SettingsFileError, read, unequal_trials, write
from hinet_core.experiments.grid import job_of
from hinet_core.experiments.tune import tune
from hinet_core.lake import Lake
from hinet_core.training.description import read_description
from hinet_core.training.run import Job, train

AS_OF = date(2024, 3, 11)
SEARCH = """
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tiny_log import tiny_contract
from hinet_core.experiments.tune import tune
from hinet_core.lake import Lake
lake, root = (Path(one) for one in sys.argv[1:3])
tune(tiny_contract(), Lake(lake), root, date(2024, 3, 11), "shared_bottom", n_trials=5, seed=1)
"""


Found = tuple[Settings, dict[str, object]]


def search(lake: Lake, root: Path) -> Found:
    """Five trials: the preset, three at random and one where TPE expects most."""
    return tune(tiny_contract(), lake, root, AS_OF, "shared_bottom", n_trials=5, seed=1)


@pytest.fixture(scope="module")
def whole(examples_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return search(Lake(examples_root), tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
def test_the_first_trial_is_the_preset_and_the_best_is_never_below_it(
    lake: Lake, tmp_path: Path, whole: Found
) -> None:
    settings, facts = whole
    scores = []
    for seed in (2, 3):
        preset = train(tiny_contract(), lake, tmp_path, AS_OF, "shared_bottom", seed=seed)
        curves = read_description(preset.folder)["meta"]["curves"]
        scores.append(max(one["value"] for one in curves if one["metric"] == "score"))
    assert facts["preset_auc"] == pytest.approx(sum(scores) / 2, abs=1e-6)
    assert facts["seeds"] == 2
    assert facts["validation_auc"] >= facts["preset_auc"]
    assert facts["valid_day"] == "2024-03-09"
    assert settings.trials == 5
    assert {"embedding", "dropout"} <= set(settings.model)
    assert set(settings.train) == {"learning_rate", "embedding_l2", "batch_size"}


@pytest.mark.slow
def test_a_search_that_was_killed_in_a_trial_ends_like_one_that_was_not(
    lake: Lake, examples_root: Path, tmp_path: Path, whole: Found
) -> None:
    tests = str(Path(__file__).parents[1])
    killed = subprocess.run(
        [sys.executable, "-c", SEARCH, str(examples_root), str(tmp_path), tests],
        env=os.environ | {"HINET_CRASH_AT": "in-trial:2"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    (journal,) = tmp_path.glob("*.log")
    with journal.open("ab") as file:
        file.write(b'{"op_code":5,"worker')  # as if the kill had come in the middle of a line
    assert search(lake, tmp_path) == whole
    trials = journal.read_text().count('"op_code":4,')
    assert trials == 6  # the killed one was tried again
    assert search(lake, tmp_path) == whole
    assert journal.read_text().count('"op_code":4,') == trials


@pytest.mark.slow
def test_judged_days_are_not_read(examples_root: Path, tmp_path: Path, whole: Found) -> None:
    shutil.copytree(examples_root, tmp_path / "lake")
    without = Lake(tmp_path / "lake")
    gone = [day for day in without.days("examples") if day >= AS_OF]
    assert len(gone) == 3
    for day in gone:
        for file in without.files("examples", [day]):
            file.write_bytes(b"no Parquet")  # whoever opens it fails
    assert search(without, tmp_path / "tune") == whole


Trained = list[tuple[int, int]]
# By the first seed trial 2 is best, then 4, 1 and the preset.
FIRST: dict[int, float | None] = {0: 0.60, 1: 0.65, 2: 0.90, 3: None, 4: 0.70}


def planned(
    monkeypatch: pytest.MonkeyPatch,
    others: dict[int, float | None],
    stop_at: int | None = None,
    first: dict[int, float | None] | None = None,
) -> tuple[list[dict[str, object]], Trained]:
    """Trainings whose scores are known, from the first seed and from others; None diverges.

    Ctrl-C comes once, in the place of training number `stop_at`.
    """
    first = FIRST if first is None else first
    numbers: list[dict[str, object]] = []
    seen: Trained = []
    stops = [stop_at]

    def trained(params: dict[str, object], job: Job, *_: object) -> float | None:
        if [len(seen)] == stops:
            stops.clear()
            raise KeyboardInterrupt
        if dict(params) not in numbers:
            numbers.append(dict(params))
        number = numbers.index(dict(params))
        seen.append((number, job.seed))
        return first[number] if job.seed == 1 else others[number]

    monkeypatch.setattr("hinet_core.experiments.tune.trained_at", trained)
    return numbers, seen


@pytest.mark.parametrize("stop_at", [None, 7, 9])
def test_the_luckiest_of_one_seed_does_not_win(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int | None
) -> None:
    """2 is best by the first seed and by the mean with it, 4 by the further ones, and 1 would win had it been asked.
    What a stopped search has is not trained again."""
    others = {0: 0.62, 1: 0.99, 2: 0.70, 4: 0.75}
    numbers, seen = planned(monkeypatch, others, stop_at)
    if stop_at is not None:
        with pytest.raises(KeyboardInterrupt):
            search(lake, tmp_path)
    settings, facts = search(lake, tmp_path)
    found = {key: value for key, value in numbers[4].items() if key.startswith("model.")}
    assert {f"model.{key}": value for key, value in settings.model.items()} == pytest.approx(found, rel=1e-4)
    assert (facts["validation_auc"], facts["preset_auc"], facts["seeds"]) == (0.75, 0.62, 2)
    assert seen == [(n, 1) for n in range(5)] + [(n, seed) for n in (0, 2, 4) for seed in (2, 3)]
    # The preset alone was not chosen: its figure is that of the search's own seed, whatever else the journal holds.
    alone = tune(tiny_contract(), lake, tmp_path, AS_OF, "shared_bottom", n_trials=1, seed=1)[1]
    assert (alone["validation_auc"], alone["preset_auc"], alone["seeds"]) == (0.60, 0.60, 1)


Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(examples_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`hinet tune` of the tiny log in a home of its own: status and output."""
    monkeypatch.setenv("HINET_HOME", str(tmp_path / "home"))
    shutil.copytree(examples_root, tmp_path / "home" / "tiny" / "lake")
    contract = tmp_path / "tiny.toml"
    contract.write_text("\n".join(f"{key} = {toml(value)}" for key, value in CONTRACT.items()))

    def invoke(*arguments: str) -> tuple[int, str]:
        found = CliRunner().invoke(main, ["tune", "--contract", str(contract), *arguments])
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return found.exit_code, found.output

    return invoke


def test_hinet_tune_writes_what_an_experiment_reads_and_says_it_again(call: Call, tmp_path: Path, lake: Lake) -> None:
    home = tmp_path / "home" / "tiny" / "experiments"
    file = home / "settings.toml"
    home.mkdir()
    file.write_text("[logistic")
    status, output = call("--models", "logistic", "--trials", "2")
    assert (status, (home / "tune").exists()) == (1, False)  # before any search
    assert "not readable as TOML" in output and "correct the file or remove it" in " ".join(output.split())
    file.unlink()

    status, output = call("--models", "logistic", "--trials", "2")
    assert status == 0, output
    first, last = output.splitlines()[-2:]
    assert re.fullmatch(r"logistic: 2 trials, validation AUC 0\.\d{4} -> 0\.\d{4}", first)
    assert last == f"{file} written; hinet experiment NAME --settings {file} uses it"
    found, text = read(file)["logistic"], file.read_text()
    assert (found.trials, found.valid_day) == (2, date(2024, 3, 9))
    assert job_of(tiny_contract(), lake, AS_OF, Entry(model="logistic"), 0, found).model_config.items() >= (
        found.model.items()
    )
    assert call("--models", "logistic", "--trials", "2") == (0, output)
    assert file.read_text() == text


def test_a_preset_that_diverges_has_no_figure_and_the_file_stays_readable(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(monkeypatch, others={1: 0.7}, first={0: None, 1: 0.8})
    file = tmp_path / "found.toml"
    status, output = call("--models", "mmoe", "--trials", "2", "--seed", "1", "--settings", str(file))
    assert (status, output.splitlines()[0]) == (0, "mmoe: 2 trials, validation AUC (preset diverged) -> 0.7000")
    assert set(read(file)) == {"mmoe"}
    assert "validation_auc = 0.7\n" in file.read_text() and "preset_auc" not in file.read_text()


WRITTEN = """# Written by `hinet tune`: settings found on the validation day. Judged days were not read.

[hinet]
trials = 10
valid_day = "2024-03-09"
validation_auc = 0.75
[hinet.model]
expert_widths = [64, 32]
scenario_in_x = true
[hinet.train]
learning_rate = 0.0012

[mmoe]
trials = 5
[mmoe.model]
[mmoe.train]
batch_size = 512
"""


def test_the_file_of_settings_is_read_back_and_says_who_was_tried_less(tmp_path: Path) -> None:
    file = tmp_path / "found.toml"
    chosen = {"scenario_in_x": True, "expert_widths": (64, 32)}
    hinet = Settings(model=chosen, train={"learning_rate": 0.0012}, trials=10)
    write(file, "mmoe", {}, Settings(train={"batch_size": 512}, trials=5))
    assert unequal_trials(file) == ""
    write(file, "hinet", {"validation_auc": 0.75, "valid_day": "2024-03-09"}, hinet)
    assert file.read_text() == WRITTEN
    dated = replace(hinet, valid_day=date(2024, 3, 9))
    assert read(file) == {"hinet": dated, "mmoe": Settings(train={"batch_size": 512}, trials=5)}
    assert unequal_trials(file) == (
        "the models were not tuned alike (trials: hinet 10, mmoe 5); tune all with --trials 10"
    )
    assert read(tmp_path / "absent.toml") == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[hinet", r"not readable as TOML .*; correct the file or remove it"),
        ("[hinet]\nmodel = 3", r"hinet is no table; expected \[model\], \[model.model\] and"),
        ('[hinet]\nvalid_day = "May"', r"\[hinet\] valid_day is 'May', expected a day as"),
        ("[shared_botom]", r"there is no model 'shared_botom'; expected some of .*mmoe, .*shared_bottom"),
        ("[mmoe]\ndropout = 0.3", r"\[mmoe\] has no dropout; expected some of trials, .* \[mmoe.model\] and"),
        ("[mmoe.sizes]\nexperts = 4", r"\[mmoe\] has no sizes; expected some of trials"),
        ('[mmoe]\ntrials = "ten"', r"\[mmoe\] trials is 'ten', expected a whole number of 0 or more"),
        ("[mmoe]\ntrials = [10]", r"\[mmoe\] trials is \[10\], expected a whole number of 0 or more"),
        ("[mmoe.model]\nexpert = 4", r"mmoe, model: model mmoe has no setting \['expert'\]: expected some of"),
        ("[mmoe.model]\nexperts = 2.5", r"mmoe, model: experts is 2.5, expected a whole number"),
        ("[mmoe.model]\nembedding = 8.0", r"mmoe, model: embedding is 8.0, expected a whole number"),
        ("[mmoe.model]\nexperts = 0", r"mmoe, model: experts is 0, expected 1 or more"),
        ("[mmoe.model]\ndropout = 3.0", r"mmoe, model: dropout is 3.0, expected 0 or more and less than 1"),
        ("[mmoe.train]\nepoch = 3", r"mmoe, train: there is no setting epoch; expected some of epochs"),
        ("[mmoe.train]\nlearning_rate = inf", r"mmoe, train: learning_rate is inf, expected a finite number"),
        ("[mmoe]\ntrials = 2.5", r"\[mmoe\] trials is 2.5, expected a whole number of 0 or more"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_the_file_and_the_key(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "found.toml"
    file.write_text(text)
    with pytest.raises(SettingsFileError, match=rf"found.toml: {sentence}"):
        read(file)


def test_what_people_wrote_into_the_file_survives_the_next_search(tmp_path: Path) -> None:
    """What JSON lacks and TOML has: numbers that are not finite, days, signs beyond the first plane."""
    file = tmp_path / "found.toml"
    by_hand = ["[pepnet]", "valid_day = 2024-03-09", "model.prior_fields = ['\U0001f600']", "train.clip_norm = inf"]
    file.write_text("\n".join(by_hand), encoding="utf-8")
    before = read(file)
    assert before["pepnet"].train == {"clip_norm": float("inf")}
    write(file, "mmoe", {}, Settings(trials=5))
    assert read(file) == before | {"mmoe": Settings(trials=5)}


def test_searches_that_end_together_keep_each_others_settings(tmp_path: Path) -> None:
    file, names = tmp_path / "found.toml", ("hinet", "mmoe", "ple", "star")

    def many(model: str) -> None:
        for trials in range(1, 21):
            write(file, model, {}, Settings(trials=trials))
            assert read(file)[model].trials == trials

    with ThreadPoolExecutor(len(names)) as searches:
        list(searches.map(many, names))
    assert {model: one.trials for model, one in read(file).items()} == dict.fromkeys(names, 20)
    assert list(tmp_path.iterdir()) == [file]  # no lock is left


@pytest.mark.slow
def test_two_searches_at_once_leave_each_other_the_training_set(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole search from another seed by another process, in the middle of this one's first trial."""
    kept = []

    def trained_beside_another(*_: object) -> float:
        before = set(tmp_path.glob(".rows*"))
        other = SEARCH.replace("n_trials=5, seed=1", "n_trials=1, seed=2")
        arguments = [str(lake.root), str(tmp_path), str(Path(__file__).parents[1])]
        subprocess.run([sys.executable, "-c", other, *arguments], check=True)
        kept.append(before and before == set(tmp_path.glob(".rows*")))
        return 0.5

    monkeypatch.setattr("hinet_core.experiments.tune.trained_at", trained_beside_another)
    tune(tiny_contract(), lake, tmp_path, AS_OF, "shared_bottom", n_trials=1, seed=1)
    assert kept == [True]
