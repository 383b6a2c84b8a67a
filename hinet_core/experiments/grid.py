"""Every model and seed of an experiment, trained once: a folder each, found again by the next run.

    HINET_HOME/<contract>/experiments/models/<version>/    as those of `hinet models`, but never a champion
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from hinet_core import models
from hinet_core.contract import Contract
from hinet_core.dataset import window
from hinet_core.experiments.experiment import Entry, Settings
from hinet_core.lake import Lake
from hinet_core.models.parts.config import ModelConfig
from hinet_core.progress import track
from hinet_core.training.config import TrainConfig
from hinet_core.training.description import read_description
from hinet_core.training.progress import Progress
from hinet_core.training.run import EXAMPLES, Job, fit_to_folder, plan_job, prepared
from hinet_core.training.sweep import sweep

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """One entry, one seed, and its folder."""

    entry: Entry
    seed: int
    folder: Path
    settings: Settings

    @property
    def run(self) -> dict[str, Any]:
        """What the folder says of its training: seconds, parameters, best epoch."""
        return dict(read_description(self.folder)["meta"]["run"])


def job_of(contract: Contract, lake: Lake, as_of: date, entry: Entry, seed: int, settings: Settings) -> Job:
    """The training of an entry with its settings in place of the preset's."""
    job = plan_job(contract, lake, as_of, entry.model, entry.preset, seed)
    try:
        config, train_config = configs_of(entry.model, entry.preset, settings, job.train_config)
    except ValueError as error:
        raise ValueError(f"{entry.name}, {error}") from error
    return replace(job, model_config=asdict(config), train_config=train_config)


def configs_of(
    model: str, preset: str, settings: Settings, train_config: TrainConfig
) -> tuple[ModelConfig, TrainConfig]:
    """The model's preset and the training's settings with these in their place.

    Raises ValueError for a name that they lack, a value of another kind or one out of range.
    """
    try:
        config = models.config_of(model, preset, settings.model)
    except ValueError as error:
        raise ValueError(f"model: {error}") from error
    known = [one.name for one in fields(train_config)]
    if unknown := sorted(set(settings.train) - set(known)):
        raise ValueError(f"train: there is no setting {', '.join(unknown)}; expected some of {', '.join(known)}")
    try:
        return config, replace(train_config, **settings.train)
    except ValueError as error:
        raise ValueError(f"train: {error}") from error


def own_rows(root: Path) -> Path:
    """Where this process puts its training set: another one on the same log, for other models, has its own."""
    return root / f"rows-{os.getpid()}"


def train_all(
    contract: Contract,
    lake: Lake,
    root: Path,
    as_of: date,
    entries: Sequence[Entry],
    n_seeds: int,
    found: Mapping[str, Settings],
    device: str = "auto",
) -> list[Trained]:
    """Every entry and seed, what is missing trained now; the days are encoded once for all of them.

    Progress that nobody has taken up for a week goes.
    """
    root.mkdir(parents=True, exist_ok=True)
    asked: list[tuple[Trained, Job]] = []
    for entry in entries:
        settings = found.get(entry.model, Settings()) if entry.tuned else Settings()
        for seed in range(n_seeds):
            job = job_of(contract, lake, as_of, entry, seed, settings)
            asked.append((Trained(entry, seed, root / job.version, settings), job))
    missing = [(one, job) for one, job in asked if not one.folder.exists()]
    if missing:
        days = window(contract, lake.days(EXAMPLES), as_of)
        with prepared(contract, lake, days, own_rows(root)) as data:
            for one, job in track(missing, f"{contract.name}: training"):
                progress = Progress(one.folder)
                with progress.held():
                    if not one.folder.exists():
                        fit_to_folder(job, data, one.folder, device, progress)
                    progress.remove()
                log.info("%s, seed %d: %s s", one.entry.name, one.seed, one.run["duration_s"])
    sweep(root)
    return [one for one, _ in asked]
