"""A model trained from several seeds: the mean over seeds of a cell, and what it owes to the users and to the seeds.

Users and seeds are two crossed samples. The bootstrap over users tells how the mean over the K seeds at hand varies
with users; the seeds add s2 / K, where s2 is the variance of the K values beyond what users alone make two seeds differ
by (on few users equally good seeds differ, too, and that is in the bootstrap already). Drawing K seeds with replacement
instead would give (K - 1) / K of their variance and normal tails: at five seeds, intervals a third too narrow.

K seeds, D draws of users.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from hinet_core.evaluation.cells import Cell
from hinet_core.evaluation.intervals import LEVEL, Basis, Interval, over_users
from hinet_core.evaluation.ranked import Floats


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A mean over seeds with its draws over users, and variance terms of seeds with their degrees of freedom.

    `terms` holds, per model that takes part, (variance of the mean from seeds, the same before taking off what users
    alone make, K - 1). Of a difference there are two.
    """

    value: float
    value_D: Floats
    basis: Basis
    terms: tuple[tuple[float, float, int], ...]

    def minus(self, other: "Spread") -> "Spread":
        """The difference on the same draws of users, seeds taken as independent."""
        return Spread(
            value=self.value - other.value,
            value_D=self.value_D - other.value_D,
            basis=self.basis,
            terms=self.terms + other.terms,
        )

    @property
    def standard_error(self) -> float:
        return math.sqrt(self._of_users + sum(of_seeds for of_seeds, _, _ in self.terms))

    @property
    def freedom(self) -> float:
        """Welch and Satterthwaite's degrees of freedom of the standard error."""
        parts = [(self._of_users, self.basis.n_users - 1), *((raw, k) for _, raw, k in self.terms)]
        noise = sum(variance**2 / k for variance, k in parts if k > 0)
        return self.standard_error**4 / noise if noise > 0 else math.inf

    @property
    def interval(self) -> Interval:
        """value +- t standard errors, or the reason why there is none."""
        over = over_users(self.value_D, self.basis, constant=self.value == 0)
        if over.low is None:
            return over
        half = float(t.ppf((1 + LEVEL) / 2, self.freedom)) * self.standard_error
        return Interval(self.value - half, self.value + half)

    @property
    def p_value(self) -> float:
        """Two-sided, of the value being 0; 1 where nothing differs on any draw."""
        if self.standard_error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * t.sf(abs(self.value) / self.standard_error, self.freedom))

    @property
    def _of_users(self) -> float:
        return float(np.nanvar(self.value_D, ddof=1))


def over_seeds(cells: Sequence[Cell], *, from_one: bool = False) -> Spread | None:
    """One cell of a model trained from each of K seeds; None where it has no value. `from_one`: the distance to 1."""
    if any(cell.value is None for cell in cells):
        return None
    value_K = np.array([cell.value for cell in cells], dtype=np.float64)
    value_KD = np.stack([cell.value_D for cell in cells])
    if from_one:
        value_K, value_KD = np.abs(value_K - 1), np.abs(value_KD - 1)
    n_seeds, mean_D = len(cells), value_KD.mean(axis=0)
    terms: tuple[tuple[float, float, int], ...] = ()
    if n_seeds > 1:
        between = float(value_K.var(ddof=1))
        by_users = float(np.nanvar(value_KD - mean_D, axis=1, ddof=1).sum()) / (n_seeds - 1)
        terms = ((max(between - by_users, 0.0) / n_seeds, between / n_seeds, n_seeds - 1),)
    return Spread(value=float(value_K.mean()), value_D=mean_D, basis=cells[0].basis, terms=terms)
