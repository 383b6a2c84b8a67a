"""Did the arms get the users they should have? A mismatch means that the split is broken, and hides the lift.

Test users, and per scenario only those who *entered* there: how many come to a scenario later can be what the arm did.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from hinet_core.lift.statistics.samples import NotEstimableError

AMBER, RED = 0.01, 0.001
# Below this an expected count is too small for the chi-square.
MIN_EXPECTED = 5


@dataclass(frozen=True)
class SampleRatio:
    """`light` is green, amber (p < .01) or red (p < .001); `detectable` the shift of an arm's share that red finds."""

    users: tuple[int, ...]
    p: float
    light: str
    detectable: float

    @property
    def hides_lift(self) -> bool:
        return self.light == "red"


def sample_ratio(users: Sequence[int], shares: Sequence[float] | None = None) -> SampleRatio:
    """Chi-square of the arms' users against their intended `shares` (default: equal)."""
    wanted = [1 / len(users)] * len(users) if shares is None else [share / sum(shares) for share in shares]
    if len(users) < 2 or len(wanted) != len(users) or min(wanted) <= 0:
        raise ValueError(f"expected two or more arms with a share above 0 each, found {len(users)} and {shares}")
    n = sum(users)
    if min(users) < 0 or n * min(wanted) < MIN_EXPECTED:
        raise NotEstimableError(f"too few users for a check of the split: {n}")
    p = float(stats.chisquare(users, [n * share for share in wanted]).pvalue)
    light = "red" if p < RED else "amber" if p < AMBER else "green"
    return SampleRatio(tuple(users), p, light, detectable_shift(n, wanted[0]))


def detectable_shift(n_users: int, share: float = 0.5, power: float = 0.8) -> float:
    """The shift of an arm's share (0.005: 50.5 % instead of 50 %) that is red with this probability."""
    z = float(stats.norm.ppf(1 - RED / 2) + stats.norm.ppf(power))
    return z * math.sqrt(share * (1 - share) / n_users)
