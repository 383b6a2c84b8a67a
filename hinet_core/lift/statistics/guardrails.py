"""Metrics that must not get worse: non-inferiority within a margin that was fixed before the test, one-sided."""

import math
from dataclasses import dataclass
from typing import Protocol

from scipy import stats


class Estimate(Protocol):
    """A relative change and the standard error of log(1 + lift): `RelativeLift`, or one of a paired design."""

    @property
    def lift(self) -> float: ...

    @property
    def log_se(self) -> float: ...


@dataclass(frozen=True)
class Guardrail:
    """`holds`, `broken` or `undecided`; `worst` is the bound of the lift on the bad side, `p` that of being worse."""

    verdict: str
    worst: float
    margin: float
    p: float


def guardrail(found: Estimate, margin: float, *, more_is_better: bool = True, alpha: float = 0.05) -> Guardrail:
    """Holds where the one-sided 1 - alpha bound is inside the margin; broken where the other bound is outside too.

    `margin` 0.01 allows a loss of 1 %, or a rise of 1 % of what should stay low (price, calibration error).
    """
    if not 0 < margin < 1:
        raise ValueError(f"expected a margin between 0 and 1 (0.01 = 1 %), found {margin}")
    sign = 1.0 if more_is_better else -1.0
    effect, limit = sign * math.log1p(found.lift), sign * math.log1p(-sign * margin)
    slack = float(stats.norm.ppf(1 - alpha)) * found.log_se
    verdict = "holds" if effect - slack > limit else "broken" if effect + slack < limit else "undecided"
    p = float(stats.norm.sf((effect - limit) / found.log_se)) if found.log_se > 0 else float(effect <= limit)
    return Guardrail(verdict, math.expm1(sign * (effect - slack)), margin, p)
