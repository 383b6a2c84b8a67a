"""What was observed on the rows of a split, and what a model says of them.

N rows, T tasks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class NotFiniteError(ValueError):
    """A model gave NaN or infinity."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Codes of scenario and user, labels, which labels count, and the code of the request where the log has one."""

    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    scenario_N: NDArray[np.int64]
    user_N: NDArray[np.int64]
    label_NT: Floats
    counts_NT: NDArray[np.bool_]
    request_N: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n, n_tasks = len(self.scenario_N), len(self.tasks)
        found = [self.user_N.shape, self.label_NT.shape, self.counts_NT.shape]
        if found != [(n,), (n, n_tasks), (n, n_tasks)] or (self.request_N is not None and len(self.request_N) != n):
            raise ValueError(
                f"expected users, labels and masks of {n:,} rows and {n_tasks} tasks, found shapes {found}"
            )
        odd = self.counts_NT & (self.label_NT != 0) & (self.label_NT != 1)
        if odd.any():
            value = self.label_NT[odd][0]
            raise ValueError(
                f"expected labels of 0 and 1 where they count, found {value} and {int(odd.sum()) - 1:,} more: "
                "mask what is not known in counts_NT"
            )

    def __len__(self) -> int:
        return len(self.scenario_N)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One model's logits on those rows: as if shown in slot 1, and at the slot the log names; the latter also as they
    were before calibration, where that is known."""

    model: str
    first_NT: Floats
    logged_NT: Floats
    uncalibrated_NT: Floats | None = None

    def __post_init__(self) -> None:
        known = [one for one in (self.first_NT, self.logged_NT, self.uncalibrated_NT) if one is not None]
        bad = max(int((~np.isfinite(one)).any(axis=1).sum()) for one in known)
        if bad:
            raise NotFiniteError(
                f"{self.model}: {bad:,} of {len(self.first_NT):,} rows have a logit that is NaN or infinite; "
                "expected finite numbers. Train it again with a lower learning rate; it was not judged."
            )

    def require_rows_of(self, rows: Rows) -> None:
        """Raise ValueError for logits of another number of rows or tasks."""
        expected = rows.label_NT.shape
        raw = self.logged_NT if self.uncalibrated_NT is None else self.uncalibrated_NT
        if not self.first_NT.shape == self.logged_NT.shape == raw.shape == expected:
            raise ValueError(
                f"{self.model}: expected logits of {expected[0]:,} rows and {expected[1]} tasks, "
                f"found {self.first_NT.shape} at slot 1 and {self.logged_NT.shape} at the logged slot"
            )
