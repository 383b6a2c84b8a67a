"""A split's rows in the order of one model's scores, with every draw's weights: for each scenario and for all rows.

Ranking every draw anew would touch rows times draws cells several times per metric. Instead neighbours in the order of
scores share a bin, and one sparse product gives each draw's positives and negatives per bin. The rows as they are stay
exact. Draws are exact too where there are at most `EXACT` different scores; else they lose the order inside bins, which
shifts all draws of a metric alike, and `cells` takes that shift away again (docs/evaluation.md has what is left of it).

N rows, G bins, C codes of bin and class, S scenarios, D draws. Rows come in the order of users.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.ranked import Floats, Ranked, of_sorted, run_starts

Ints = NDArray[np.int64]
# Up to so many different scores each has a bin of its own.
EXACT = 8192
# Else no bin holds more than one in so many of the rows, of the positives, or of the span of logits (but for ties) …
PER_ROWS, PER_POSITIVES, PER_SPAN = 2048, 1024, 256
# … and from the top down bins grow with the rank, so many for each doubling: precision there hangs on single rows.
PER_DOUBLING = 128


def by_place(
    order_N: Ints,
    logit_N: Floats,
    label_N: Floats,
    scenario_N: Ints,
    user_N: Ints,
    n_scenarios: int,
    users: UserDraws,
) -> Iterator[tuple[Ranked, Ranked]]:
    """Yield, for each scenario and then for all rows: the rows as they are (one column), and in bins with every user
    once (column 0) and as each draw counts them. `order_N` sorts the logits."""
    logit_N, label_N, scenario_N = logit_N[order_N], label_N[order_N], scenario_N[order_N]
    pooled_N = bins(logit_N, label_N)
    inside_S = [np.flatnonzero(scenario_N == code) for code in range(n_scenarios)]
    sorted_S = [(logit_N[rows], label_N[rows]) for rows in inside_S]
    bin_S = [bins(*those, pooled_N[rows]) for those, rows in zip(sorted_S, inside_S, strict=True)]
    first_S = np.cumsum([0, *(2 * count(bin_N) for bin_N in bin_S)])
    code_N = np.empty(len(logit_N), np.int32)
    for rows, those, bin_N, first in zip(inside_S, sorted_S, bin_S, first_S, strict=False):
        code_N[order_N[rows]] = first + 2 * bin_N + (those[1] > 0)
    sums_CD = users.sums(code_N, user_N, int(first_S[-1]))

    all_GD = [np.zeros((count(pooled_N), 1 + users.draws)) for _ in range(2)]
    for rows, those, bin_N, first in zip(inside_S, sorted_S, bin_S, first_S, strict=False):
        of_class = [sums_CD[first + one : first + 2 * count(bin_N) : 2] for one in range(2)]
        yield exact(*those), Ranked(means(those[0], bin_N), of_class[1], of_class[0])
        if len(rows):
            add_bins(all_GD, of_class, pooled_N[rows][run_starts(bin_N)])
    yield exact(logit_N, label_N), Ranked(means(logit_N, pooled_N), all_GD[1], all_GD[0])


def bins(logit_N: Floats, label_N: Floats, within_N: Ints | None = None) -> Ints:
    """The bin of each row, 0 1 1 2 …, of rising logits: equal logits share one, and none reaches over a `within_N`."""
    start_G = run_starts(logit_N)
    if len(start_G) > EXACT:
        snapped = start_G[np.searchsorted(start_G, cuts(logit_N, label_N), side="right") - 1]
        edges = np.zeros(0, np.int64) if within_N is None else run_starts(within_N)
        start_G = np.unique(np.concatenate([snapped, edges]))
    return numbered(start_G, len(logit_N))


def cuts(logit_N: Floats, label_N: Floats) -> Ints:
    """Rows at which a bin should begin, in no order; the first row is one of them."""
    n, positives_N = len(logit_N), np.cumsum(label_N)
    return np.concatenate([
        np.arange(PER_ROWS) * n // PER_ROWS,
        np.searchsorted(positives_N, np.arange(1, PER_POSITIVES) * positives_N[-1] / PER_POSITIVES),
        np.searchsorted(logit_N, np.linspace(logit_N[0], logit_N[-1], PER_SPAN)),
        n - np.exp2(np.arange(0, np.log2(n), 1 / PER_DOUBLING)).astype(np.int64),
    ]).clip(max=n - 1)  # fmt: skip


def numbered(start_G: Ints, n_rows: int) -> Ints:
    """Each row's number of the run it is in."""
    return np.repeat(np.arange(len(start_G)), np.diff(start_G, append=n_rows))


def count(bin_N: Ints) -> int:
    return int(bin_N[-1]) + 1 if len(bin_N) else 0


def exact(logit_N: Floats, label_N: Floats) -> Ranked:
    return of_sorted(logit_N, label_N, np.ones((len(logit_N), 1)))


def means(logit_N: Floats, bin_N: Ints) -> Floats:
    return np.bincount(bin_N, logit_N) / np.bincount(bin_N)


def add_bins(all_GD: list[Floats], of_class: list[Floats], pooled_G: Ints) -> None:
    """Add a scenario's bins to the pooled bins they lie in."""
    start_G = run_starts(pooled_G)
    for total_GD, mine_GD in zip(all_GD, of_class, strict=True):
        total_GD[pooled_G[start_G]] += np.add.reduceat(mine_GD, start_G, axis=0)
