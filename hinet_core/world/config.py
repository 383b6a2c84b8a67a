"""The `[world]` section of a contract: the only tunables of the simulated world.

Scenarios, shares, rates and variance parts; no parameter names a model. The rates are stand-ins, higher
than those of a live app, so that small models can be measured on half a million impressions.
"""

import hashlib
import json
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hinet_core.contract import Contract

# Part of the hash: raise it when the same settings would draw another log.
WORLD_VERSION = 1

Rate = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
# One value for click, one for order given click.
PerStage = tuple[NotNegative, NotNegative]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Variance(_Strict):
    """Parts of the variance of a preference that are shared; they sum to 1."""

    shared: NotNegative = 0.40
    task: NotNegative = 0.10
    factor: NotNegative = 0.25
    scenario: NotNegative = 0.15
    scenario_task: NotNegative = 0.10

    @model_validator(mode="after")
    def _sums_to_one(self) -> "Variance":
        total = self.shared + self.task + self.factor + self.scenario + self.scenario_task
        if abs(total - 1) > 1e-9:
            raise ValueError(f"expected variance parts that sum to 1, found {total:.6g}")
        return self


class ScenarioWorld(_Strict):
    """One scenario: its traffic, its target rates under the logging policy, and what moves its users."""

    share: Rate
    ctr: Rate
    ctcvr: Rate
    # Unit vector over the shared factors: two scenarios are alike as far as these point the same way.
    loading: tuple[float, ...]
    quality: PerStage
    distance: PerStage
    price: PerStage
    # Slot n is looked at with probability n ** -position_decay.
    position_decay: NotNegative
    peak_hour: Annotated[int, Field(ge=0, le=23)]

    @model_validator(mode="after")
    def _is_consistent(self) -> "ScenarioWorld":
        norm = sum(value**2 for value in self.loading) ** 0.5
        if abs(norm - 1) > 1e-6:
            raise ValueError(f"expected a loading of length 1, found {norm:.6g}")
        if self.ctcvr >= self.ctr:
            raise ValueError(f"expected ctcvr below ctr, found {self.ctcvr} and {self.ctr}")
        return self


class WorldConfig(_Strict):
    """Sizes, noise and scenarios. Durations in hours, distances in km, effects on the logit."""

    seed: int = 1
    days: Annotated[int, Field(ge=1)] = 21
    requests_per_day: Annotated[int, Field(ge=1, lt=100_000_000)] = 2222
    users: Annotated[int, Field(ge=1)] = 6000
    items: Annotated[int, Field(ge=1)] = 1500
    categories: Annotated[int, Field(ge=1)] = 40
    dimensions: Annotated[int, Field(ge=1)] = 24
    candidates: Annotated[int, Field(ge=1)] = 50
    slots: Annotated[int, Field(ge=1)] = 10
    calibration_requests: Annotated[int, Field(ge=100)] = 12000
    weekend_requests: Positive = 1.25
    weekend_order: float = 0.10
    logger_noise: NotNegative = 2.0
    observation_noise: NotNegative = 0.5
    order_delay_hours: Positive = 6.0
    order_window_hours: Positive = 24.0
    city_km: Positive = 10.0
    # How strongly the share of a scenario swings over the day; 0 = not at all.
    share_swing: Annotated[float, Field(ge=0, lt=1)] = 0.5
    variance: Variance = Variance()
    scenarios: dict[str, ScenarioWorld]

    @model_validator(mode="after")
    def _is_consistent(self) -> "WorldConfig":
        if not self.scenarios:
            raise ValueError("expected at least one scenario, found none")
        if len({len(one.loading) for one in self.scenarios.values()}) != 1:
            raise ValueError("expected loadings of one length in all scenarios")
        total = sum(one.share for one in self.scenarios.values())
        if len(self.scenarios) > 1 and abs(total - 1) > 1e-9:
            raise ValueError(f"expected shares that sum to 1, found {total:.6g}")
        if not self.slots <= self.candidates <= self.items:
            raise ValueError(
                f"expected slots <= candidates <= items, found {self.slots}, {self.candidates}, {self.items}"
            )
        if self.dimensions < self.directions:
            raise ValueError(f"expected at least {self.directions} dimensions, found {self.dimensions}")
        return self

    @property
    def n_factors(self) -> int:
        return len(next(iter(self.scenarios.values())).loading)

    @property
    def directions(self) -> int:
        """Orthogonal directions that the correlation structure needs: 1 + 2 + F + S + 2 S."""
        return 3 + self.n_factors + 3 * len(self.scenarios)


def read_config(contract: Contract) -> WorldConfig:
    """The validated world of a contract; ValueError names the key, what was found and what to do."""
    if contract.world is None:
        raise ValueError(f"contract {contract.name}: expected a [world] section to simulate, found none")
    try:
        config = WorldConfig.model_validate(contract.world)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["world", *map(str, first["loc"])])
        raise ValueError(f"contract {contract.name}: key {where}: {first['msg']}") from error
    expected = {one.id for one in contract.modelled}
    if expected != set(config.scenarios):
        raise ValueError(
            f"contract {contract.name}: expected world.scenarios {sorted(expected)}, found {sorted(config.scenarios)}"
        )
    if len(contract.tasks) != 2:
        raise ValueError(
            f"contract {contract.name}: a simulated world has a click and an order task, "
            f"found {len(contract.tasks)} tasks"
        )
    return config


def world_hash(config: WorldConfig, first_day: date, time_zone: str) -> str:
    """Twelve hex digits that change with everything that the log of the world depends on."""
    content: dict[str, Any] = {
        "config": config.model_dump(mode="json"),
        "first_day": first_day.isoformat(),
        "time_zone": time_zone,
        "version": WORLD_VERSION,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
