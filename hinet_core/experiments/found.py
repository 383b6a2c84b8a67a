"""Settings that `hinet tune` found, in a TOML file that experiments read.

    [hinet]
    trials = 10                    # how many settings were tried, the preset itself among them
    valid_day = "2022-05-05"       # on which they were compared; an experiment that judges it refuses them
    validation_auc = 0.7203        # of the best, as `auc_mean` says, on that day; preset_auc is the preset's
    seeds = 2                      # over how many further trainings of each these are means
    [hinet.model]
    dropout = 0.25
    [hinet.train]
    learning_rate = 0.0012
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from hinet_core import models
from hinet_core.draft.write import toml
from hinet_core.experiments.experiment import Settings
from hinet_core.experiments.grid import configs_of
from hinet_core.lake import replace_text
from hinet_core.lock import in_turn
from hinet_core.training.config import TrainConfig

HEAD = "# Written by `hinet tune`: settings found on the validation day. Judged days were not read.\n"
PARTS = ("model", "train")
FACTS = ("trials", "valid_day", "validation_auc", "preset_auc", "seed", "seeds", "data_fingerprint", "code")


class SettingsFileError(ValueError):
    """A file of settings cannot be read; the message says what is wrong."""


def packaged_file(contract: str) -> Path:
    """Where the settings of a contract stand in the package."""
    return Path(str(resources.files("hinet_core") / "experiments" / "found" / f"{contract}.toml"))


def read(path: Path) -> dict[str, Settings]:
    """Settings by model; none where there is no file. Raises SettingsFileError for a file with any mistake."""
    if not path.exists():
        return {}
    return {model: settings_in(path, model, one) for model, one in raw(path).items()}


def settings_in(path: Path, model: str, table: Mapping[str, Any]) -> Settings:
    """One model's, each of a kind and in a range that its Config and a training take."""
    settings = Settings(
        model=lists_to_tuples(table.get("model", {})), train=lists_to_tuples(table.get("train", {})),
        trials=trials_of(path, model, table.get("trials", 0)), valid_day=day_of(path, model, table.get("valid_day")),
    )  # fmt: skip
    try:
        # What the training begins from is the contract's; with AdamW no setting contradicts another.
        configs_of(model, "quick", settings, TrainConfig(optimizer="adamw"))
    except ValueError as error:
        raise SettingsFileError(f"{path}: {model}, {error}") from error
    return settings


def trials_of(path: Path, model: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise SettingsFileError(f"{path}: [{model}] trials is {given!r}, expected a whole number of 0 or more")
    return given


def day_of(path: Path, model: str, given: object) -> date | None:
    try:
        return None if given is None else date.fromisoformat(str(given))
    except ValueError as error:
        raise SettingsFileError(f"{path}: [{model}] valid_day is {given!r}, expected a day as 2026-01-31") from error


def raw(path: Path) -> dict[str, Any]:
    """The file's tables by model, each of a model that exists and with tables `model` and `train` alone."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path}: not readable as TOML ({error}); correct the file or remove it") from error
    for model, one in found.items():
        if model not in models.names():
            known = ", ".join(models.names())
            raise SettingsFileError(f"{path}: there is no model {model!r}; expected some of {known}")
        if not isinstance(one, dict) or not all(isinstance(one.get(part, {}), dict) for part in PARTS):
            raise SettingsFileError(f"{path}: {model} is no table; expected [model], [model.model] and [model.train]")
        if unknown := sorted(set(one) - {*PARTS, *FACTS}):
            raise SettingsFileError(
                f"{path}: [{model}] has no {unknown[0]}; expected some of {', '.join(FACTS)}, and settings in "
                f"[{model}.model] and [{model}.train]"
            )
    return found


def write(path: Path, model: str, facts: Mapping[str, Any], settings: Settings) -> None:
    """Put one model's settings into the file, beside those of others, which may be written at the same time."""
    mine = {"trials": settings.trials, **facts, "model": dict(settings.model), "train": dict(settings.train)}
    with in_turn(path):
        tables = (raw(path) if path.exists() else {}) | {model: mine}
        lines = [HEAD]
        for name in sorted(tables):
            lines += [f"[{name}]", *pairs({key: one for key, one in tables[name].items() if key not in PARTS})]
            for part in PARTS:
                lines += [f"[{name}.{part}]", *pairs(tables[name].get(part, {}))]
            lines.append("")
        replace_text(path, "\n".join(lines))


def unequal_trials(path: Path) -> str:
    """What is unfair in a file whose models were tried a different number of times; empty where nothing is."""
    trials = {model: one.trials for model, one in read(path).items()}
    if len(set(trials.values())) < 2:
        return ""
    counts = ", ".join(f"{model} {count}" for model, count in trials.items())
    return f"the models were not tuned alike (trials: {counts}); tune all with --trials {max(trials.values())}"


def pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {toml(value)}" for key, value in sorted(values.items())]


def lists_to_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
