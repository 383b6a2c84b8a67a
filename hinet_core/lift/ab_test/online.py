"""L3, the test that would have been run: users come as they do, each sees one ranking, and only orders are counted.

Requests follow the world's activity and shares. A salted hash puts a user in an arm for all days. Before the test as
many days pass under the logging policy, whose orders are what CUPED corrects by. Both rankings are asked for every
request, for the truth alone. R requests, U users, S scenarios, D days. Memory is that of users and days.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from hinet_core.lift.ab_test.shown import Scorers, drawn, most_units, slate
from hinet_core.lift.policies import Floats, judged
from hinet_core.progress import track
from hinet_core.world.draws import Stage, fold, uniform
from hinet_core.world.traffic import HOUR_US
from hinet_core.world.truth import CHUNK, Requests, World

DAYS = 14
TRUTHS = ("a", "b", "oracle")
# In autumn a day may have 25 hours; the next one begins no sooner.
LONGEST_DAY_US = 25 * HOUR_US


@dataclass(frozen=True)
class OnlineTest:
    """What both periods left behind; `came_*` are requests, `before_*` what was in the days before the test.

    `entry_U` is the scenario where the test first met a user, -1 for who never came, `entry_us_U` when. `expected_TS`
    are expected orders of all requests of the test under A, B and the oracle, `units_TS` the same of units.
    """

    is_b_U: NDArray[np.bool_]
    entry_U: NDArray[np.int64]
    entry_us_U: Floats
    came_US: Floats
    orders_US: Floats
    units_US: Floats
    came_DU: Floats
    orders_DU: Floats
    before_came_U: Floats
    before_orders_US: Floats
    before_units_US: Floats
    expected_TS: Floats
    units_TS: Floats

    @property
    def came_U(self) -> NDArray[np.bool_]:  # noqa: N802
        """Users who are in the test: those who came at all."""
        return self.came_DU.sum(axis=0) > 0


def in_b(salt: int, n_users: int) -> NDArray[np.bool_]:
    """(U,) whether a user is in arm B."""
    return uniform(fold(salt, np.arange(n_users)), Stage.ARM) < 0.5


def online_test(
    world: World,
    scorers: Scorers,
    names: tuple[str, str],
    days: Sequence[date],
    n_requests: int | None = None,
    seed: int = 0,
    salt: int | None = None,
) -> OnlineTest:
    """Both periods; `n_requests` of both arms in the days of the test, by default what the world's traffic is."""
    n_users, n_scenarios, n_days = len(world.users.activity_U), len(world.scenario_ids), len(days)
    by_cell = (n_users, n_scenarios)
    test = OnlineTest(
        in_b(seed if salt is None else salt, n_users), np.full(n_users, -1), np.full(n_users, np.inf),
        *(np.zeros(shape) for shape in (by_cell, by_cell, by_cell, (n_days, n_users), (n_days, n_users), n_users,
                                        by_cell, by_cell, (len(TRUTHS), n_scenarios), (len(TRUTHS), n_scenarios))),
    )  # fmt: skip
    before = [day - timedelta(days=n_days) for day in days]
    for _, requests in arriving(world, before, n_requests, seed, first=-n_days):
        wait(world, test, requests)
    for index, requests in arriving(world, days, n_requests, seed):
        enter(world, test, requests, index)
        serve(world, test, requests, index, scorers, names)
    return test


def arriving(
    world: World, days: Sequence[date], n_requests: int | None, seed: int, first: int = 0
) -> Iterator[tuple[int, Requests]]:
    """(number of the day from 0, at most CHUNK requests); days get requests as the world's traffic has them."""
    traffic_D = np.array([world.traffic.requests_on(day) for day in days], dtype=np.float64)
    wanted = traffic_D.sum() if n_requests is None else n_requests
    edges = np.rint(np.concatenate([[0.0], np.cumsum(traffic_D)]) / traffic_D.sum() * wanted).astype(int)
    pieces = [
        (index, start, min(start + CHUNK, size))
        for index, size in enumerate(np.diff(edges).tolist())
        for start in range(0, size, CHUNK)
    ]
    what = "days before the test" if first < 0 else "days of the test"
    for index, start, stop in track(pieces, what):
        yield index, world.online_requests(days[index], first + index, np.arange(start, stop), seed)


def wait(world: World, test: OnlineTest, requests: Requests) -> None:
    """Before the test: everybody sees the logging policy."""
    truth = judged(world, requests)
    found = drawn(world, requests.user_R, slate(world, truth, truth.logger_RC), requests.key_R)
    np.add.at(test.before_came_U, requests.user_R, 1.0)
    for cells_US, name in ((test.before_orders_US, "orders"), (test.before_units_US, "units")):
        np.add.at(cells_US, (requests.user_R, requests.scenario_R), found[name])


def enter(world: World, test: OnlineTest, requests: Requests, index: int) -> None:
    """Where the test first meets a user: pieces of a day come in no order, so the time of day decides."""
    since_R = requests.exposed_us_R - world.traffic.hour_start_us(requests.day)[0]
    when_R = (index * LONGEST_DAY_US + since_R).astype(np.float64)
    earlier = np.flatnonzero(when_R < test.entry_us_U[requests.user_R])
    # Of several requests of a user the earliest is written last, and stays.
    earlier = earlier[np.argsort(-when_R[earlier], kind="stable")]
    test.entry_us_U[requests.user_R[earlier]] = when_R[earlier]
    test.entry_U[requests.user_R[earlier]] = requests.scenario_R[earlier]


def serve(
    world: World, test: OnlineTest, requests: Requests, index: int, scorers: Scorers, names: tuple[str, str]
) -> None:
    """One piece of the test: every user his arm's slate, drawn; every request both slates and the best, expected."""
    truth = judged(world, requests)
    user_R, scenario_R, scores = requests.user_R, requests.scenario_R, scorers(truth)
    is_b_R = test.is_b_U[user_R]
    np.add.at(test.came_US, (user_R, scenario_R), 1.0)
    np.add.at(test.came_DU[index], user_R, 1.0)
    for arm, score_RC in enumerate((scores[names[0]], scores[names[1]], truth.worth_RC)):
        shown = slate(world, truth, score_RC)
        expected = shown.expected()
        np.add.at(test.expected_TS[arm], scenario_R, expected["orders"])
        best = most_units(world, truth).expected() if TRUTHS[arm] == "oracle" else expected
        np.add.at(test.units_TS[arm], scenario_R, best["units"])
        if TRUTHS[arm] == "oracle":
            continue
        mine_R = is_b_R == bool(arm)
        found = drawn(world, user_R[mine_R], shown.part(mine_R), requests.key_R[mine_R])
        cells = (user_R[mine_R], scenario_R[mine_R])
        np.add.at(test.orders_US, cells, found["orders"])
        np.add.at(test.units_US, cells, found["units"])
        np.add.at(test.orders_DU[index], user_R[mine_R], found["orders"])
