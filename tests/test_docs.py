"""docs/contract.md and the grammar name the same keys and agree on which are required; README's example runs."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from hinet_core.contract import bounds, columns, grammar
from hinet_core.training.config import TrainConfig

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
MODELS = {
    name: model
    for name, model in (vars(columns) | vars(grammar) | vars(bounds)).items()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.model_fields
}
# Which tables of the page are about which part.
SECTIONS = {
    "Top level": ["Contract"],
    "[origin]": ["Origin"],
    "[[sources]]": ["Source"],
    "[[columns]]": ["Column", "Spread"],
    "[[scenarios]]": ["Scenario"],
    "[[tasks]]": ["Task", "Condition"],
    "[dedupe]": ["Dedupe"],
    "[features]": ["Features", "Entity", "Recent", "MadeNumber", "Buckets", "Cross"],
    "[quality]": ["Quality", "Rates", "History", "Drift", "Leaks"],
    "[split], [training], [lift], [schedule], [world]": ["Split", "TrainingSection", "LiftSection", "Schedule"],
    "[[off_policy]]": ["Question"],
}


def keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def rows_of(section: str) -> list[list[str]]:
    """The cells of the rows of a section's tables."""
    _, _, rest = PAGE.partition(f"\n## {section}\n")
    lines = rest.partition("\n## ")[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]


def test_every_part_of_the_grammar_has_its_section():
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(MODELS)
    assert re.findall(r"^## (.*)", PAGE, flags=re.MULTILINE) == list(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_lists_exactly_the_keys_that_exist(section):
    known = [key for name in SECTIONS[section] for key in keys_of(MODELS[name])]
    assert [row[0].strip("`") for row in rows_of(section)] == known


@pytest.mark.parametrize("section", SECTIONS)
def test_a_key_has_no_default_exactly_when_it_is_required(section):
    required = [field.is_required() for name in SECTIONS[section] for field in MODELS[name].model_fields.values()]
    assert [row[1] == "\u2013" for row in rows_of(section)] == required


def test_roles_and_types_are_all_named():
    for part in ("role", "type"):
        for word in MODELS["Column"].model_fields[part].annotation.__args__:
            assert f"`{word}`" in PAGE, f"docs/contract.md does not name the {part} {word}"


def test_the_page_on_training_lists_every_setting_with_its_default():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    table = page.partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    listed = [[cell.strip("` ") for cell in row[:2]] for row in rows]
    fields = [[one.name, str(one.default)] for one in dataclasses.fields(TrainConfig)]
    assert listed == fields


@pytest.mark.slow
def test_the_example_of_the_readme_runs_as_it_stands():
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    run = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    assert run.stdout.count("tensor(") == 2
