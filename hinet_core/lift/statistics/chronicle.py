"""A test day by day: the cumulative lift with its fixed and its always-valid interval. D days, U users of an arm."""

import math
from dataclasses import dataclass

import numpy as np

from hinet_core.lift.statistics.relative import FEW, RelativeLift, relative_lift
from hinet_core.lift.statistics.samples import LEVEL, Floats, NotEstimableError, Sample
from hinet_core.lift.statistics.sequential import confidence_sequence


@dataclass(frozen=True, eq=False)
class DailyArm:
    """Per day and user of one arm; `before_U` for CUPED."""

    orders_DU: Floats
    requests_DU: Floats
    before_U: Floats | None = None

    def until(self, day: int) -> Sample:
        """Orders per request of the users who have come by the end of that day (0 = the first)."""
        requests_U = self.requests_DU[: day + 1].sum(axis=0)
        came = requests_U > 0
        before_U = None if self.before_U is None else self.before_U[came]
        return Sample(self.orders_DU[: day + 1].sum(axis=0)[came], requests_U[came], before_U)


@dataclass(frozen=True)
class Look:
    """The state at the end of a day (1 = the first). Without `fixed` there is a `reason`.

    The sequential bounds are None with fewer than 30 orders or very few users in an arm: the mixture relies on a
    standard error.
    """

    day: int
    fixed: RelativeLift | None
    reason: str | None
    low: float | None
    high: float | None
    p: float
    tau: float
    level: float


def chronicle(a: DailyArm, b: DailyArm, tau: float, level: float = LEVEL) -> list[Look]:
    """One look per day; `tau` was fixed before the first of them (`tightest_tau` of the planned standard error)."""
    found = [cumulative(a.until(day), b.until(day), level) for day in range(len(a.orders_DU))]
    usable = [None if isinstance(one, str) or is_small(one) else one for one in found]
    lift_L = np.array([np.nan if one is None else one.lift for one in usable])
    log_se_L = np.array([np.nan if one is None else one.log_se for one in usable])
    band = confidence_sequence(lift_L, log_se_L, tau, level)
    return [
        Look(
            day=day + 1,
            fixed=None if isinstance(one, str) else one,
            reason=one if isinstance(one, str) else None,
            low=None if usable[day] is None else float(band.low_L[day]),
            high=None if usable[day] is None else float(band.high_L[day]),
            p=float(band.p_L[day]),
            tau=tau,
            level=level,
        )
        for day, one in enumerate(found)
    ]


def is_small(one: RelativeLift) -> bool:
    return min(one.events_a, one.events_b) < FEW or math.isfinite(one.df)


def cumulative(a: Sample, b: Sample, level: float) -> RelativeLift | str:
    try:
        return relative_lift(a, b, level)
    except NotEstimableError as error:
        return str(error)
