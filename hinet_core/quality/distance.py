"""How far a day's distribution is from that of other days, and the histograms that this is read from.

N values (of lists more than one a row) of D reference days and, as day D, of the day itself; K cells, fixed by the
reference: quantiles of numbers, the most frequent values of ids. Computed features have a value that most rows share
(nothing known yet) and that moves a little every day; hard edges would take that for a new distribution, so each row is
dealt to the two nearest of even steps on the model's scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hinet_core.quality.inputs import Codes, Floats

# Added to every cell before the logarithm: an empty cell would make the index infinite.
HALF = 0.5
# On the model's scale a smaller step is nothing: 5 % of a count or of odds.
LEAST_STEP = 0.05
RATE_FLOOR = 1e-6
TO_SCALE: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda values: values,
    "log1p": lambda values: np.log1p(np.maximum(values, 0)),
    "logit": lambda values: -np.log(1 / np.clip(values, RATE_FLOOR, 1 - RATE_FLOOR) - 1),
}
FROM_SCALE: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda scaled: scaled,
    "log1p": np.expm1,
    "logit": lambda scaled: 1 / (1 + np.exp(-scaled)),
}
Measure = Callable[[Floats, Floats], Floats]


def psi(before_K: Floats, now_K: Floats) -> Floats:
    """Population stability index of counts: the sum of (now - before) * ln(now / before) over the cells' shares."""
    before_K, now_K = (
        (counts + HALF) / (counts.sum(axis=-1, keepdims=True) + HALF * counts.shape[-1]) for counts in (before_K, now_K)
    )
    return ((now_K - before_K) * np.log(now_K / before_K)).sum(axis=-1)


def js_distance(before_K: Floats, now_K: Floats) -> Floats:
    """Jensen-Shannon distance of counts: the root of the divergence in bits, so between 0 and 1."""
    before_K, now_K = (counts / counts.sum(axis=-1, keepdims=True) for counts in (before_K, now_K))
    middle_K = (before_K + now_K) / 2
    divergence = (_relative_entropy(before_K, middle_K) + _relative_entropy(now_K, middle_K)) / 2
    return np.sqrt(np.maximum(divergence, 0.0))


def _relative_entropy(share_K: Floats, base_K: Floats) -> Floats:
    """In bits; a cell without a share adds nothing."""
    some = share_K > 0
    ratio_K = np.divide(share_K, base_K, out=np.ones_like(share_K), where=some)
    return (share_K * np.log2(ratio_K)).sum(axis=-1)


@dataclass(frozen=True)
class Histogram:
    """The same cells counted on each day of the reference and on the day itself."""

    names: Sequence[str]
    reference_DK: Floats
    now_K: Floats

    @property
    def is_empty(self) -> bool:
        return not self.now_K.any() or not self.reference_DK.any()

    def far(self, measure: Measure) -> float:
        """How far the day is from the reference."""
        return float(measure(self.reference_DK.sum(axis=0), self.now_K))

    def usual(self, measure: Measure) -> float:
        """How far the most unusual day of the reference is from its other days; 0 when there are no two."""
        days_DK = self.reference_DK[self.reference_DK.any(axis=1)]
        others_DK = days_DK.sum(axis=0) - days_DK
        return float(measure(others_DK, days_DK).max()) if len(days_DK) > 1 else 0.0

    @property
    def largest_change(self) -> str:
        """'Paris from 10 % to 31 %': the cell whose share moved most."""
        reference_K = self.reference_DK.sum(axis=0)
        before, now = reference_K / reference_K.sum(), self.now_K / self.now_K.sum()
        place = int(np.argmax(np.abs(now - before)))
        return f"{self.names[place]} from {before[place]:.1%} to {now[place]:.1%}"


def tallied(
    names: Sequence[str], day_N: Codes, cell_N: Codes, n_days: int, weight_N: Floats | None = None
) -> Histogram:
    """Values by day and cell; day `n_days` is the one that is compared."""
    counts = np.bincount(day_N * len(names) + cell_N, weight_N, (n_days + 1) * len(names))
    counts_DK = counts.reshape(n_days + 1, len(names)).astype(np.float64)
    return Histogram(names, counts_DK[:n_days], counts_DK[n_days])


def of_numbers(value_N: Floats, day_N: Codes, n_days: int, bins: int) -> Histogram:
    """Cells between quantiles of the reference, equal ones merged, and one for missing numbers (NaN)."""
    present = value_N[(day_N < n_days) & ~np.isnan(value_N)]
    cuts = np.linspace(0, 1, bins + 1)[1:-1]
    bounds = np.unique(np.quantile(present, cuts, method="lower")) if len(present) else np.empty(0)
    names = [f"({low:.4g}, {high:.4g}]" for low, high in pairwise([-np.inf, *bounds.tolist(), np.inf])]
    cell_N = np.where(np.isnan(value_N), len(names), np.searchsorted(bounds, value_N))
    return tallied([*names, "missing"], day_N, cell_N, n_days)


def of_computed(value_N: Floats, day_N: Codes, n_days: int, bins: int, transform: str) -> Histogram:
    """Even steps between the reference's 1st and 99th percentile on the model's scale, and one cell for missing."""
    scaled_N = TO_SCALE[transform](value_N)
    missing_N = np.isnan(scaled_N)
    present = scaled_N[(day_N < n_days) & ~missing_N]
    low, high = map(float, np.quantile(present, (0.01, 0.99))) if len(present) else (0.0, 0.0)
    step = max((high - low) / (bins - 1), LEAST_STEP)
    names = [f"about {one:.3g}" for one in FROM_SCALE[transform](low + step * np.arange(bins, dtype=np.float64))]
    place_N = np.where(missing_N, 0.0, np.clip((scaled_N - low) / step, 0, bins - 1))
    left_N = np.minimum(place_N.astype(np.int64), bins - 2)
    right_N = np.where(missing_N, 0.0, place_N - left_N)
    cells = np.concatenate([np.where(missing_N, bins, left_N), left_N + 1])
    return tallied([*names, "missing"], np.tile(day_N, 2), cells, n_days, np.concatenate([1 - right_N, right_N]))


def of_codes(code_N: Codes, day_N: Codes, n_days: int, values: Sequence[str], top: int) -> Histogram:
    """Cells of the reference's most frequent values, and one for all others."""
    reference_C = np.bincount(code_N[day_N < n_days], minlength=len(values))
    kept = [int(code) for code in np.argsort(-reference_C, kind="stable")[:top] if reference_C[code] > 0]
    cell_C = np.full(len(values), len(kept))
    cell_C[kept] = np.arange(len(kept))
    return tallied([*(values[code] for code in kept), "others"], day_N, cell_C[code_N], n_days)
