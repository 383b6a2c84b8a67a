"""How far a training has come, in a folder beside its model's: tensors and JSON, found again after a kill.

    <models>/.<version>.progress/progress.json      what counts: names a file of tensors, replaced in one step
    <models>/.<version>.progress/<n>.safetensors    weights, optimizer, averages, best weights, random state
    <models>/.<version>.progress/lock               held while a process trains this version

A version is a hash of all inputs, so the progress of one is never taken for another's.
"""

import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hinet_core.lake import crash_point, fsync_path, replace_text
from hinet_core.lock import exclusive

log = logging.getLogger(__name__)

SUFFIX = ".progress"
FACTS, LOCK = "progress.json", "lock"
FORMAT = 1
EVERY_S = 60.0
# Saving a large table takes seconds: never more than this part of the time.
MOST_OF_THE_TIME = 0.05


@dataclass(frozen=True)
class Saved:
    """A training put aside: JSON values and tensors (on the CPU)."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]


class Progress:
    """The progress folder of one version; saved after `every_steps` steps if given, else after `every_s` seconds.

    0 seconds mean every step; otherwise saving takes at most 5 % of the time, however large the model.
    """

    def __init__(self, model_folder: Path, every_s: float = EVERY_S, every_steps: int | None = None) -> None:
        self.folder = model_folder.with_name(f".{model_folder.name}{SUFFIX}")
        self.version = model_folder.name
        self.every_s, self.every_steps = every_s, every_steps
        self.last, self.cost_s = time.monotonic(), 0.0

    @contextmanager
    def held(self) -> Iterator[None]:
        """While a process trains this version no other does. Raises BusyError at once when one does already."""
        with exclusive(self.folder / LOCK):
            try:
                yield
            finally:
                if not self.is_kept:
                    self.remove()

    @property
    def is_kept(self) -> bool:
        """Whether something was saved, by this training or by the one that it goes on from."""
        return (self.folder / FACTS).exists()

    def due(self, steps: int) -> bool:
        """Whether to save now, after so many steps of the training."""
        if self.every_steps:
            return steps % self.every_steps == 0
        wait_s = max(self.every_s, self.cost_s / MOST_OF_THE_TIME) if self.every_s else 0.0
        return time.monotonic() - self.last >= wait_s

    def save(self, about: Mapping[str, Any], facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace what was saved before, in one step. A disk that does not take it costs the progress, no more."""
        began = time.monotonic()
        try:
            self._write(about, facts, tensors)
        except (OSError, SafetensorError) as error:
            log.warning("progress under %s could not be saved (%s); training goes on", self.folder, error)
        self.last = time.monotonic()
        self.cost_s = self.last - began

    def load(self, about: Mapping[str, Any]) -> Saved | None:
        """What was saved last, if it is whole and `about` is what it was; a warning says why it is not used."""
        path = self.folder / FACTS
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            expected = {"format": FORMAT, "version": self.version, **about}
            differences = [
                f"{key} was {content.get(key)!r}, is {value!r}"
                for key, value in expected.items()
                if content.get(key) != value
            ]
            if differences:
                raise ValueError("; ".join(differences))
            return Saved(content["facts"], load_file(self.folder / content["tensors"]))
        except (OSError, ValueError, KeyError, AttributeError, TypeError, SafetensorError) as error:
            self.refuse(error)
            return None

    def refuse(self, reason: object) -> None:
        """Say that what was saved is of no use."""
        log.warning("the progress saved under %s is not used (%s): training begins anew", self.folder, reason)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, about: Mapping[str, Any], facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # A name that the file of before has not: that one counts until the facts name this one.
        before = {path.name for path in self.folder.glob("*.safetensors")}
        name = next(f"{n}.safetensors" for n in range(len(before) + 1) if f"{n}.safetensors" not in before)
        path = self.folder / name
        try:
            save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, path)
            fsync_path(path)
        except (OSError, SafetensorError):
            path.unlink(missing_ok=True)  # a full disk is wanted for the model
            raise
        crash_point("progress-tensors")
        content = {"format": FORMAT, "version": self.version, **about, "tensors": name, "facts": facts}
        replace_text(self.folder / FACTS, json.dumps(content))
        crash_point("progress-facts")
        for old in before:
            (self.folder / old).unlink(missing_ok=True)
