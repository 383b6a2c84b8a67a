"""The rows of a split that count for a task, where they are judged, and what judging gives.

N rows, D draws of users.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hinet_core.evaluation.ranked import Floats
from hinet_core.evaluation.rows import Rows

Ints = NDArray[np.int64]
Scope = Literal["scenario", "pooled", "macro"]


@dataclass(frozen=True)
class Users:
    """A split's rows in the order of users: dense codes of users, and of the groups of one user and scenario each."""

    row_N: Ints
    user_N: Ints
    groups: Mapping[str, Ints | None]

    @classmethod
    def of(cls, rows: Rows) -> "Users":
        _, user_N = np.unique(rows.user_N, return_inverse=True)
        row_N = np.argsort(user_N, kind="stable")
        user_N, scenario_N = user_N[row_N], rows.scenario_N[row_N]
        request_N = None
        if rows.request_N is not None:
            _, request_N = np.unique(rows.request_N[row_N], return_inverse=True)
            request_N = split_by(split_by(request_N, user_N), scenario_N)
        return cls(row_N, user_N, {"user": split_by(user_N, scenario_N), "request": request_N})


@dataclass(frozen=True)
class Labelled:
    """The rows whose label of one task counts, in the order of users; `row_N` is where they are in the split."""

    row_N: Ints
    scenario_N: Ints
    user_N: Ints
    label_N: Floats
    groups: Mapping[str, Ints | None]

    @classmethod
    def of(cls, rows: Rows, users: Users, task: int) -> "Labelled":
        counts_N = rows.counts_NT[users.row_N, task]
        row_N = users.row_N[counts_N]
        groups = {by: None if code_N is None else code_N[counts_N] for by, code_N in users.groups.items()}
        return cls(row_N, rows.scenario_N[row_N], users.user_N[counts_N], rows.label_NT[row_N, task], groups)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A scenario, or all rows together, and how many labels of a task count there."""

    scope: Scope
    scenario_id: str
    task: str
    n: int
    n_positives: int
    n_users: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A metric in one place: the value with its draws, or the reason why there is none."""

    value: float | None
    value_D: Floats
    null_reason: str | None = None
    note: str = ""


def places_of(labelled: Labelled, rows: Rows, task: int) -> list[Place]:
    """Each scenario in the contract's order, then all rows."""
    insides = [labelled.scenario_N == code for code in range(len(rows.scenarios))]
    insides.append(np.ones(len(labelled.row_N), dtype=bool))
    names: list[tuple[Scope, str]] = [*(("scenario", name) for name in rows.scenarios), ("pooled", "")]
    return [
        Place(
            scope=scope,
            scenario_id=scenario,
            task=rows.tasks[task],
            n=int(inside_N.sum()),
            n_positives=int(labelled.label_N[inside_N].sum()),
            n_users=n_runs(labelled.user_N[inside_N]),
        )
        for (scope, scenario), inside_N in zip(names, insides, strict=True)
    ]


def n_runs(user_N: Ints) -> int:
    """How many different users, of rising codes."""
    return int((user_N[1:] != user_N[:-1]).sum()) + 1 if len(user_N) else 0


def split_by(code_N: Ints, part_N: Ints) -> Ints:
    """Codes of (code, part): the codes as they are where none has several parts, else new dense ones."""
    part_C = np.zeros(int(code_N.max(initial=-1)) + 1, np.int64)
    part_C[code_N] = part_N
    if np.array_equal(part_C[code_N], part_N):
        return code_N
    _, dense_N = np.unique(code_N * (int(part_N.max()) + 1) + part_N, return_inverse=True)
    return dense_N
