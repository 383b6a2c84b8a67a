"""What an online test counted per user of one arm: the only input of every estimate here. U users.

The user is the unit because a user's requests are alike: treating them as independent makes intervals too narrow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
# Effect found with 80 % power by a two-sided 5 % test: (1.960 + 0.842) standard errors.
MDE_FACTOR = float(stats.norm.ppf(0.975) + stats.norm.ppf(0.8))

# With fewer users (as many that come equally often) t takes the place of the normal distribution: identical arms of 30
# users each, worth 13, were rejected in 7 % of simulated tests, of 10 each in 15 %.
FEW_USERS = 20

Floats = NDArray[np.float64]


class NotEstimableError(ValueError):
    """These requests carry no lift; the message is the reason shown to people."""


def effective_number(value_N: Floats) -> float:
    """How many equal values have the same sum and sum of squares, (sum |x|)^2 / sum x^2; 0 of zeros."""
    squares = float(np.square(value_N).sum())
    return float(np.abs(value_N).sum()) ** 2 / squares if squares else 0.0


@dataclass(frozen=True, eq=False)
class Sample:
    """One arm. The metric is the mean of `total_U`, or sum(total_U) / sum(base_U) where there is a base.

    Orders per request: total = orders, base = requests. `before_U` is what CUPED corrects by: the same total in the
    days before the test, 0 for users who were not there. `unit` is "request" only where a log has no user.
    """

    total_U: Floats
    base_U: Floats | None = None
    before_U: Floats | None = None
    unit: str = "user"

    def __post_init__(self) -> None:
        n = len(self.total_U)
        for name, values in self.columns.items():
            if values.shape != (n,):
                raise ValueError(f"expected {name} of shape ({n},), one value per {self.unit}, found {values.shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"expected finite values of {name} per {self.unit}, found NaN or infinity")
            if (values < 0).any():
                raise ValueError(f"expected {name} per {self.unit} of 0 or more, found {values.min():g}")
        if self.base_U is not None and ((self.base_U == 0) & (self.total_U > 0)).any():
            raise ValueError(
                f"found a {self.unit} with a total and no base (orders without a request): numerator and denominator "
                "must come from the same rows"
            )

    @property
    def columns(self) -> dict[str, Floats]:
        """The columns that this sample has, by name."""
        found = {"total": self.total_U, "base": self.base_U, "before": self.before_U}
        return {name: values for name, values in found.items() if values is not None}

    def __len__(self) -> int:
        return len(self.total_U)

    @property
    def effective(self) -> float:
        """Units, as many as come equally often: one who makes half of the requests is half of what is known."""
        return float(len(self)) if self.base_U is None else effective_number(self.base_U)

    @property
    def value(self) -> float:
        """The metric: total per base, or per unit."""
        return float(self.total_U.sum() / (len(self) if self.base_U is None else self.base_U.sum()))

    @property
    def variance(self) -> float:
        """Of `value`, by the delta method: e_u = (y_u - R n_u) / mean(n), var(e) / U."""
        if self.base_U is None:
            return float(self.total_U.var(ddof=1) / len(self))
        residual_U = (self.total_U - self.value * self.base_U) / self.base_U.mean()
        return float(residual_U.var(ddof=1) / len(self))
