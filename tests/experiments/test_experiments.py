"""An experiment on the tiny log: what is trained stays, the page says what was found; every named one is complete."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_log import tiny_contract

from hinet_core import models
from hinet_core.cli import main
from hinet_core.evaluation.comparison import Estimate
from hinet_core.experiments.every import large_meishi, with_changes
from hinet_core.experiments.experiment import EXPERIMENTS, Entry, Experiment, Settings
from hinet_core.experiments.grid import Trained, job_of
from hinet_core.experiments.log_days import NoLogError
from hinet_core.experiments.markdown import chance
from hinet_core.experiments.page import TITLE, origin_of_settings, put, section
from hinet_core.experiments.run import run
from hinet_core.lake import Lake
from hinet_core.settings import Paths

TINY = Experiment(
    name="tiny",
    contract=tiny_contract(),
    as_of=date(2024, 3, 11),
    entries=(Entry(model="shared_bottom"), Entry(model="mmoe"), Entry(model="mmoe", preset="paper", tuned=False)),
    baseline="shared_bottom",
    n_seeds=2,
)
FOUND = {"mmoe": Settings(model={"experts": 2}, train={"epochs": 1}, trials=7)}


@pytest.mark.slow
def test_what_is_trained_stays_and_the_page_says_what_was_found(examples_root: Path, tmp_path: Path) -> None:
    paths = Paths(examples_root.parent)
    outcome = run(TINY, paths, FOUND, device="cpu")
    assert [(one.entry.name, one.seed) for one in outcome.trained] == [
        ("shared_bottom", 0), ("shared_bottom", 1), ("mmoe", 0), ("mmoe", 1), ("mmoe, paper", 0), ("mmoe, paper", 1),
    ]  # fmt: skip
    assert outcome.days == {"valid": (date(2024, 3, 9),), "judged": (date(2024, 3, 11), date(2024, 3, 12))}
    folders = {one.folder: one.folder.stat().st_ctime_ns for one in outcome.trained}
    assert len(folders) == 6

    again = run(replace(TINY, entries=TINY.entries[:2]), paths, FOUND, device="cpu")
    assert all(one.folder.stat().st_ctime_ns == folders[one.folder] for one in again.trained)
    first, second = (pooled_click(one.cells["judged"]) for one in (outcome, again))
    assert first["mmoe"] == second["mmoe"]

    text = section(outcome, date(2026, 1, 2))
    assert text.startswith("## tiny\n")
    assert "judged on 2024-03-11, 2024-03-12" in text
    marks = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1] for line in text.splitlines()
             if "tuned" in line and line.startswith("|")}  # fmt: skip
    assert marks == {"shared_bottom": "untuned", "mmoe": "tuned, 7 trials", "mmoe, paper": "untuned"}
    assert f"| mmoe | {first['mmoe'].value:.4f} ± {first['mmoe'].sd_seeds:.4f} |" in text
    assert "### Judged days: AUC minus that of shared_bottom" in text

    # Two models, two tasks, pooled and macro: the table's lines are the whole family, and its head says how many.
    assert [{one.adjusted_for for one in family} for family in outcome.differences.values()] == [{8}, {8}]
    head, _, *lines = text.split("AUC minus that of shared_bottom\n\n")[1].split("\n\n")[0].splitlines()
    assert head == "| model | task | over | difference | 95 % | p, Holm over 8 comparisons | verdict |"
    assert len(lines) == 8


@pytest.mark.parametrize(
    ("preset", "trials", "mark"),
    [
        ("quick", 10, "tuned, 10 trials"),
        ("without_san", 10, "settings of hinet, 10 trials"),
        ("without_san", 0, "untuned"),
    ],
)
def test_a_preset_that_no_trial_was_made_for_is_not_called_tuned(preset: str, trials: int, mark: str) -> None:
    entry = Entry(model="hinet", preset=preset)
    assert origin_of_settings(Trained(entry, 0, Path(), Settings(trials=trials))) == mark


def test_settings_that_a_judged_day_chose_are_refused(examples_root: Path) -> None:
    late = {"mmoe": replace(FOUND["mmoe"], valid_day=date(2024, 3, 11)), "ple": Settings(valid_day=date(2024, 3, 12))}
    with pytest.raises(ValueError, match=r"of mmoe were found on 2024-03-11, which is not before 2024-03-11"):
        run(TINY, Paths(examples_root.parent), late, device="cpu")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (Settings(model={"expert": 2}), "mmoe, model: model mmoe has no setting ['expert']: expected some of "),
        (Settings(model={"experts": 2.5}), "mmoe, model: experts is 2.5, expected a whole number"),
        (Settings(train={"learning_rat": 0.1}), "mmoe, train: there is no setting learning_rat; expected some"),
        (Settings(train={"learning_rate": "fast"}), "mmoe, train: learning_rate is 'fast', expected a number"),
        (Settings(train={"epochs": True}), "mmoe, train: epochs is True, expected a whole number"),
        (Settings(train={"optimizer": 1}), "mmoe, train: optimizer is 1, expected a text"),
        (Settings(train={"weight_decay": 0.1}), "mmoe, train: weight_decay is 0.1, but optimizer is adam"),
    ],
)
def test_a_setting_that_a_model_does_not_have_is_refused_with_what_it_has(lake: Lake, settings, sentence) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        job_of(tiny_contract(), lake, date(2024, 3, 11), Entry(model="mmoe"), 0, settings)


def test_a_file_of_settings_that_is_not_there_is_refused_and_not_taken_for_none(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["experiment", "meishi_main", "--settings", str(tmp_path / "absent.toml")])
    assert found.exit_code == 2
    assert "absent.toml' does not exist" in " ".join(found.output.split())


def pooled_click(cells: list[Estimate]) -> dict[str, Estimate]:
    return {one.model: one for one in cells if (one.metric, one.scope, one.task) == ("auc", "pooled", "click")}


def test_a_section_replaces_the_earlier_one_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "results.md"
    page.parent.mkdir()
    page.write_text("# Results\n\nWhat an earlier release said.\n\n## b\n\nolder\n")
    put(page, "b", "## b\n\nold\n")
    put(page, "a", "## a\n\nfirst\n")
    put(page, "b", "## b\n\nnew\n")
    text = page.read_text()
    assert text.startswith(TITLE)
    assert "older" not in text and "earlier release" not in text
    assert text.endswith("\n## a\n\nfirst\n\n## b\n\nnew\n")


def test_sections_that_are_written_together_are_all_kept(tmp_path: Path) -> None:
    page = tmp_path / "results.md"

    def many(name: str) -> None:
        for count in range(1, 21):
            put(page, name, f"## {name}\n\n{count}\n")
            assert f"## {name}\n\n{count}\n" in page.read_text(encoding="utf-8")

    with ThreadPoolExecutor(4) as experiments:
        list(experiments.map(many, "abcd"))
    assert page.read_text().endswith("\n## a\n\n20\n\n## b\n\n20\n\n## c\n\n20\n\n## d\n\n20\n")
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize(
    ("p", "said"),
    [(None, "-"), (0.0, "< 0.001"), (0.00049, "< 0.001"), (0.00099, "< 0.001"), (0.001, "0.001"), (0.9996, "1.000")],
)
def test_a_p_value_is_never_written_as_0(p: float | None, said: str) -> None:
    assert chance(p) == said


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_says_how_to_run_it_and_what_to_expect(name: str) -> None:
    words = str(EXPERIMENTS[name].__doc__)
    assert f"Command   hinet experiment {name}" in words
    for heading in ("Expected  ", "Spread    ", "Run time  "):
        assert f"\n    {heading}" in words
    found = EXPERIMENTS[name]()
    assert found.name == name
    assert found.baseline in [one.name for one in found.entries]
    assert all(one.preset in models.presets(one.model) for one in found.entries)
    assert found.n_seeds == 5


def test_a_log_that_is_not_here_is_an_error_that_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NoLogError, match="the publisher's files are not here: give their folder with --data, or hinet"):
        run(EXPERIMENTS["aliexpress"](), Paths(tmp_path), {})


def test_the_large_world_has_a_million_and_a_half_impressions_and_the_settings_of_the_packaged_one() -> None:
    contract = large_meishi()
    world = contract.world or {}
    assert 1.4e6 < world["days"] * world["requests_per_day"] * 10 < 1.6e6
    assert EXPERIMENTS["meishi_main"]().settings_of == "meishi"
    assert contract.training.epochs == 20


def test_some_models_and_seeds_may_be_asked_for() -> None:
    few = with_changes(TINY, 1, ["mmoe"])
    assert ([one.name for one in few.entries], few.n_seeds) == (["shared_bottom", "mmoe"], 1)
    with pytest.raises(ValueError, match="tiny has no hinet: expected some of shared_bottom, mmoe, mmoe, paper"):
        with_changes(TINY, None, ["hinet"])
