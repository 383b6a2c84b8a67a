"""Training HiNet on a GPU: samples a second of the whole loop, rows on the device, batches of 65,536 in bfloat16.

`python bench/gpu.py [steps]`: one JSON line per rule of the embedding table, on the rows and sizes of hinet.py. Wall
time, with the device waited for at both ends. `of_limit` is the share of the speed that the card allows: the slower of
the matrix products a row needs at the rate that this card reaches for products of 8,192 x 8,192, and of reading and
writing every layer's output once each way at the rate that it copies memory. Without a GPU it says so and ends.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from hinet import ADAGRAD, FIELDS, PLAIN, ROWS, SCENARIOS, SIZES, TASKS, endless, flop_per_row, fresh, rows_of, spec_of

from hinet_core.models.hinet import Config
from hinet_core.training.step import Stepper

BATCH, STEPS, BATCHES = 65_536, 100, 20
TRAININGS = {
    "dense Adam, fused": replace(PLAIN, precision="bfloat16"),
    "touched Adam": replace(PLAIN, precision="bfloat16", embedding_optimizer="touched_adam"),
    "row-wise Adagrad": replace(ADAGRAD, precision="bfloat16"),
}


def seconds_of(work: Callable[[], object], times: int) -> float:
    """Mean wall seconds, after a first run that does not count."""
    work()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def flop_per_s() -> float:
    a, b = torch.ones(2, 8192, 8192, dtype=torch.bfloat16, device="cuda")
    return 2 * 8192**3 / seconds_of(lambda: a @ b, 20)


def bytes_per_s() -> float:
    a = torch.ones(2**28, device="cuda")
    return 2 * a.nbytes / seconds_of(a.clone, 20)


def bytes_per_row(c: Config) -> float:
    """Layers' outputs in bfloat16, written and read forward, and the same for their gradients; x in float32."""
    sei = (1 + SCENARIOS) * c.sub_experts * sum(c.sub_expert_widths)
    heads = (TASKS * c.own_experts + c.shared_experts) * sum(c.expert_widths) + TASKS * sum(c.tower_widths)
    return 4.0 * 2 * (sei + heads) + 4.0 * 4 * FIELDS * c.embedding


def main(steps: int) -> None:
    if not torch.cuda.is_available():
        print("no GPU here: nothing was measured", file=sys.stderr)
        return
    spec = spec_of(ROWS)
    data = rows_of(spec, BATCHES * BATCH).to("cuda")
    limit = min(flop_per_s() / flop_per_row(SIZES), bytes_per_s() / bytes_per_row(SIZES))
    for name, train in TRAININGS.items():
        stepper, batches = Stepper(fresh(spec, SIZES).to("cuda"), train, TASKS), endless(data, BATCH)
        per_s = BATCH / seconds_of(lambda stepper=stepper, batches=batches: stepper.step(next(batches)), steps)
        figure = {
            "bench": "gpu",
            "device": torch.cuda.get_device_name(),
            "rule": name,
            "million_samples_per_s": round(per_s / 1e6, 2),
            "of_limit": round(per_s / limit, 3),
        }
        print(json.dumps(figure))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STEPS)
