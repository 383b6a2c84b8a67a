"""What HiNet's scenarios take from each other and from which experts, over the rows of a split.

B batch, D draws of users, G expert groups (shared, then one per scenario), K sub-experts, N rows, R experts that a CGC
gate reads, S scenarios, T tasks, X gate entries.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_core.dataset import Dataset, FeatureSpec
from hinet_core.evaluation.draws import UserDraws
from hinet_core.evaluation.intervals import Basis, Interval, over_users
from hinet_core.evaluation.rows import Floats
from hinet_core.models.hinet import HiNet

BATCH = 8192
# A gate entry below this leaves its expert without a say in a row.
SMALL = 0.01
SAME_FOR_ALL = "no interval: SAN reads the scenario alone, so its weights are the same for every row"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One number about a model. `name` is what it is about: another scenario, an expert, a field."""

    part: str
    scenario_id: str
    task: str
    name: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class Gates:
    """Of every row the gate entries and the largest output of the expert behind each; names per entry."""

    part: str
    names: list[tuple[str, str]]  # (task or "", expert)
    gate_NX: Floats
    output_NX: Floats


def gate_findings(model: HiNet, data: Dataset, spec: FeatureSpec, seed: int, draws: int) -> list[Finding]:
    """SAN's matrix, then for each scenario the share of each SEI and CGC expert, how often it has no say, and its
    largest output: 0 where it is dead."""
    order_N = np.argsort(data.user_N.numpy(), kind="stable")
    data = data.map(lambda tensor: tensor[order_N])
    san_SS, parts = read_gates(model, data, spec)
    found = [
        Finding(part="san", scenario_id=one, task="", name=other, metric="weight", value=weight, reason=SAME_FOR_ALL)
        for one, row in zip(spec.scenarios, san_SS.tolist(), strict=True)
        for other, weight in zip(spec.scenarios, row, strict=True)
        if other != one and row != [0.0] * len(row)
    ]
    means = Means(data.scenario_N.numpy(), data.user_N.numpy(), len(spec.scenarios), seed, draws)
    for one in parts:
        found += shares(one, means, spec)
    return found


@torch.inference_mode()
def read_gates(model: HiNet, data: Dataset, spec: FeatureSpec) -> tuple[Floats, list[Gates]]:
    """-> SAN's matrix (S, S), the gates of SEI (unless there is none) and of CGC"""
    model.eval()
    collected: list[tuple[torch.Tensor, ...]] = []
    for batch in data.batches(BATCH):
        seen, outputs = model.explain(batch), model.largest_outputs(batch)
        collected.append((seen.sei_BGK, outputs[0], seen.cgc_BTR, outputs[1]))
    sei, sei_out, cgc, cgc_out = (torch.cat(one).double().cpu().numpy() for one in zip(*collected, strict=True))
    san_SS = seen.san_SS.double().cpu().numpy()
    parts = [Gates("cgc", cgc_names(model, spec), flat(cgc), flat(cgc_out))]
    if sei.shape[1]:
        names = [("", f"{g}/{k + 1}") for g in ("shared", *spec.scenarios) for k in range(sei.shape[2])]
        parts.insert(0, Gates("sei", names, flat(sei), flat(sei_out)))
    return san_SS, parts


def cgc_names(model: HiNet, spec: FeatureSpec) -> list[tuple[str, str]]:
    own, shared = model.config.own_experts, model.config.shared_experts
    experts = [*(f"own/{r + 1}" for r in range(own)), *(f"shared/{r + 1}" for r in range(shared))]
    return [(task, expert) for task in spec.tasks for expert in experts]


def flat(values: NDArray[Any]) -> Floats:
    return values.reshape(len(values), -1)


class Means:
    """Means over the rows of each scenario, also as each draw of users counts them. `user_N` rises."""

    def __init__(
        self, scenario_N: NDArray[np.int64], user_N: NDArray[np.int64], n_scenarios: int, seed: int, draws: int
    ) -> None:
        self.scenario_N, self.n_scenarios = scenario_N.astype(np.int32), n_scenarios
        _, self.user_N = np.unique(user_N, return_inverse=True)
        self.draws = UserDraws(int(self.user_N.max(initial=-1)) + 1, (seed,), draws)
        self.rows_SD = self._sums(None)
        places = np.unique(self.scenario_N.astype(np.int64) * self.draws.n_users + self.user_N)
        self.users_S = np.bincount(places // max(self.draws.n_users, 1), minlength=n_scenarios)

    def of(self, value_N: Floats) -> Iterator[tuple[int, float | None, Interval, int]]:
        """Per scenario its code, the mean (None without rows), the interval over users and the number of rows."""
        sum_SD = self._sums(value_N)
        for code in range(self.n_scenarios):
            n = int(self.rows_SD[code, 0])
            if n == 0:
                yield code, None, Interval(None, None, "no rows"), 0
                continue
            drawn_D = self.rows_SD[code] > 0
            mean_D = np.divide(sum_SD[code], self.rows_SD[code], out=np.full(len(drawn_D), np.nan), where=drawn_D)
            yield code, float(mean_D[0]), over_users(mean_D[1:], Basis(int(self.users_S[code])), constant=True), n

    def _sums(self, value_N: Floats | None) -> Floats:
        return self.draws.sums(self.scenario_N, self.user_N, self.n_scenarios, value_N)


def shares(gates: Gates, means: Means, spec: FeatureSpec) -> list[Finding]:
    found = []
    for place, (task, name) in enumerate(gates.names):
        gate_N, output_N = gates.gate_NX[:, place], gates.output_NX[:, place]
        for metric, value_N in (("share", gate_N), ("rows_below_1_percent", (gate_N < SMALL).astype(np.float64))):
            found += [
                Finding(
                    part=gates.part, scenario_id=spec.scenarios[code], task=task, name=name, metric=metric,
                    value=value, low=interval.low, high=interval.high, n=n, reason=interval.reason,
                )
                for code, value, interval, n in means.of(value_N)
            ]  # fmt: skip
        for code, scenario in enumerate(spec.scenarios):
            inside_N = output_N[means.scenario_N == code]
            largest = float(inside_N.max()) if len(inside_N) else None
            found.append(
                Finding(
                    part=gates.part, scenario_id=scenario, task=task, name=name, metric="largest_output",
                    value=largest, n=len(inside_N), reason="no interval: the largest value of these rows",
                )
            )  # fmt: skip
    return found


def without_a_say(findings: list[Finding]) -> list[Finding]:
    """The experts of a scenario that no row there hears: an output of 0 everywhere, or a share below 1 % in 99 % of its
    rows."""
    return [
        one
        for one in findings
        if one.value is not None
        if (one.metric == "largest_output" and one.value == 0)
        or (one.metric == "rows_below_1_percent" and one.value >= 1 - SMALL)
    ]
