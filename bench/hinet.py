"""Training HiNet, the whole loop with its data, against a plain one: a module per expert, torch's Adam, batches ready.

`python bench/hinet.py [rounds]`: one JSON line per way. 20 id fields of 16 numbers, 1 M rows of embeddings in all,
batches of 4,096, three scenarios (60, 30 and 10 % of the rows), two tasks, five sub-experts, all experts and towers of
128 and 64, no dropout. CPU time of one thread. Each round runs every way once; `ratio` is the median over the rounds of
the time of the plain form, with the same heads, over the way's own. `of_limit` is the share of the speed that the
matrix products which a row needs would allow by themselves, at the rate of products of 1,024 x 1,024 in the same round
and type. "same mathematics" must have the plain form's losses to 1e-5 over 50 steps, or the bench ends with an error.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import torch
from torch import nn

from hinet_core.dataset import Batch, Dataset, FeatureSpec, FieldSpec
from hinet_core.models.hinet import PRESETS, Config, HiNet
from hinet_core.training.config import TrainConfig
from hinet_core.training.losses import masked_bce
from hinet_core.training.step import Stepper

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "models"))
from plain_hinet import plain_of

FIELDS, ROWS, BATCH, SCENARIOS, TASKS = 20, 1_000_000, 4096, 3, 2
ROUNDS, STEPS = 5, 2
EQUAL_STEPS, EQUAL_BATCH, EQUAL_ROWS = 50, 512, 20_000
SIZES = replace(PRESETS["paper"], dropout=0.0)
# The learning rate of the paper; with 1e-3 Adam's division by small moments makes 1e-4 of what rounding differs by.
PLAIN = TrainConfig(learning_rate=1e-4, embedding_l2=0.0, clip_norm=float("inf"), ema_decay=0.0)
ADAGRAD = replace(PLAIN, embedding_optimizer="rowwise_adagrad", embedding_learning_rate=0.02)
TRAININGS = {
    "same mathematics": PLAIN,
    "touched Adam": replace(PLAIN, embedding_optimizer="touched_adam"),
    "row-wise Adagrad": ADAGRAD,
    "bfloat16": replace(PLAIN, precision="bfloat16"),
    "bfloat16, row-wise Adagrad": replace(ADAGRAD, precision="bfloat16"),
    "bfloat16, row-wise Adagrad, clipping, average": replace(
        ADAGRAD, precision="bfloat16", clip_norm=5.0, ema_decay=0.998
    ),
}


@dataclass
class Way:
    """One way to train: `step` takes the next batch and gives its mean loss."""

    name: str
    reference: str
    precision: str
    flop_per_row: float
    step: Callable[[], float]


def spec_of(n_rows: int) -> FeatureSpec:
    fields = tuple(FieldSpec(f"f{i}", "id", n_rows // FIELDS) for i in range(FIELDS))
    return FeatureSpec(fields, (), (), ("a", "b", "c"), ("click", "buy"))


def rows_of(spec: FeatureSpec, n: int) -> Dataset:
    """The logarithm of an id is uniform, so that few ids make most rows; the first two ids tell of the labels."""
    g, width = torch.Generator().manual_seed(0), spec.fields[0].width
    fields_NF = (width ** torch.rand(n, FIELDS, generator=g)).int().clamp(max=width - 1)
    chance_NT = (fields_NF[:, :TASKS] % 2 * 2.0 - 1).sigmoid()
    return Dataset(
        fields_NF=fields_NF,
        numbers_NK=torch.zeros(n, 0),
        scenario_N=torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), n, replacement=True, generator=g),
        position_N=torch.zeros(n, dtype=torch.int64),
        labels_NT=torch.bernoulli(chance_NT, generator=g),
        label_mask_NT=torch.ones(n, TASKS),
        user_N=torch.arange(n),
        day_N=torch.zeros(n, dtype=torch.int64),
        shuffled=True,
    )


def endless(data: Dataset, size: int) -> Iterator[Batch]:
    while True:
        yield from data.batches(size, seed=0, drop_last=True)


def plain_step(model: nn.Module, data: Dataset, size: int, clip_norm: float = 0.0) -> Callable[[], float]:
    """As one writes it first, with the batches copied out beforehand."""
    ready = [batch.map(torch.clone) for batch in islice(endless(data, size), len(data) // size)]
    batches = (batch for _ in iter(int, 1) for batch in ready)
    adam = torch.optim.Adam(model.parameters(), lr=PLAIN.learning_rate)

    def step() -> float:
        batch = next(batches)
        loss = masked_bce(model(batch), batch.labels_BT, batch.label_mask_BT).sum() / len(batch)
        adam.zero_grad()
        loss.backward()
        if clip_norm:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        adam.step()
        return loss.item()

    return step


def our_step(model: nn.Module, data: Dataset, size: int, config: TrainConfig) -> Callable[[], float]:
    stepper, batches = Stepper(model, config, TASKS), endless(data, size)
    return lambda: stepper.step(next(batches)).sum(dim=1).mean().item()


def fresh(spec: FeatureSpec, config: Config) -> HiNet:
    torch.manual_seed(0)
    return HiNet(spec, config)


def products(n_in: int, *widths: int) -> int:
    """Multiplications and additions of a row's way through a network."""
    return sum(2 * a * b for a, b in pairwise((n_in, *widths)))


def flop_per_row(c: Config) -> float:
    """Of a step's matrix products: forward, and twice that backward. A row needs its own scenario's heads alone."""
    d, h, read = FIELDS * c.embedding, c.sub_expert_widths[-1], c.own_experts + c.shared_experts
    sei = (1 + SCENARIOS) * c.sub_experts * (products(d, *c.sub_expert_widths) + products(d, 1))
    expert, gate = products(3 * h, *c.expert_widths), products(3 * h, read)
    tower = products(c.expert_widths[-1], *c.tower_widths, 1)
    return 3.0 * (sei + c.shared_experts * expert + TASKS * (c.own_experts * expert + gate + tower))


def rate_of_products(dtype: torch.dtype) -> float:
    """FLOP per CPU second now, of products of 1,024 x 1,024."""
    a, b = torch.ones(2, 1024, 1024, dtype=dtype)
    began = time.process_time()
    for _ in range(10):
        a @ b
    return 10 * 2 * 1024**3 / (time.process_time() - began)


def ways() -> list[Way]:
    spec, found = spec_of(ROWS), []
    data = rows_of(spec, 10 * BATCH)
    for heads in ("per_scenario_task", "per_task"):
        config = replace(SIZES, heads=heads)
        plain, flop = f"plain, {heads}", flop_per_row(config)
        model = plain_of(fresh(spec, config), spec)
        found.append(Way(plain, plain, "float32", flop, plain_step(model, data, BATCH)))
        for name, train in TRAININGS.items():
            step = our_step(fresh(spec, config), data, BATCH, train)
            found.append(Way(f"{name}, {heads}", plain, train.precision, flop, step))
    return found


def check_equal() -> None:
    """Raises AssertionError where the same mathematics gives other losses."""
    spec = spec_of(EQUAL_ROWS)
    data = rows_of(spec, EQUAL_STEPS * EQUAL_BATCH)
    for heads in ("per_scenario_task", "per_task"):
        model = fresh(spec, replace(SIZES, heads=heads))
        plain = plain_step(plain_of(model, spec), data, EQUAL_BATCH)
        ours = our_step(model, data, EQUAL_BATCH, PLAIN)
        gap = max(abs(plain() - ours()) for _ in range(EQUAL_STEPS))
        print(json.dumps({"bench": "hinet", "heads": heads, "steps": EQUAL_STEPS, "largest_gap_of_losses": gap}))
        assert gap < 1e-5, f"losses differ by {gap} with {heads}"


def measure(bench: str, all_ways: list[Way], rounds: int) -> None:
    """Every way in turn, round by round; prints its line."""
    for way in all_ways:
        way.step()
    seconds: dict[str, list[float]] = {way.name: [] for way in all_ways}
    rates: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for _ in range(rounds):
        for precision, found in rates.items():
            found.append(rate_of_products(getattr(torch, precision)))
        for way in all_ways:
            began = time.process_time()
            for _ in range(STEPS):
                way.step()
            seconds[way.name].append((time.process_time() - began) / STEPS)
    for way in all_ways:
        mine, rate = seconds[way.name], rates[way.precision]
        shares = [way.flop_per_row * BATCH / r / s for r, s in zip(rate, mine, strict=True)]
        figure = {
            "bench": bench,
            "way": way.name,
            "cpu_ms_per_step": round(1e3 * median(mine), 1),
            "samples_per_cpu_s": round(BATCH / median(mine)),
            "ratio": round(median(a / b for a, b in zip(seconds[way.reference], mine, strict=True)), 2),
            "of_limit": round(median(shares), 2),
            "gflop_per_s_of_products": round(median(rate) / 1e9),
        }
        print(json.dumps(figure))


if __name__ == "__main__":
    torch.set_num_threads(1)
    check_equal()
    measure("hinet", ways(), int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
