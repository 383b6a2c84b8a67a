"""Every model and seed of an experiment, trained once: a folder each, found again by the next run.

    HINET_HOME/<contract>/experiments/models/<version>/    as those of `hinet models`, but never a champion
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from hinet_core.contract import Contract
from hinet_core.dataset import window
from hinet_core.experiments.experiment import Entry, Settings
from hinet_core.lake import Lake
from hinet_core.progress import track
from hinet_core.training.description import read_description
from hinet_core.training.progress import Progress
from hinet_core.training.run import EXAMPLES, Job, fit_to_folder, plan_job, prepared

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
    unknown = sorted(set(settings.model) - set(job.model_config))
    if unknown:
        raise ValueError(f"{entry.name} has no setting {', '.join(unknown)}; it has {', '.join(job.model_config)}")
    return replace(
        job,
        model_config={**job.model_config, **settings.model},
        train_config=replace(job.train_config, **settings.train),
    )


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
    """Every entry and seed, what is missing trained now; the days are encoded once for all of them."""
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
    return [one for one, _ in asked]
