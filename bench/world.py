"""What is true of 50 candidates a request, and writing a log of it, beside the least that it takes.

`python bench/world.py [rounds]`: JSON lines. `probabilities` is the chances of click and order of 210,000 candidates of
the world of meishi; its reference is the bare gathers and products that they need, in the same round: users' and shops'
rows out of their tables, their products with the weights, effects times columns. No root, logarithm, sigmoid; no draw.
`ratio` is the median over the rounds of the time of the reference over theirs. `log` is a day of the log in a process
of its own, at two sizes: `peak_mb` has to stay. CPU time of one thread.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HINET_THREADS")}

import numpy as np
from numpy.typing import NDArray

from hinet_core.contract import Contract, load_contract
from hinet_core.world.load import load
from hinet_core.world.log import write_log
from hinet_core.world.truth import CHUNK, Requests, World

ROUNDS, PER_SCENARIO = 15, 700
REQUESTS_A_DAY = (20_000, 80_000)


def bare(world: World, requests: Requests) -> NDArray[np.float32]:
    """Gathers and products of a chunk of requests at a time, as the world does them."""
    out_KRC = np.empty((2, *requests.item_RC.shape), dtype=np.float32)
    for start in range(0, len(requests), CHUNK):
        part = requests.part(slice(start, start + CHUNK))
        user_R, scenario_R, item_RC = part.user_R, part.scenario_R, part.item_RC
        weights_RKJ = np.take(world.weights_SKJ, scenario_R, axis=0)
        taste_RJK = (np.take(world.users.taste_UJ, user_R, axis=0)[:, None] * weights_RKJ).transpose(0, 2, 1)
        liking_RCK = np.take(world.items.trait_IJ, item_RC, axis=0) @ taste_RJK
        columns = [np.take(one, item_RC) for one in (world.items.quality_I, world.items.price_I)]
        columns += [np.take(world.items.place_I2[:, axis], item_RC) for axis in (0, 1)]
        np.take(world.users.place_U2, user_R, axis=0)
        effects_RKE = np.take(world.effects_SKE, scenario_R, axis=0)
        for outcome, out_RC in enumerate(out_KRC[:, start : start + CHUNK]):
            propensity_R = np.take(world.users.propensity_UK[:, outcome], user_R)
            np.add(liking_RCK[..., outcome], propensity_R[:, None], out=out_RC)
            for effect, column in enumerate(columns[:3]):
                out_RC += effects_RKE[:, outcome, effect, None] * column
    return out_KRC


def probabilities(rounds: int) -> None:
    world = load(load_contract("meishi"))
    requests = world.requests(world.traffic.first_day, PER_SCENARIO)
    seconds: dict[str, list[float]] = {"probabilities": [], "bare": []}
    for number in range(rounds + 1):
        for name, work in (("probabilities", world.probabilities), ("bare", lambda requests: bare(world, requests))):
            began = time.process_time()
            work(requests)
            if number:  # the first warms up
                seconds[name].append(time.process_time() - began)
    ratios = [least / ours for least, ours in zip(seconds["bare"], seconds["probabilities"], strict=True)]
    figure = {
        "bench": "world",
        "part": "probabilities",
        "candidates": requests.item_RC.size,
        "requests_per_s": round(len(requests) / median(seconds["probabilities"])),
        "ratio": round(median(ratios), 2),
    }
    print(json.dumps(figure), flush=True)


def log(requests_per_day: int) -> None:
    contract: Contract = load_contract("meishi")
    contract = contract.model_copy(update={"world": contract.world | {"requests_per_day": requests_per_day, "days": 1}})
    load(contract)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        write_log(contract, Path(folder))
    figure = {
        "bench": "world",
        "part": "log",
        "requests_per_day": requests_per_day,
        "requests_per_s": round(requests_per_day / (time.process_time() - began)),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(figure))


if __name__ == "__main__":
    if sys.argv[1:2] == ["log"]:
        log(int(sys.argv[2]))
    else:
        probabilities(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
        for size in REQUESTS_A_DAY:
            subprocess.run([sys.executable, __file__, "log", str(size)], check=True)
