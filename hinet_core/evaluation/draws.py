"""Poisson bootstrap over users: in each draw a user counts k times, k from a Poisson distribution of mean 1.

A drawn user brings all rows, since rows of one user are alike. Independent counts per user, instead of drawing U of U
users, let users be worked on block by block, so that memory does not grow with users times draws; a metric is a ratio
of sums, in which the total number of users drawn cancels. Chamandy et al. (2012), "Estimating uncertainty for massive
data streams".

N rows, U users, D draws, C codes.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

Floats = NDArray[np.float64]
# Users whose counts are drawn together. Part of what a seed means: another size gives other draws.
BLOCK = 65_536
# Counts that are kept for the next use instead of being drawn again: 1.3 M users at 400 draws.
KEPT_BYTES = 512 * 1024**2
# A count per 16 random bits: e^-1 / k! of 65,536, rounded, for k = 0 … 8.
POISSON = np.repeat(np.arange(9, dtype=np.uint8), [round(65536 * math.exp(-1) / math.factorial(k)) for k in range(9)])


class UserDraws:
    """How often each of U users counts in each of D draws; a function of the seed alone."""

    def __init__(self, n_users: int, seed: Sequence[int], draws: int) -> None:
        self.n_users, self.seed, self.draws = n_users, tuple(seed), draws
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def counts(self, block: int) -> NDArray[np.uint8]:
        """(U, D) of the users from `block * BLOCK` on."""
        if block in self._kept:
            return self._kept[block]
        n = min(BLOCK, self.n_users - block * BLOCK)
        bits_UD = np.random.default_rng([*self.seed, block]).integers(2**16, size=(n, self.draws), dtype=np.uint16)
        counts_UD: NDArray[np.uint8] = POISSON[bits_UD]
        if self.n_users * self.draws <= KEPT_BYTES:
            self._kept[block] = counts_UD
        return counts_UD

    def blocks(self) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
        """Yield (first user, user after the last, counts)."""
        for block, start in enumerate(range(0, self.n_users, BLOCK)):
            yield start, min(start + BLOCK, self.n_users), self.counts(block)

    def sums(
        self, code_N: NDArray[np.int32], user_N: NDArray[np.int64], n_codes: int, value_N: Floats | None = None
    ) -> Floats:
        """How many rows of each code there are (or the sum of their values): (C, 1 + D), with every user once in
        column 0, then as each draw counts them.

        `user_N` rises. A sparse matrix of codes by users times the counts; without values its numbers are whole, so
        the sums are exact.
        """
        kind = np.float32 if value_N is None else np.float64
        edges_U = np.searchsorted(user_N, np.arange(self.n_users + 1))
        total_CD = np.zeros((n_codes, 1 + self.draws))
        total_CD[:, 0] = np.bincount(code_N, value_N, minlength=n_codes)
        for start, stop, counts_UD in self.blocks():
            rows = slice(edges_U[start], edges_U[stop])
            data = np.ones(rows.stop - rows.start, kind) if value_N is None else value_N[rows]
            pointer_U = (edges_U[start : stop + 1] - rows.start).astype(np.int32)
            shape = (n_codes, stop - start)
            total_CD[:, 1:] += csc_matrix((data, code_N[rows], pointer_U), shape=shape) @ counts_UD.astype(kind)
        return total_CD
