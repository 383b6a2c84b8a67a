"""What changed between two contracts is said in words, and only what retires a model."""

import copy
import json

import pytest

from hinet_core.contract import at_most, contract_differences, parse_contract


def changes(raw, edit):
    """What is said after an edit; as JSON in between, as a model's folder keeps it."""
    before = json.loads(json.dumps(parse_contract(copy.deepcopy(raw)).data_content))
    edited = copy.deepcopy(raw)
    edit(edited)
    return contract_differences(before, parse_contract(edited).data_content)


def test_the_same_contract_and_other_words_and_bounds_say_nothing(tiny_raw):
    assert changes(tiny_raw, lambda raw: None) == []
    assert changes(tiny_raw, lambda raw: raw["scenarios"][0].update(title="Home page")) == []
    assert changes(tiny_raw, lambda raw: raw.update(quality={"min_rows": 7})) == []


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda raw: raw["columns"].append({"name": "size", "type": "int8"}), ["column size was added"]),
        (lambda raw: raw["columns"].pop(9), ["column brand was removed"]),
        (
            lambda raw: raw["columns"][8].update(type="float32"),
            ["column price: type was 'float64', is 'float32'"],
        ),
        (
            lambda raw: raw["scenarios"].append({"id": "map", "values": ["9"]}),
            ["scenario map was added"],
        ),
        (lambda raw: raw["tasks"][1].update(matures_after="48h"), ["task order: matures_after was 'P1D', is 'P2D'"]),
        (
            lambda raw: raw["features"].update(windows_days=[1, 7]),
            ["features.windows_days was not given, is [1, 7]"],
        ),
        (
            lambda raw: raw["scenarios"].reverse(),
            ["scenario order was home, search, other, is other, search, home"],
        ),
        (lambda raw: raw.update(time_zone="UTC"), ["time_zone was 'Europe/Berlin', is 'UTC'"]),
    ],
)
def test_a_change_is_named(tiny_raw, edit, said):
    assert changes(tiny_raw, edit) == said


def test_an_entity_is_named_and_many_changes_are_cut(tiny_raw):
    def edit(raw):
        raw["features"]["entities"] = [{"name": "shop", "keys": ["item"]}]
        raw["features"]["min_token_count"] = 9

    found = changes(tiny_raw, edit)
    assert "features.entities shop was added" in found
    assert any(one.startswith("features.min_token_count was ") for one in found)
    assert at_most(["a", "b", "c"], 2) == "a; b; and 1 more"
