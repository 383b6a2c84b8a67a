"""Every model and seed of an experiment, trained once: a folder each, found again by the next run.

    HINET_HOME/<contract>/experiments/models/<version>/    as those of `hinet models`, but never a champion
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
    require_known(f"{entry.name}, model", settings.model, job.model_config)
    require_known(f"{entry.name}, train", settings.train, asdict(job.train_config))
    return replace(
        job,
        model_config={**job.model_config, **settings.model},
        train_config=replace(job.train_config, **settings.train),
    )


def require_known(where: str, given: Mapping[str, Any], preset: Mapping[str, Any]) -> None:
    """Raises ValueError for a name that the preset lacks, or a value of another kind than the preset's."""
    if unknown := sorted(set(given) - set(preset)):
        raise ValueError(f"{where}: there is no setting {', '.join(unknown)}; expected some of {', '.join(preset)}")
    for name, value in given.items():
        if not is_of_kind(value, preset[name]):
            raise ValueError(f"{where}: {name} is {value!r}, expected a value of the kind of {preset[name]!r}")


def is_of_kind(value: Any, preset: Any) -> bool:
    if isinstance(preset, int | float) and not isinstance(preset, bool):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return preset is None or isinstance(value, type(preset))


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
