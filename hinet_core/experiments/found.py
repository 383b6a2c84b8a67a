"""Settings that `hinet tune` found, in a TOML file that experiments read.

    [hinet]
    trials = 10                    # how many settings were tried, the preset itself among them
    valid_day = "2022-05-05"       # on which they were compared; an experiment that judges it refuses them
    validation_auc = 0.7203        # of the best, macro over scenarios on that day
    [hinet.model]
    dropout = 0.25
    [hinet.train]
    learning_rate = 0.0012
"""

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from hinet_core.experiments.experiment import Settings
from hinet_core.lake import replace_text

HEAD = "# Written by `hinet tune`: settings found on the validation day. Judged days were not read.\n"


class SettingsFileError(ValueError):
    """A file of settings cannot be read; the message says what is wrong."""


def packaged_file(contract: str) -> Path:
    """Where the settings of a contract stand in the package."""
    return Path(str(resources.files("hinet_core") / "experiments" / "found" / f"{contract}.toml"))


def read(path: Path) -> dict[str, Settings]:
    """Settings by model; none where there is no file."""
    if not path.exists():
        return {}
    return {
        model: Settings(
            model=lists_to_tuples(one.get("model", {})), train=lists_to_tuples(one.get("train", {})),
            trials=int(one.get("trials", 0)), valid_day=day_of(path, model, one.get("valid_day")),
        )
        for model, one in raw(path).items()
    }  # fmt: skip


def day_of(path: Path, model: str, text: object) -> date | None:
    try:
        return None if text is None else date.fromisoformat(str(text))
    except ValueError as error:
        raise SettingsFileError(f"{path}: [{model}] valid_day is {text!r}, expected a day as 2026-01-31") from error


def raw(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path}: not readable as TOML ({error}); run hinet tune again") from error
    wrong = [
        model
        for model, one in found.items()
        if not isinstance(one, dict) or not all(isinstance(one.get(part, {}), dict) for part in ("model", "train"))
    ]
    if wrong:
        raise SettingsFileError(f"{path}: {wrong[0]} is no table; expected [model], [model.model] and [model.train]")
    return found


def write(path: Path, model: str, facts: Mapping[str, Any], settings: Settings) -> None:
    """Put one model's settings into the file, beside those of others."""
    tables = raw(path) if path.exists() else {}
    tables[model] = {"trials": settings.trials, **facts, "model": dict(settings.model), "train": dict(settings.train)}
    lines = [HEAD]
    for name in sorted(tables):
        plain = {key: value for key, value in tables[name].items() if not isinstance(value, dict)}
        lines += [f"[{name}]", *pairs(plain)]
        for part in ("model", "train"):
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
    """`key = value` lines: of numbers, booleans, texts and lists of them JSON is TOML."""
    return [f"{key} = {json.dumps(value)}" for key, value in sorted(values.items())]


def lists_to_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
