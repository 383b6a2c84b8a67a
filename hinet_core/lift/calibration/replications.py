"""Many online tests analysed as a user would analyse theirs: what each method said in each cell.

R replications, C cells (scenarios, then pooled).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hinet_core.lift.calibration.population import OnlineTest, Population, draw_test, of
from hinet_core.lift.calibration.slow_truth import true_lift
from hinet_core.lift.statistics.relative import RelativeLift, relative_lift, two_sided_p
from hinet_core.lift.statistics.samples import Floats

# Method -> (CUPED, per request)
METHODS = {"orders/user": (False, False), "orders/user, CUPED": (True, False), "orders/request": (False, True)}


@dataclass
class Said:
    """Of one method and one cell: p-values of identical arms, and intervals where B has its effect."""

    truth: float
    p: list[float] = field(default_factory=list)
    lift: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def add(self, same: RelativeLift, changed: RelativeLift) -> None:
        self.p.append(same.p)
        self.lift.append(changed.lift)
        self.low.append(changed.low)
        self.high.append(changed.high)

    def rejected(self, alpha: float = 0.05) -> float:
        """Share of the A/A tests with p below alpha."""
        return float(np.mean(np.array(self.p) < alpha))

    def covered(self, width: float = 1.0) -> float:
        """Share of the A/B intervals that hold the truth, were they `width` times as wide on the log scale."""
        middle_R = np.log1p(self.lift)
        low_R = middle_R + width * (np.log1p(self.low) - middle_R)
        high_R = middle_R + width * (np.log1p(self.high) - middle_R)
        truth = np.log1p(self.truth)
        return float(np.mean((low_R <= truth) & (truth <= high_R)))


@dataclass(frozen=True)
class Replications:
    """Per method and cell what it said; `naive_p` of treating orders as independent; cells are scenarios, then None."""

    said: dict[tuple[str, int | None], Said]
    naive_p: list[float]
    cells: tuple[int | None, ...]

    def p_values(self, method: str) -> Floats:
        """Shape (R, C) of the A/A tests."""
        return np.array([self.said[method, cell].p for cell in self.cells]).T


def replicate(
    people: Population,
    n: int,
    seed: int,
    methods: Sequence[str] = tuple(METHODS),
    cells: tuple[int | None, ...] | None = None,
) -> Replications:
    """`n` tests, judged in all cells or in some; the first 240 of 500 are those of a run of 240."""
    if cells is None:
        cells = (*range(len(people.rate_S)), None)
    truths = {cell: true_lift(people, cell) for cell in cells}
    said = {(method, cell): Said(truths[cell]) for method in methods for cell in cells}
    naive = []
    for stream in np.random.SeedSequence(seed).spawn(n):
        test = draw_test(people, np.random.default_rng(stream))
        for (method, cell), one in said.items():
            cuped, per_request = METHODS[method]
            kinds = (test.arms(cell, changed=on, cuped=cuped, per_request=per_request) for on in (False, True))
            one.add(*(relative_lift(a, b) for a, b in kinds))
        naive.append(naive_p(test))
    return Replications(said, naive, cells)


def naive_p(test: OnlineTest) -> float:
    """The wrong way, kept to show that it would be caught: orders as Poisson counts over requests."""
    orders_U, requests_U = of(test.orders_US, None), of(test.requests_US, None)
    a, b = orders_U[~test.is_b_U].sum(), orders_U[test.is_b_U].sum()
    rate = np.log(b / requests_U[test.is_b_U].sum()) - np.log(a / requests_U[~test.is_b_U].sum())
    return two_sided_p(float(rate), float(np.sqrt(1 / a + 1 / b)))
