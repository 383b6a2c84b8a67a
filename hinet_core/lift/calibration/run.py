"""The calibration of the lift, committed: the suites of `make calibrate` with fewer replications.

So that a page can show when the statistics last held a known truth. Bounds are those of 500 replications.
"""

import math
from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from hinet_core.lake import Lake
from hinet_core.lift.calibration.suites import QUICK, Figure, figures
from hinet_core.lift.run import code_version
from hinet_core.lift.tables import Row
from hinet_core.training.origin import code

STEP = "lift_calibration"
REPLICATIONS = 200
LIFT_CALIBRATION = pa.schema(
    {"day": pa.date32(), "suite": pa.string(), "name": pa.string(), "value": pa.float64(), "low": pa.float64(),
     "high": pa.float64(), "inside": pa.bool_(), "replications": pa.int32(), "seed": pa.int32(),
     "code_version": pa.string()}
)  # fmt: skip


def commit_calibration(
    lake: Lake, day: date, replications: int = REPLICATIONS, seed: int = 0, suites: Sequence[str] = QUICK
) -> list[Row]:
    """Run the suites and commit their figures under the day on which they ran; the same twice for one code and seed."""
    inputs = {"replications": replications, "seed": seed, "code_version": code_said()}
    rows = [{"day": day} | inputs | row_of(one) for one in figures(replications, seed, suites)]
    with lake.begin(STEP, day) as draft:
        draft.write_rows(STEP, rows, LIFT_CALIBRATION)
        draft.commit({"inputs": inputs})
    return rows


def row_of(one: Figure) -> Row:
    """A figure that so few replications do not give is NULL and outside of its bounds."""
    value = None if math.isnan(one.value) else one.value
    return {
        "suite": one.suite, "name": one.name, "value": value, "low": one.low, "high": one.high, "inside": one.inside,
    }  # fmt: skip


def code_said() -> str:
    """'commit 1a2b3c4d5e', and whether files were changed since; outside of a checkout the installed version."""
    found = code("")
    revision = found["git_revision"]
    return f"commit {revision[:10]}{' with changes' if found['modified'] else ''}" if revision else code_version()
