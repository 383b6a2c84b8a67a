"""Judging a split: every metric of every scope, with intervals over users and the differences of two models.

`python bench/evaluation.py [rows] [users] [draws]`: one JSON line for one model and one for two with their differences.
Six scenarios of 40 % to 4 % of the rows, two tasks (the second with one positive in about 70 rows), and scores with an
effect of the slot and a calibration, so that all twelve metrics are judged, on three kinds of logits. `peak_mb` is what
judging adds at most to the memory that rows and scores take.
"""

import json
import os
import resource
import sys
import time

os.environ.setdefault("HINET_THREADS", "2")

import numpy as np

from hinet_core.evaluation.cells import judge
from hinet_core.evaluation.comparison import paired_deltas
from hinet_core.evaluation.rows import Rows, Scores

ROWS, USERS, DRAWS = 5_000_000, 200_000, 200
SHARES, BASES = (0.4, 0.25, 0.15, 0.1, 0.06, 0.04), np.array([-1.5, -2.0, -1.0, -2.5, -3.0, -3.5])


def split(n: int, n_users: int) -> tuple[Rows, list[Scores]]:
    """Clicks of users with tastes, requests of ten rows, and two models that see most of what there is."""
    rng = np.random.default_rng(0)
    request_N = np.arange(n) // 10
    user_N = rng.integers(n_users, size=n // 10 + 1)[request_N]
    scenario_N = rng.choice(len(SHARES), size=n // 10 + 1, p=SHARES)[request_N]
    truth_N = BASES[scenario_N] + rng.normal(0, 1, n) + rng.normal(0, 0.5, n_users)[user_N]
    click_N = rng.random(n) < 1 / (1 + np.exp(-truth_N))
    order_N = click_N & (rng.random(n) < 0.1)
    rows = Rows(
        scenarios=tuple("abcdef"), tasks=("click", "order"), scenario_N=scenario_N, user_N=user_N,
        label_NT=np.c_[click_N, order_N].astype(float), counts_NT=np.ones((n, 2), bool), request_N=request_N,
    )  # fmt: skip
    slot_N = rng.normal(0, 0.3, n)
    models = []
    for name, noise in (("x", 0.6), ("y", 0.7)):
        first_N = truth_N + rng.normal(0, noise, n)
        first_NT = np.c_[first_N, first_N - 2.3]
        logged_NT = first_NT + slot_N[:, None]
        before_NT = 1.2 * logged_NT + 0.3
        models.append(Scores(model=name, first_NT=first_NT, logged_NT=logged_NT, uncalibrated_NT=before_NT))
    return rows, models


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(n: int, n_users: int, draws: int) -> None:
    rows, models = split(n, n_users)
    for group in (models[:1], models):
        before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
        cells = judge(rows, group, seed=[0], draws=draws)
        deltas = paired_deltas(cells[0], cells[1]) if len(cells) == 2 else []
        figure = {
            "bench": "evaluation",
            "models": len(group),
            "rows": n,
            "users": n_users,
            "draws": draws,
            "cells": len(cells[0]) * len(cells),
            "differences": len(deltas),
            "wall_s": round(time.perf_counter() - wall, 1),
            "cpu_s": round(time.process_time() - cpu, 1),
            "peak_mb": round(peak_mb() - before),
            "load": round(os.getloadavg()[0], 1),
        }
        print(json.dumps(figure))


if __name__ == "__main__":
    given = [int(float(one)) for one in sys.argv[1:]]
    main(*given, *(ROWS, USERS, DRAWS)[len(given) :])
