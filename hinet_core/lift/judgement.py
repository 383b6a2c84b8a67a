"""What every ranking is worth on fresh requests of the judged days. R requests, C candidates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hinet_core.contract import Contract
from hinet_core.lift.policies import POLICIES, Floats, by_score, judged
from hinet_core.progress import track
from hinet_core.world.observed import candidate_table
from hinet_core.world.truth import World

# All candidates of one day, as rows of `impressions`, to (number of candidates,) scores per ranker.
Rankers = Callable[[pa.Table, date], Mapping[str, NDArray[np.floating]]]


@dataclass(frozen=True)
class Judgement:
    """Per request: scenario code, user, and expected orders under every policy and ranker."""

    scenario_R: NDArray[np.int64]
    user_R: NDArray[np.int64]
    value_R: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.scenario_R)

    def part(self, keep_R: NDArray[np.bool_]) -> "Judgement":
        values = {name: value[keep_R] for name, value in self.value_R.items()}
        return Judgement(self.scenario_R[keep_R], self.user_R[keep_R], values)


def judge(
    world: World, contract: Contract, days: Sequence[date], n_per_scenario: int, seed: int, rankers: Rankers
) -> Judgement:
    """Rank `n_per_scenario` fresh requests per scenario, spread over the days, by every ranker and policy."""
    per_day = -(-n_per_scenario // len(days))
    scenarios, users, values = [], [], []
    for day in track(days, "ranking requests"):
        requests = world.requests(day, per_day, seed)
        truth = judged(world, requests)
        found = {name: policy(truth) for name, policy in POLICIES.items()}
        for name, score in rankers(candidate_table(world, contract, requests), day).items():
            found[name] = by_score(truth, score.reshape(truth.worth_RC.shape))
        scenarios.append(requests.scenario_R)
        users.append(requests.user_R)
        values.append(found)
    gathered = {name: np.concatenate([one[name] for one in values]) for name in values[0]}
    return Judgement(np.concatenate(scenarios), np.concatenate(users), gathered)
