"""What a day may look like: the bounds of `[quality]`, those against earlier days, drift and single inputs that tell
the label."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from hinet_core.contract.part import Part
from hinet_core.contract.values import Share


class Rates(Part):
    """Bounds of a task's positive rate per scenario and day."""

    low: Share = 0.0
    high: Share = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low: found {self.low:g}, allowed: at most high ({self.high:g})")
        return self


class History(Part):
    """What a day is compared with, per scenario: the committed days before it, by the profile stored with each."""

    weeks: int = Field(default=4, ge=1)
    min_weeks: int = Field(default=2, ge=1)
    min_volume: float = Field(default=0.5, ge=0, le=1)
    max_volume: float = Field(default=2.0, ge=1)
    days: int = Field(default=14, ge=1)
    min_days: int = Field(default=3, ge=1)
    max_null_change: Share = 0.1
    max_rate_factor: float = Field(default=2.0, ge=1)
    max_new_share: Share = 0.1
    new_shares: dict[str, Share] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        for least, most in (("min_weeks", "weeks"), ("min_days", "days")):
            if getattr(self, least) > getattr(self, most):
                allowed = f"at most {most} ({getattr(self, most)})"
                raise ValueError(f"{least}: found {getattr(self, least)}, allowed: {allowed}")
        return self


class Drift(Part):
    """How far the distribution of a feature may move from the days before, and from what the champion learned."""

    window_days: int = Field(default=14, ge=1)
    min_days: int = Field(default=3, ge=1)
    max_psi: float = Field(default=0.25, gt=0)
    max_js: Annotated[float, Field(gt=0, le=1)] = 0.2
    max_rate_change: float = Field(default=0.25, gt=0)
    min_rows: int = Field(default=500, ge=1)
    bins: int = Field(default=10, ge=2, le=100)
    top: int = Field(default=20, ge=1, le=1000)


class Leaks(Part):
    """From when on one input alone predicts a label too well to be honest."""

    max_auc: float = Field(default=0.9, gt=0.5, le=1)
    min_positives: int = Field(default=50, ge=2)
    sample_rows: int = Field(default=200_000, ge=1000)


class Quality(Part):
    """Bounds of a day; what crosses a critical one keeps the day out (docs/operations.md)."""

    min_rows: int = Field(default=1, ge=0)
    max_quarantined_share: Share = 0.05
    max_duplicate_share: Share = 0.2
    max_unknown_scenario_share: Share = 0.0
    max_unmodelled_share: Share = 0.1
    max_retired_share: Share = 0.0
    max_null_share: dict[str, Share] = Field(default_factory=dict)
    scenario_min_rows: dict[str, int] = Field(default_factory=dict)
    task_rates: dict[str, Rates] = Field(default_factory=dict)
    history: History = History()
    drift: Drift = Drift()
    leaks: Leaks = Leaks()
