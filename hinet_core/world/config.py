"""The `[world]` section of a contract: the only tunables of the simulated world.

Scenarios, shares, rates and variance parts; no parameter names a model. The rates are stand-ins, higher
than those of a live app, so that small models can be measured on half a million impressions.
"""

import hashlib
import json
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hinet_core.contract import Contract
from hinet_core.contract.load import plain

# Part of the hash: raise it when the same settings would draw another log.
WORLD_VERSION = 1
# Settings younger than the version: section, key, and the value at which the world is what it was without them.
LATER = (
    ("variance", "interaction", 0.0), (None, "drift_per_day", 0.0), (None, "item_churn", 0.0),
    (None, "units_per_order", 1.0),
)  # fmt: skip

Rate = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
# One value for click, one for order given click.
PerStage = tuple[NotNegative, NotNegative]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Variance(_Strict):
    """Parts of the variance of a preference that are shared; they sum to 1."""

    shared: NotNegative = 0.40
    task: NotNegative = 0.10
    factor: NotNegative = 0.25
    scenario: NotNegative = 0.15
    scenario_task: NotNegative = 0.10
    # Of the whole variance: how much of it is in products of two matches, which a sum of matches does not tell.
    interaction: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _sums_to_one(self) -> "Variance":
        total = self.shared + self.task + self.factor + self.scenario + self.scenario_task
        if abs(total - 1) > 1e-9:
            raise ValueError(
                f"expected shared, task, factor, scenario and scenario_task that sum to 1, found {total:.6g}; "
                "what one loses another has to gain"
            )
        return self


class ScenarioWorld(_Strict):
    """One scenario: its traffic, its target rates under the logging policy, and what moves its users."""

    # 1 where there is no other scenario.
    share: Annotated[float, Field(gt=0, le=1)]
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
            raise ValueError(f"expected a loading of length 1, found {norm:.6g}; divide every entry by it")
        if self.ctcvr >= self.ctr:
            raise ValueError(
                f"expected ctcvr below ctr, found {self.ctcvr} and {self.ctr}; both are rates per impression, and only "
                "what is clicked is ordered"
            )
        return self


class WorldConfig(_Strict):
    """Sizes, noise and scenarios. Durations in hours, distances in km, effects on the logit."""

    # Below 2^63: keys of draws are made of it.
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    days: Annotated[int, Field(ge=1, le=36_525)] = 21
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
    # What users like turns by so many radians a day, from the first day on (preferences.turned).
    drift_per_day: NotNegative = 0.0
    # Of the open shops, how many close every night; as many new ones open in their places.
    item_churn: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # Mean number of units in an order; the log has a column `units` where it is above 1.
    # The log keeps 16 bits of it.
    units_per_order: Annotated[float, Field(ge=1, le=1000)] = 1.0
    variance: Variance = Variance()
    scenarios: dict[str, ScenarioWorld]

    @model_validator(mode="after")
    def _is_consistent(self) -> "WorldConfig":
        if not self.scenarios:
            raise ValueError("expected at least one scenario, found none; add [world.scenarios.<id>]")
        if len(lengths := {len(one.loading) for one in self.scenarios.values()}) != 1:
            raise ValueError(
                f"expected loadings of one length in all scenarios, found lengths {sorted(lengths)}; fill up with 0"
            )
        total = sum(one.share for one in self.scenarios.values())
        if len(self.scenarios) > 1 and abs(total - 1) > 1e-9:
            raise ValueError(f"expected shares that sum to 1, found {total:.6g}; change the share of a scenario")
        if not round(self.requests_per_day * min(self.weekend_requests, 1.0)):
            raise ValueError(
                f"expected a request or more on every day, found {self.requests_per_day} a day and "
                f"{self.weekend_requests:g} of that on weekends; raise requests_per_day or weekend_requests"
            )
        if not self.slots <= self.candidates <= self.items:
            raise ValueError(
                f"expected slots <= candidates <= items, found {self.slots}, {self.candidates}, {self.items}; "
                "raise items, or lower what is above it"
            )
        if self.dimensions < self.directions:
            raise ValueError(
                f"expected at least {self.directions} dimensions, found {self.dimensions}; "
                "three, one per factor and three per scenario are needed"
            )
        if self.drift_per_day and self.dimensions % 2:
            raise ValueError(
                f"expected an even number of dimensions where drift_per_day is above 0, found {self.dimensions}; "
                "add one, since tastes turn in planes"
            )
        if self.item_churn and not self.new_items_per_day:
            raise ValueError(
                f"expected an item_churn that replaces a shop a day or more, found {self.item_churn} of {self.items} "
                f"items; at least {0.5 / self.items:.2g} does, or 0 for no churn"
            )
        return self

    @property
    def new_items_per_day(self) -> int:
        return round(self.item_churn * self.items)

    @property
    def n_factors(self) -> int:
        return len(next(iter(self.scenarios.values())).loading)

    @property
    def directions(self) -> int:
        """Orthogonal directions that the correlation structure needs: 1 + 2 + F + S + 2 S."""
        return 3 + self.n_factors + 3 * len(self.scenarios)


def read_config(contract: Contract) -> WorldConfig:
    """The validated world of a contract; ValueError names the key, what was found and what is allowed."""
    if contract.world is None:
        raise ValueError(f"contract {contract.name}: expected a [world] section to simulate, found none")
    try:
        config = WorldConfig.model_validate(contract.world)
    except ValidationError as error:
        raise ValueError("\n".join(f"contract {contract.name}: {_told(one)}" for one in error.errors())) from error
    expected = {one.id for one in contract.modelled}
    if expected != set(config.scenarios):
        raise ValueError(
            f"contract {contract.name}: expected world.scenarios {sorted(expected)}, found {sorted(config.scenarios)}; "
            "every modelled scenario has one [world.scenarios.<id>]"
        )
    if len(contract.tasks) != 2:
        raise ValueError(
            f"contract {contract.name}: a simulated world has a click and an order task, "
            f"found {len(contract.tasks)} tasks; leave the others out, or the [world]"
        )
    return config


def _told(error: Any) -> str:
    """One mistake as a sentence: key, found, allowed."""
    key = ".".join(["key world", *map(str, error["loc"])])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{key}: found nothing, allowed: a value (this key is required)"
    if error["type"] == "extra_forbidden":
        near = get_close_matches(str(error["loc"][-1]), _known_keys(), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{key}: unknown key; {hint}WorldConfig in hinet_core/world/config.py has the keys that exist"
    if error["type"] == "value_error":
        return f"{key}: {message}"
    return f"{key}: found {error['input']!r}, allowed: {plain(error, message)}"


def _known_keys() -> list[str]:
    return [key for part in (WorldConfig, ScenarioWorld, Variance) for key in part.model_fields]


def world_hash(config: WorldConfig, first_day: date, time_zone: str) -> str:
    """Twelve hex digits that change with everything that the log of the world depends on."""
    settings = config.model_dump(mode="json")
    # Settings that came later change nothing while they are off, so logs written before them stay of this world.
    for place, key, off in LATER:
        if (settings[place] if place else settings)[key] == off:
            del (settings[place] if place else settings)[key]
    content: dict[str, Any] = {
        "config": settings,
        "first_day": first_day.isoformat(),
        "time_zone": time_zone,
        "version": WORLD_VERSION,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
