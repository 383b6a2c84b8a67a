"""The suites of `make calibrate`, and all their figures in turn."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hinet_core.lift.calibration import engine, online, planted, rates, seeds, shuffled_labels, world_online
from hinet_core.lift.off_policy import calibration as off_policy

# Replications and seed to rows (name, value, low bound, high bound).
Suite = Callable[[int, int], Iterable[tuple[str, float, float, float]]]
SUITES: Mapping[str, Suite] = {
    "online": online.calibrate, "seeds": seeds.calibrate, "off_policy": off_policy.calibrate, "rates": rates.calibrate,
    "engine": engine.calibrate, "world_online": world_online.calibrate, "shuffled_labels": shuffled_labels.calibrate,
    "planted": planted.calibrate,
}  # fmt: skip
# Of the statistics and the rates: they take a minute of processor time at 200 replications, the others four more.
QUICK = ("online", "seeds", "off_policy", "rates")


@dataclass(frozen=True)
class Figure:
    """What was found, and the bounds that it must lie between."""

    suite: str
    name: str
    value: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        return self.low <= self.value <= self.high


def figures(replications: int, seed: int, suites: Sequence[str] = tuple(SUITES)) -> Iterator[Figure]:
    """ValueError for a suite that there is not."""
    unknown = sorted(set(suites) - set(SUITES))
    if unknown:
        raise ValueError(f"found the suites {', '.join(unknown)}, allowed: {', '.join(SUITES)}")
    for suite in suites:
        for name, value, low, high in SUITES[suite](replications, seed):
            yield Figure(suite, name, float(value), low, high)
