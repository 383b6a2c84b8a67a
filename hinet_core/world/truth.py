"""The world itself: requests, candidates, and the true probability of every click and order.

    eta_s^k = b_s^k + alpha f_s^k(u, i) + beta_s^k q_i - lambda_s^k log(1 + 5 dist) - kappa_s^k |p_i - y_u| + r_u^k
    P(click in slot n) = theta_sn sigma(eta^click),   P(order | click) = sigma(eta^order),   theta_sn = n^-decay_s

R requests, C candidates, S scenarios, N slots, K = 2 outcomes, F = J dimensions of taste, or 2 J where products of
matches matter too. Hours, weekends and delays depend on time; tastes and shops only with `drift_per_day`, `item_churn`.
"""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hinet_core.world.config import WorldConfig
from hinet_core.world.draws import Stage, Stream, fold, normal, uniform
from hinet_core.world.population import Items, Users
from hinet_core.world.preferences import N_OUTCOMES, correlation, for_products, turned, with_products
from hinet_core.world.slates import top_slots
from hinet_core.world.traffic import HOUR_US, Traffic, is_weekend
from hinet_core.world.units import Units, draw_units

CLICK, ORDER = 0, 1
EPOCH = date(1970, 1, 1)
# Requests scored at a time: bounds memory, changes no number.
CHUNK = 4096


@dataclass(frozen=True)
class Requests:
    """Some requests of one day; `item_RC` holds distinct items per row, ascending."""

    day: date
    key_R: NDArray[np.uint64]
    number_R: NDArray[np.int64]
    user_R: NDArray[np.int64]
    scenario_R: NDArray[np.int64]
    hour_R: NDArray[np.int64]
    exposed_us_R: NDArray[np.int64]
    weekend_R: NDArray[np.bool_]
    item_RC: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.key_R)

    def part(self, rows: slice) -> "Requests":
        arrays = {name: value[rows] for name, value in vars(self).items() if name != "day"}
        return Requests(day=self.day, **arrays)


@dataclass(frozen=True)
class World:
    """Everything that is true. `weights_SKJ` is w on the first day; `bias_SK` is b, which calibration solves."""

    config: WorldConfig
    traffic: Traffic
    users: Users
    items: Items
    weights_SKJ: NDArray[np.float32]
    bias_SK: NDArray[np.float64]
    hash: str

    @property
    def scenario_ids(self) -> tuple[str, ...]:
        return tuple(self.config.scenarios)

    @property
    def shares_S(self) -> NDArray[np.float64]:  # noqa: N802
        shares = np.array([one.share for one in self.config.scenarios.values()])
        return shares / shares.sum()

    @property
    def theta_SN(self) -> NDArray[np.float64]:  # noqa: N802
        """Chance that a user of scenario s looks at slot n, relative to slot 1."""
        slots = np.arange(1, self.config.slots + 1, dtype=np.float64)
        decay = np.array([one.position_decay for one in self.config.scenarios.values()])
        return slots[None] ** -decay[:, None]

    @property
    def correlation(self) -> NDArray[np.float64]:
        """Closed-form correlation of preferences over (scenario, outcome) pairs."""
        return correlation(self.config)

    @cached_property
    def users_UF(self) -> NDArray[np.float32]:  # noqa: N802
        """Users' side of what f is a sum of."""
        return with_products(self.users.taste_UJ) if self.config.variance.interaction else self.users.taste_UJ

    @cached_property
    def items_IF(self) -> NDArray[np.float32]:  # noqa: N802
        """Shops' side of what f is a sum of."""
        return with_products(self.items.trait_IJ) if self.config.variance.interaction else self.items.trait_IJ

    def weights_on(self, day: date) -> NDArray[np.float32]:
        """(S, K, F) weights of a day: f_s^k(u, i) = sum over F of weights, users' and shops' side."""
        weights = turned(self.config, self.weights_SKJ, self._nights(day))
        nu = self.config.variance.interaction
        return for_products(weights, nu) if nu else weights

    def _nights(self, day: date) -> int:
        """Since the first day of the log."""
        return (day - self.traffic.first_day).days

    @cached_property
    def units(self) -> Units:
        return draw_units(self.config, len(self.items.trait_IJ))

    def log_requests(self, day: date, rows: slice | NDArray[np.int64] | None = None) -> Requests:
        """The requests that the log of a day holds, or a slice of them, or those of some numbers."""
        if isinstance(rows, np.ndarray):
            numbers = rows
        else:
            numbers = np.arange(*(rows or slice(None)).indices(self.traffic.requests_on(day)), dtype=np.int64)
        return self._draw(day, self._log_key(day, numbers), numbers)

    def log_times(self, day: date, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """When the requests of these numbers come, epoch microseconds: `exposed_us_R` without the rest."""
        key = self._log_key(day, numbers)
        return self._when(day, key, choose(self.shares_S, uniform(key, Stage.SCENARIO)))[1]

    def _log_key(self, day: date, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
        return fold(self.config.seed, Stream.LOG, day_number(day), numbers)

    def requests(self, day: date, n_per_scenario: int, seed: int = 0, rows: slice | None = None) -> Requests:
        """Fresh requests of a day for judging rankings, the same number in every scenario, or a slice of them.

        None of them is in the log.
        """
        n_scenarios = len(self.config.scenarios)
        numbers = np.arange(*(rows or slice(None)).indices(n_scenarios * n_per_scenario), dtype=np.int64)
        key = fold(self.config.seed, Stream.EVALUATION, day_number(day), seed, numbers)
        return self._draw(day, key, numbers, scenario=numbers % n_scenarios)

    def online_requests(self, day: date, index: int, numbers: NDArray[np.int64], seed: int) -> Requests:
        """Fresh requests of an online test by the world's activity and shares; `index` tells its days apart.

        Negative ones are days of the time before the test.
        """
        return self._draw(day, fold(self.config.seed, Stream.ONLINE, index, seed, numbers), numbers)

    def calibration_requests(self, n_per_scenario: int) -> Requests:
        """Requests of an average week. Users are spread evenly over the activity distribution, not drawn."""
        n_scenarios = len(self.config.scenarios)
        numbers = np.arange(n_scenarios * n_per_scenario, dtype=np.int64)
        key = fold(self.config.seed, Stream.CALIBRATION, numbers)
        even = (numbers // n_scenarios + 0.5) / n_per_scenario
        weekend = uniform(key, Stage.WEEKEND) < self.traffic.weekend_share
        first_day = self.traffic.first_day
        return self._draw(first_day, key, numbers, numbers % n_scenarios, choose(self.users.activity_U, even), weekend)

    def _draw(
        self,
        day: date,
        key: NDArray[np.uint64],
        numbers: NDArray[np.int64],
        scenario: NDArray[np.int64] | None = None,
        user: NDArray[np.int64] | None = None,
        weekend: NDArray[np.bool_] | None = None,
    ) -> Requests:
        if scenario is None:
            scenario = choose(self.shares_S, uniform(key, Stage.SCENARIO))
        hour, exposed = self._when(day, key, scenario)
        if user is None:
            user = choose(self.users.activity_U, uniform(key, Stage.USER))
        if weekend is None:
            weekend = np.full(len(key), is_weekend(day))
        items = self._candidates(key, day)
        return Requests(day, key, numbers, user, scenario, hour, exposed, weekend, items)

    def _when(
        self, day: date, key: NDArray[np.uint64], scenario: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(R,) local hour, and epoch microseconds."""
        joint_HS = self.traffic.hour_scenario_HS
        hour_given_S = (joint_HS / joint_HS.sum(axis=0)).T
        hour = choose_by_row(hour_given_S[scenario], uniform(key, Stage.HOUR))
        # Whole milliseconds, as a log would carry them.
        within = (uniform(key, Stage.SECOND_OF_HOUR) * (HOUR_US // 1000)).astype(np.int64) * 1000
        return hour, self.traffic.hour_start_us(day)[hour] + within

    def _candidates(self, key: NDArray[np.uint64], day: date) -> NDArray[np.int64]:
        """(R, C) distinct open shops, about proportional to popularity: a repeated draw moves on to the next rank."""
        n_candidates, n_items = self.config.candidates, self.config.items
        step = np.arange(n_candidates)
        drawn = choose(self.items.popularity_M, uniform(key[:, None], Stage.CANDIDATE, step[None]))
        drawn.sort(axis=1)
        distinct = np.maximum.accumulate(drawn - step, axis=1) + step
        place = np.minimum(distinct, n_items - n_candidates + step)
        return np.sort(self.items.open_after(self._nights(day))[place], axis=1) if self.config.item_churn else place

    def distance(self, user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
        """Distance in the unit square; `user` broadcasts against `item`."""
        east, north = (
            np.take(self.users.place_U2[:, axis], user) - np.take(self.items.place_I2[:, axis], item) for axis in (0, 1)
        )
        return np.hypot(east, north)

    def appeal(self, requests: Requests) -> NDArray[np.float32]:
        """(R, C, K) logits without the base rate b, in chunks; outcomes lie apart in memory."""
        out_KRC = np.empty((N_OUTCOMES, *requests.item_RC.shape), dtype=np.float32)
        for start in range(0, len(requests), CHUNK):
            rows = slice(start, start + CHUNK)
            self._appeal(requests.part(rows), out_KRC[:, rows])
        return np.moveaxis(out_KRC, 0, -1)

    def _appeal(self, requests: Requests, out_KRC: NDArray[np.float32]) -> None:
        user, item, scenario = requests.user_R, requests.item_RC, requests.scenario_R
        taste_RFK = (self.users_UF[user, None] * self.weights_on(requests.day)[scenario]).transpose(0, 2, 1)
        liking = np.take(self.items_IF, item, axis=0) @ taste_RFK
        far = np.log1p(5 * self.distance(user[:, None], item))
        misprice = np.abs(np.take(self.items.price_I, item) - self.users.price_ideal_U[user, None])
        quality = np.take(self.items.quality_I, item)
        effects_RKE = self.effects_SKE[scenario]
        for outcome, logit in enumerate(out_KRC):
            effect = effects_RKE[:, outcome, :, None]
            np.add(liking[..., outcome], effect[:, 0] * quality, out=logit)
            logit -= effect[:, 1] * far
            logit -= effect[:, 2] * misprice
            logit += self.users.propensity_UK[user, outcome, None]
        out_KRC[ORDER] += np.float32(self.config.weekend_order) * requests.weekend_R[:, None]

    @property
    def effects_SKE(self) -> NDArray[np.float32]:  # noqa: N802
        """(S, K, 3) effects of quality, distance and price."""
        rows = [(one.quality, one.distance, one.price) for one in self.config.scenarios.values()]
        return np.array(rows, dtype=np.float32).transpose(0, 2, 1)

    def probabilities(
        self, requests: Requests, appeal_RCK: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(R, C) true P(click) at slot effect 1, and (R, C) true P(order | click)."""
        appeal = self.appeal(requests) if appeal_RCK is None else appeal_RCK
        bias_RK = self.bias_SK[requests.scenario_R]
        click, order = (expit(appeal[..., outcome] + bias_RK[:, outcome, None]) for outcome in (CLICK, ORDER))
        return click, order

    def logger_score(self, requests: Requests, appeal_RCK: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
        """(R, C) score of the logging policy: a fixed noisy view of the appeal that ignores b."""
        appeal = self.appeal(requests) if appeal_RCK is None else appeal_RCK
        noise = normal(requests.key_R[:, None], Stage.LOGGER, requests.item_RC)
        return appeal.sum(axis=2, dtype=np.float64) + self.config.logger_noise * noise

    def logged_slates(self, requests: Requests, appeal_RCK: NDArray[np.float32]) -> NDArray[np.int64]:
        """(R, N) candidate indices that the logging policy shows."""
        return top_slots(self.logger_score(requests, appeal_RCK), requests.item_RC, self.config.slots)


def choose(mass: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of a discrete distribution at positions in (0, 1) of its cumulative mass."""
    edges = np.cumsum(mass)
    return np.minimum(np.searchsorted(edges, position * edges[-1], side="right"), len(mass) - 1)


def choose_by_row(mass_RH: NDArray[np.float64], position_R: NDArray[np.float64]) -> NDArray[np.int64]:
    """One index per row, each row with its own distribution."""
    edges = np.cumsum(mass_RH, axis=1)
    return np.minimum((edges < (position_R * edges[:, -1])[:, None]).sum(axis=1), mass_RH.shape[1] - 1)


def day_number(day: date) -> int:
    return (day - EPOCH).days
