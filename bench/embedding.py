"""Reading and moving an embedding table: look-up, its gradient and the optimizer, for each rule and two sizes of table.

`python bench/embedding.py [rounds]`: one JSON line per rule and size. Batches of 4,096 rows and 20 id fields of 16
numbers, without a network: the gradient of x is ones. CPU time of one thread. `ratio` is the median over the rounds of
the time of torch's dense Adam over the rule's own, at the same size in the same round.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import torch
from hinet import ADAGRAD, BATCH, PLAIN, endless, rows_of, spec_of

from hinet_core.dataset import Batch
from hinet_core.models.layers import FieldEmbedding
from hinet_core.training.optimizers import Optimizers
from hinet_core.training.stopping import AveragedWeights

SIZES, ROUNDS = (1_000_000, 10_000_000), 5
DENSE = "dense Adam of torch"
TOUCHED = replace(PLAIN, embedding_optimizer="touched_adam")
RULES = {
    "dense_adam, fused": PLAIN,
    "touched_adam": TOUCHED,
    "touched_adam, average": replace(TOUCHED, ema_decay=0.998),
    "rowwise_adagrad": ADAGRAD,
}


def steps_of(fields: FieldEmbedding, batches: Iterator[Batch], rule: str) -> Callable[[], None]:
    if rule == DENSE:
        adam = torch.optim.Adam(fields.parameters())

        def dense_step() -> None:
            adam.zero_grad()
            fields(next(batches)).sum().backward()
            adam.step()

        return dense_step
    optimizers = Optimizers(fields, RULES[rule])
    averaged = AveragedWeights(fields, RULES[rule].ema_decay, optimizers.by_row)

    def step() -> None:
        batch = next(batches)
        with optimizers.open(batch):
            fields(batch).sum().backward()
            optimizers.step()
            averaged.update(optimizers.changed)

    return step


def main(rounds: int) -> None:
    for n_rows in SIZES:
        # One table for all, since a large one with the states of five optimizers is memory enough.
        spec = spec_of(n_rows)
        batches, fields = endless(rows_of(spec, 20 * BATCH), BATCH), FieldEmbedding(spec, 16)
        steps = {rule: steps_of(fields, batches, rule) for rule in (DENSE, *RULES)}
        seconds: dict[str, list[float]] = {rule: [] for rule in steps}
        for number in range(rounds + 1):
            for rule, step in steps.items():
                began = time.process_time()
                step()
                fields.table.grad = None
                if number:  # the first makes the optimizer's state
                    seconds[rule].append(time.process_time() - began)
        for rule, mine in seconds.items():
            figure = {
                "bench": "embedding",
                "rows": n_rows,
                "rule": rule,
                "cpu_ms": round(1e3 * median(mine), 1),
                "ratio": round(median(a / b for a, b in zip(seconds[DENSE], mine, strict=True)), 1),
            }
            print(json.dumps(figure))
        del steps, step, fields
        gc.collect()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
