"""Two rankings of a simulated world against each other, without models: what a replay and an online test cost.

`python bench/lift.py [requests]`: JSON lines, a process each. `replay` is L1 and L2 of so many requests an arm,
`online` L3 of as many an arm after as many days before it; rankings are the truth with noise and the logging policy.
`peak_mb` is shown at a quarter of the requests too: L3's does not grow with them. `models` is L1 and L2 of 5,000
requests of a small world under its two models, trained for it first (preset quick). Seconds by the clock and of CPU.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HINET_THREADS")}

import numpy as np
from numpy.typing import NDArray

from hinet_core.contract import load_contract
from hinet_core.lift.ab_test.online import DAYS, online_test
from hinet_core.lift.ab_test.online_rows import days_of, online_rows
from hinet_core.lift.ab_test.paired_rows import paired_rows
from hinet_core.lift.ab_test.replay import replay
from hinet_core.lift.policies import Judged
from hinet_core.world.draws import Stage, normal
from hinet_core.world.load import load

REQUESTS_AN_ARM = 200_000
NAMES = ("logger", "noisy")


def scorers(truth: Judged) -> dict[str, NDArray[np.floating]]:
    noise = normal(truth.requests.key_R[:, None], Stage.RANKING, truth.requests.item_RC)
    return {"logger": truth.logger_RC, "noisy": np.log(truth.worth_RC) + 0.8 * noise}


def with_models(requests: int) -> None:
    from hinet_core.features.daily import write_daily_range
    from hinet_core.features.examples import write_examples_range
    from hinet_core.ingest.days import ingest_days
    from hinet_core.ingest.landing import index
    from hinet_core.lake import Lake, connect
    from hinet_core.lift.ab_test.named import contest
    from hinet_core.settings import Paths
    from hinet_core.training.run import train
    from hinet_core.world.log import write_log

    contract = load_contract("meishi")
    settings = {"users": 600, "items": 120, "requests_per_day": 800, "days": 9, "calibration_requests": 500}
    contract = contract.model_copy(update={"world": {**contract.world, **settings}})
    names = (contract.lift.baseline, contract.lift.challenger)
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        lake, days = Lake(paths.lake), load(contract).traffic.days()
        write_log(contract, paths.landing)
        list(ingest_days(contract, lake, index(contract, paths), days, None))
        con = connect()
        write_daily_range(con, contract, lake, days)
        write_examples_range(con, contract, lake, days)
        for name in names:
            train(contract, lake, paths.models, days[6], name, preset="quick", device="cpu")
        with contest(contract, lake, paths.models, names) as found:
            clock, cpu = time.perf_counter(), time.process_time()
            replayed = replay(found.world, found.scorers, names, found.days, -(-requests // 6))
            told("models", len(replayed), clock, cpu, paired_rows(found.world, replayed, names)[0])


def told(part: str, requests: int, clock: float, cpu: float, pooled: dict[str, Any]) -> None:
    figure = {
        "bench": "lift",
        "part": part,
        "requests_an_arm": requests,
        "seconds": round(time.perf_counter() - clock, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        **{name: round(pooled[name], 4) for name in ("lift", "low", "high")},
    }
    print(json.dumps(figure), flush=True)


def run(part: str, requests: int) -> None:
    world = load(load_contract("meishi"))
    first = world.traffic.first_day
    clock, cpu = time.perf_counter(), time.process_time()
    if part == "replay":
        per_scenario = requests // len(world.scenario_ids)
        rows = paired_rows(world, replay(world, scorers, NAMES, [first], per_scenario), NAMES)
    else:
        days = [first + timedelta(days=number) for number in range(DAYS)]
        test = online_test(world, scorers, NAMES, days, 2 * requests)
        rows = online_rows(world, test, NAMES).rows
        days_of(test, NAMES)
    told(part, requests, clock, cpu, rows[0])


if __name__ == "__main__":
    if sys.argv[1:3] == ["part", "models"]:
        with_models(int(sys.argv[3]))
    elif sys.argv[1:2] == ["part"]:
        run(sys.argv[2], int(sys.argv[3]))
    else:
        size = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS_AN_ARM
        for name in ("replay", "online"):
            for count in (size // 4, size):
                subprocess.run([sys.executable, __file__, "part", name, str(count)], check=True)
        subprocess.run([sys.executable, __file__, "part", "models", "5000"], check=True)
