"""Both rankings on the same fresh requests: what they are worth (L1), and what the same luck gives them (L2).

    lift_s = sum_r V(r, B) / sum_r V(r, A) - 1,    V(r, pi) = sum_n theta_sn p^click p^order

for L1, and the same with realised orders for L2. Draws have the keys (seed, request, item, stage), see world/outcomes.
R requests, A = 2 arms, G groups of users, I shops. Requests are judged CHUNK at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_core.lift.ab_test.shown import Scorers, Shown, drawn, most_units, slate
from hinet_core.lift.policies import POLICIES, SCORES, Floats, Judged, judged
from hinet_core.progress import track
from hinet_core.world.draws import drawn_again
from hinet_core.world.truth import CHUNK, World

# Users are kept in so many groups to tell how uncertain the share of shops shown is.
GROUPS = 20


@dataclass(frozen=True)
class Replayed:
    """Per request: who came where, and by arm (A, B) what was expected, drawn and shown.

    `reference` is by policy: expected orders, and under "units" the most units that any ranking is worth. `shown_AGI`
    counts how often a shop was shown to users of a group.
    """

    scenario_R: NDArray[np.int64]
    user_R: NDArray[np.int64]
    expected: tuple[Mapping[str, Floats], Mapping[str, Floats]]
    drawn: tuple[Mapping[str, Floats], Mapping[str, Floats]]
    seen: tuple[Mapping[str, Floats], Mapping[str, Floats]]
    reference: Mapping[str, Floats]
    shown_AGI: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scenario_R)


def replay(
    world: World,
    scorers: Scorers,
    names: tuple[str, str],
    days: Sequence[date],
    n_per_scenario: int,
    seed: int = 0,
    outcome_seed: int = 0,
) -> Replayed:
    """`n_per_scenario` fresh requests of each scenario, spread over the days, under both rankings of `names`."""
    per_day = -(-n_per_scenario // len(days))
    n_a_day = per_day * len(world.scenario_ids)
    starts = [(day, start) for day in days for start in range(0, n_a_day, CHUNK)]
    shown_AGI = np.zeros((2, GROUPS, len(world.items.trait_IJ)), dtype=np.int64)
    parts: list[dict[str, NDArray[Any]]] = []
    for day, start in track(starts, "replaying requests"):
        requests = world.requests(day, per_day, seed, slice(start, start + CHUNK))
        truth = judged(world, requests)
        key_R = drawn_again(requests.key_R, outcome_seed)
        part: dict[str, NDArray[Any]] = {"scenario": requests.scenario_R, "user": requests.user_R}
        part |= {f"reference {name}": value_R for name, value_R in references(world, truth).items()}
        scores = scorers(truth)
        for arm, ranking in enumerate(names):
            shown = slate(world, truth, scores[ranking])
            found = {"expected": shown.expected(), "drawn": drawn(world, requests.user_R, shown, key_R),
                     "seen": seen(world, shown)}  # fmt: skip
            part |= {f"{kind} {arm} {name}": value_R for kind, one in found.items() for name, value_R in one.items()}
            np.add.at(shown_AGI[arm], (requests.user_R[:, None] % GROUPS, shown.item_RN), 1)
        parts.append(part)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    expected, realised, looks = (
        (under(whole, f"{kind} 0 "), under(whole, f"{kind} 1 ")) for kind in ("expected", "drawn", "seen")
    )
    reference = under(whole, "reference ")
    return Replayed(whole["scenario"], whole["user"], expected, realised, looks, reference, shown_AGI)


def under(values: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    """Those whose name begins so, by the rest of it."""
    return {name.removeprefix(prefix): one for name, one in values.items() if name.startswith(prefix)}


def references(world: World, truth: Judged) -> dict[str, Floats]:
    """(R,) expected orders of every policy, of `random` over all its orders; most units, where an order has units."""
    found = {name: slate(world, truth, SCORES[name](truth)).expected()["orders"] for name in ("oracle", "logger")}
    found["random"] = POLICIES["random"](truth)
    if world.config.units_per_order > 1:
        found["units"] = most_units(world, truth).expected()["units"]
    return found


def seen(world: World, shown: Shown) -> dict[str, Floats]:
    """(R,) of what was shown: price (exp of the world's, which is in standard deviations), head shops, promise."""
    head_I = head_shops(world)
    return {
        "price": np.exp(world.items.price_I[shown.item_RN].astype(np.float64)).mean(axis=1),
        "head": head_I[shown.item_RN].mean(axis=1),
        "promised": shown.predicted_orders(),
    }


def head_shops(world: World) -> NDArray[np.bool_]:
    """(I,) the most popular tenth of the shops that are open on the first day."""
    n_open = len(world.items.popularity_M)
    head_I = np.zeros(len(world.items.trait_IJ), dtype=bool)
    head_I[: -(-n_open // 10)] = True
    return head_I
