"""Which of many lifts count: the pooled one is tested by itself and first, the scenarios as one family."""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

Q = 0.05


@dataclass(frozen=True)
class Verdicts:
    """`adjusted` p-values of the scenarios (Benjamini, Hochberg) and those `found` at a false discovery rate of Q."""

    pooled_found: bool | None
    adjusted: Mapping[str, float]
    found: tuple[str, ...]


def benjamini_hochberg(p_values: list[float]) -> list[float]:
    """Adjusted p-values of a family of scenarios (false discovery rate)."""
    return [float(p) for p in stats.false_discovery_control(p_values, method="bh")] if p_values else []


def verdicts(pooled_p: float | None, scenario_p: Mapping[str, float | None], q: float = Q) -> Verdicts:
    """A scenario without a p-value was not tested and does not count in the family."""
    tested = {name: p for name, p in scenario_p.items() if p is not None}
    adjusted = dict(zip(tested, benjamini_hochberg(list(tested.values())), strict=True))
    found = tuple(name for name, p in adjusted.items() if p <= q)
    return Verdicts(None if pooled_p is None else pooled_p <= q, adjusted, found)
