"""Every field of every model's Config, by discovery: what it takes makes a network, and nothing else is taken."""

import importlib
import math
import re
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import torch
from model_rows import make_rows, make_spec

from hinet_core import models
from hinet_core.models.parts.config import RANGES, ModelConfig

FIELDS = {
    name: get_type_hints(importlib.import_module(f"hinet_core.models.{name}").Config) for name in models.names()
}
every_model = pytest.mark.parametrize("name", models.names())
SHARES = ("momentum", "columns_per_split")


def wrong(field: str, hint: Any) -> list[Any]:
    """Values of another kind, and numbers out of range, of a field with this annotation."""
    if get_origin(hint) is tuple:
        kind = get_args(hint)[0]
        return [3, "ab", (None,), *([(2.5,), (True,), (8, 0), (-1,)] if kind is int else [(1,)])]
    if hint is int:
        return [2.5, 8.0, True, "8", None, (8,), -1, *([] if field in ("own_experts", "shared_experts") else [0])]
    if hint is float:
        out = [1.0, 3.0, -0.1] if "dropout" in field else [0, 1.1] if field in SHARES else []
        return ["0.1", True, None, math.nan, math.inf, *([-1.0] if field in RANGES else []), *out]
    return [1, "typo", None]  # a switch


def right(field: str, hint: Any) -> list[Any]:
    """Values at the ends of what is taken; lists as JSON and TOML have them."""
    if get_origin(hint) is tuple:
        return [(), [3], (3, 2, 1)] if get_args(hint)[0] is int else [()]
    if hint is int:
        return [0, 1] if field in ("own_experts", "shared_experts") else [1, 3]
    if hint is float:
        return [0, 0.99] if "dropout" in field else [1]
    return [False, True] if hint is bool else list(get_args(hint))


@every_model
def test_a_value_of_another_kind_or_out_of_range_is_refused_with_what_is_expected(name: str) -> None:
    spec = make_spec()
    for field, hint in FIELDS[name].items():
        for value in wrong(field, hint):
            with pytest.raises(ValueError, match=rf"^{field} (is|holds) .*, expected \w"):
                models.build(name, spec, **{field: value})
    with pytest.raises(ValueError, match="has no setting"):
        models.build(name, spec, nothing=1)


@every_model
def test_what_is_taken_makes_a_network_or_is_told_in_a_sentence_with_the_field(name: str) -> None:
    """The sentence: a tree needs two leaves, the next layer a width, a level below the top experts of both sorts."""
    spec = make_spec()
    batch = make_rows(spec, 3).batch(slice(None))
    refused = set()
    for field, hint in FIELDS[name].items():
        for value in right(field, hint):
            try:
                model = models.build(name, spec, **{field: value})
            except ValueError as error:
                assert re.search(rf"{field} (is )?(1|empty|0)[,:] .*(expected|need) ", str(error)), error
                refused.add(field)
            else:
                assert torch.isfinite(model.eval()(batch)).all(), (field, value)
    needed = {one for one in FIELDS[name] if one.endswith(("expert_widths", "bottom_widths")) or one == "leaves"}
    assert refused == needed | ({"own_experts", "shared_experts"} if name == "ple" else set())


def test_every_model_is_checked_in_the_same_place_and_every_range_is_of_a_field() -> None:
    configs = [importlib.import_module(f"hinet_core.models.{name}").Config for name in models.names()]
    assert all(issubclass(one, ModelConfig) for one in configs)
    assert all("__post_init__" not in vars(one) for one in configs)
    numbers = {field for hints in FIELDS.values() for field, hint in hints.items() if hint in (int, float)}
    assert set(RANGES) <= numbers
    floats = {field for hints in FIELDS.values() for field, hint in hints.items() if hint is float}
    assert {field for field in floats if "dropout" not in field} <= set(RANGES)
