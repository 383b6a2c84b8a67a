"""What trainings that were killed left beside the models: progress, and a half written model folder."""

import logging
import shutil
from pathlib import Path

from hinet_core.lake import is_older
from hinet_core.lock import BusyError
from hinet_core.training.checkpoint import PARTIAL
from hinet_core.training.progress import SUFFIX, Progress

log = logging.getLogger(__name__)

# A training that nobody has taken up for so long is not taken up any more.
ABANDONED_AFTER_S = 7 * 24 * 3600.0


def sweep(models_root: Path) -> None:
    """Remove what is left of versions that are finished, and of those that nobody has taken up for a week."""
    left: dict[str, list[Path]] = {}
    for suffix in (SUFFIX, PARTIAL):
        for folder in models_root.glob(f".*{suffix}"):
            left.setdefault(folder.name[1 : -len(suffix)], []).append(folder)
    for version, folders in left.items():
        if (models_root / version).is_dir() or all(is_older(folder, ABANDONED_AFTER_S) for folder in folders):
            remove_unless_held(models_root / version, folders)


def remove_unless_held(model_folder: Path, folders: list[Path]) -> None:
    try:
        with Progress(model_folder).held():
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
    except BusyError:
        log.info("what is left of %s stays: another process trains this version", model_folder.name)
