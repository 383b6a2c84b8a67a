"""Models by discovery: every file of this folder but `layers.py` is one model; `parts/` holds what several share.

A model file offers `Config` (a frozen dataclass that inherits `parts.config.ModelConfig`), `PRESETS` (name -> Config)
and `build(spec, config)`.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from types import ModuleType
from typing import Any

import torch
from torch import nn

from hinet_core.dataset import FeatureSpec
from hinet_core.models.parts.config import ModelConfig


def names() -> list[str]:
    """All models, sorted."""
    found = pkgutil.iter_modules(__path__)
    return sorted(module.name for module in found if module.name != "layers" and not module.ispkg)


def about(name: str) -> str:
    """What a model is and its paper: its file's first words, without what the letters of its tensors mean."""
    return re.split(r"\s*\bB batch\b", inspect.cleandoc(_module(name).__doc__ or ""))[0].strip()


def presets(name: str) -> list[str]:
    """Names of a model's presets."""
    return sorted(_module(name).PRESETS)


def build(
    name: str, spec: FeatureSpec, preset: str = "quick", *, seed: int | None = None, **overrides: Any
) -> nn.Module:
    """A fresh model. `overrides` replace fields of the preset; a `seed` fixes the initial weights.

    Raises ValueError as `config_of` does, and where the log has nothing that the model needs.
    """
    module, config = _module(name), config_of(name, preset, overrides)
    if seed is None:
        return module.build(spec, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return module.build(spec, config)


def config_of(name: str, preset: str, overrides: Mapping[str, Any]) -> ModelConfig:
    """The preset with fields replaced. Raises ValueError for a model, preset or setting that does not exist, naming
    those that do, and for a value of another kind or out of range, naming what is expected."""
    module = _module(name)
    if preset not in module.PRESETS:
        raise ValueError(f"model {name} has no preset {preset!r}: expected one of {presets(name)}")
    config: ModelConfig = replace(module.PRESETS[preset], **_known(module, name, overrides))
    return config


def restore(name: str, spec: FeatureSpec, config: Mapping[str, Any]) -> nn.Module:
    """The model of a stored config (JSON values); its weights are still to be loaded."""
    module = _module(name)
    return module.build(spec, module.Config(**_known(module, name, config)))


def n_params(model: nn.Module) -> int:
    """How many numbers were learned: parameters, and of a model without gradients what it has fitted (`n_fitted`)."""
    own = getattr(model, "n_fitted", None)
    return sum(one.numel() for one in model.parameters()) + (own() if own else 0)


def _module(name: str) -> ModuleType:
    if name not in names():
        raise ValueError(f"no model {name!r}: expected one of {names()}")
    return importlib.import_module(f"{__name__}.{name}")


def _known(module: ModuleType, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings checked against the model's Config; lists (from JSON) become tuples."""
    allowed = {field.name for field in fields(module.Config)}
    if unknown := sorted(set(settings) - allowed):
        raise ValueError(f"model {name} has no setting {unknown}: expected some of {sorted(allowed)}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
