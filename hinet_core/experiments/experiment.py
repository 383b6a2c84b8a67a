"""What an experiment is: a log, rows of models at settings, seeds, and the row that all others are compared with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hinet_core.contract import Contract

SEARCHED = "quick"  # the preset that `hinet tune` starts from and tries settings of

# At the spread of seeds that is usual, so many of each of six scenarios widen an interval over five seeds by a tenth at
# most.
LIFT_REQUESTS = 1000


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What replaces fields of a model's preset and of its training; `trials` says how many were tried for it, and
    `valid_day` on which day they were compared."""

    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    trials: int = 0
    valid_day: date | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the table: a model from its preset. `tuned` = False leaves it at the preset even if settings exist.

    Another preset than the searched one, as an ablation, takes the model's settings over: none were tried for it.
    """

    model: str
    preset: str = SEARCHED
    tuned: bool = True

    @property
    def name(self) -> str:
        return self.model if self.preset == SEARCHED else f"{self.model}, {self.preset}"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """`as_of` None is the newest day whose judged days are complete. `missing` says what to do without the log.

    `prediction`: what was expected before any model was trained; it stands above the tables, whatever they say.
    `lift_requests`: on a simulated log, the requests of each scenario that all models rank.
    """

    name: str
    contract: Contract
    entries: tuple[Entry, ...]
    baseline: str
    as_of: date | None = None
    n_seeds: int = 5
    missing: str = ""
    prediction: str = ""
    lift_requests: int = LIFT_REQUESTS

    @property
    def settings_of(self) -> str:
        """The contract whose settings it reads: a larger world has those of the packaged one."""
        return self.contract.extend or self.contract.name


Named = Callable[[], Experiment]
EXPERIMENTS: dict[str, Named] = {}


def named(make: Named) -> Named:
    """Register an experiment under the function's name."""
    EXPERIMENTS[make.__name__] = make
    return make
