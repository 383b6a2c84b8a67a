"""The grammar of a contract: one TOML file from which casts, rules, checks, features, heads and words are derived."""

import hashlib
import json
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from hinet_core.contract.bounds import Quality
from hinet_core.contract.checks import contradictions
from hinet_core.contract.columns import MAX_LIST_LENGTH, Column, Role, Source
from hinet_core.contract.computed import IMPRESSIONS
from hinet_core.contract.fields import Buckets, Cross, MadeNumber
from hinet_core.contract.off_policy import Question
from hinet_core.contract.part import Part
from hinet_core.contract.training import TrainingSection
from hinet_core.contract.values import Clock, ContractName, Duration, Name, as_tuple, as_written, is_number


class ContractError(ValueError):
    """A contract cannot be used; the text lists every mistake."""


class Scenario(Part):
    """A place in the app. `values` are what the log writes for it; several values are merged into one. A `retired`
    one is no longer in the app: its rows are kept, and new ones are reported."""

    id: str = Field(min_length=1)
    values: Annotated[tuple[Any, ...], BeforeValidator(as_tuple)] = ()
    modelled: bool = True
    retired: bool = False
    title: str = ""

    @property
    def log_values(self) -> tuple[str, ...]:
        # As DuckDB writes them: true, not True.
        return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in self.values) or (self.id,)


class Condition(Part):
    """A fact about one column that makes a label positive."""

    column: str
    equals: Any = None
    one_of: tuple[Any, ...] = ()
    at_least: float | None = None
    present: Literal[True] | None = None

    @model_validator(mode="after")
    def _single(self) -> Self:
        given = [self.equals is not None, bool(self.one_of), self.at_least is not None, self.present is not None]
        if sum(given) > 1:
            raise ValueError("a condition has one of equals, one_of, at_least, present")
        return self

    def fits(self, column: Column) -> bool:
        """Whether the column's type can be compared so."""
        options = self.one_of if self.equals is None else (self.equals,)
        if not column.is_number:
            return self.at_least is None
        return all(is_number(one) for one in options)


def as_conditions(value: Any) -> Any:
    """'is_click' and {column = …} and a list of them are all conditions that must hold together."""
    return tuple({"column": one} if isinstance(one, str) else one for one in as_tuple(value))


class Task(Part):
    """A step of the funnel. An outcome counts inside `window`; a row is settled `matures_after` its exposure."""

    name: Name
    label: Annotated[tuple[Condition, ...], BeforeValidator(as_conditions)]
    after: str | None = None
    on_violation: Literal["clip", "quarantine"] = "clip"
    known_at: str | None = None
    window: Duration = timedelta(0)
    matures_after: Duration = timedelta(0)
    title: str = ""
    unit: str = ""

    @model_validator(mode="after")
    def _times(self) -> Self:
        if self.matures_after < self.window:
            found, window = as_written(self.matures_after), as_written(self.window)
            raise ValueError(f"matures_after ({found}) is never shorter than window ({window})")
        return self


class Dedupe(Part):
    """Rows with equal `key` within `horizon_days` are one exposure; the earliest read is kept."""

    key: tuple[str, ...]
    horizon_days: int = Field(default=0, ge=0, le=3650)


class Entity(Part):
    """What daily aggregates are kept for: one or several columns whose values form a key; and what models get of it.

    Tasks are named in `counts` (beside 'impressions'), `rates` (without it: every task), `coec` (outcomes over those
    expected at the logged scenario and slot) and `residual` (rate minus the one expected in the scenarios).
    `lifetime` is one more window: all days before.
    """

    name: Name
    keys: tuple[str, ...] = Field(min_length=1)
    counts: tuple[str, ...] = (IMPRESSIONS,)
    rates: tuple[str, ...] | None = None
    coec: tuple[str, ...] = ()
    residual: tuple[str, ...] = ()
    recency: bool = True
    days_active: bool = False
    lifetime: bool = False


class Recent(Part):
    """The last values of the column `of` that each key of an entity met before the day, newest first.

    A value is met when it was shown, or when an outcome of `task` became known; `distinct` keeps its newest place.
    """

    name: Name
    entity: str
    of: str
    task: str | None = None
    length: int = Field(default=10, ge=1, le=MAX_LIST_LENGTH)
    within_days: int = Field(default=30, ge=1)
    distinct: bool = True


class Features(Part):
    windows_days: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 7, 30), min_length=1)
    burn_in_days: int = Field(default=0, ge=0)
    prior_impressions: float = Field(default=20.0, gt=0)
    min_token_count: int = Field(default=5, ge=1)
    entities: tuple[Entity, ...] = ()
    recent: tuple[Recent, ...] = ()
    numbers: tuple[MadeNumber, ...] = ()
    buckets: tuple[Buckets, ...] = ()
    crosses: tuple[Cross, ...] = ()


KeptShare = Annotated[float, Field(gt=0, le=1)]


class Split(Part):
    """Training uses `train_days` before the validation day; a model is judged on `judged_days` from its as_of.

    Of the training rows without any positive, `negative_rate` is the share that is kept, per scenario.
    """

    train_days: int = Field(default=30, ge=1)
    judged_days: int = Field(default=2, ge=1)
    negative_rate: dict[str, KeptShare] = Field(default_factory=dict)


class LiftSection(Part):
    """Which two models the lift compares, by which task's orders, and how large their simulated test is.

    Requests of the replay (L2, guardrails) are per scenario, those of the online test (L3) of both arms and all days.
    """

    baseline: Name = "shared_bottom"
    challenger: Name = "hinet"
    replay_requests: int = Field(default=400, ge=1)
    test_days: int = Field(default=14, ge=1)
    test_requests: int = Field(default=8_000, ge=1)

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.baseline == self.challenger:
            raise ValueError(f"challenger: found {self.challenger!r}, allowed: another model than the baseline")
        return self


class Schedule(Part):
    retrain_at: Clock = "03:00"


class Origin(Part):
    """Where a public log is offered: the files that are read, as they are called there, and the archives they come in
    (patterns; ranges as in `names`)."""

    dataset: str
    page: str = ""
    licence: str = ""
    files: tuple[str, ...] = Field(min_length=1)
    archives: tuple[str, ...] = ()


class Contract(Part):
    """All that the platform knows of a log. Passed as a value, never looked up."""

    name: ContractName
    extend: str | None = None
    without: tuple[str, ...] = ()
    version: int = 1
    title: str = ""
    description: str = ""
    origin: Origin | None = None
    time_zone: str
    first_day: date
    last_day: date | None = None
    sources: tuple[Source, ...] = Field(min_length=1)
    columns: tuple[Column, ...] = Field(min_length=1)
    scenarios: tuple[Scenario, ...] = Field(min_length=1)
    tasks: tuple[Task, ...] = Field(min_length=1)
    dedupe: Dedupe
    features: Features = Features()
    quality: Quality = Quality()
    split: Split = Split()
    training: TrainingSection = TrainingSection()
    lift: LiftSection = LiftSection()
    off_policy: tuple[Question, ...] = ()
    schedule: Schedule = Schedule()
    world: dict[str, Any] | None = None

    def columns_with(self, role: Role) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.role == role)

    def column_for(self, role: Role) -> Column | None:
        """The one column of a role, or None when the log has none."""
        found = self.columns_with(role)
        return found[0] if found else None

    def name_of(self, role: Role) -> str:
        """The name of the column of a required role."""
        column = self.column_for(role)
        if column is None:
            raise ContractError(f"{self.name}: no column has role {role!r}")
        return column.name

    def source_of(self, column: Column) -> Source:
        return next(one for one in self.sources if one.name == (column.source or self.log.name))

    @property
    def log(self) -> Source:
        return next(one for one in self.sources if one.kind == "log")

    @property
    def outcome_sources(self) -> tuple[Source, ...]:
        """The sources whose rows come later than the exposures that they belong to."""
        return tuple(one for one in self.sources if one.kind == "outcomes")

    def columns_of(self, source: Source) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if self.source_of(column) == source)

    @property
    def late_columns(self) -> tuple[Column, ...]:
        """What the sources of outcomes say: missing in `impressions` where no outcome came, and never an input."""
        return tuple(column for column in self.columns if self.source_of(column).kind == "outcomes")

    def late_source(self, task: Task) -> Source | None:
        """The source of outcomes whose rows make the task's label; None where the log alone makes it."""
        used = {*(part.column for part in task.label), task.known_at}
        return next((self.source_of(column) for column in self.late_columns if column.name in used), None)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are trained as of each day, by the names of their files, sorted."""
        return tuple(sorted({*self.training.models, self.lift.baseline, self.lift.challenger}))

    @property
    def questions(self) -> tuple[Question, ...]:
        """What is asked of the log's propensities: of a log that has some, at least what random display is worth."""
        if self.off_policy or self.column_for("propensity") is None:
            return self.off_policy
        return (Question(name="uniform"),)

    @property
    def modelled(self) -> tuple[Scenario, ...]:
        return tuple(one for one in self.scenarios if one.modelled)

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that may enter a model."""
        return tuple(column for column in self.columns if column.is_input)

    @property
    def id_inputs(self) -> tuple[Column, ...]:
        """The inputs with one id a row whose values may be named: not those of users and requests."""
        return tuple(one for one in self.inputs if one.encode == "id" and one.role not in ("user", "request"))

    @property
    def maturity_days(self) -> int:
        """m: whole days after which every task of a day is settled."""
        longest = max(task.matures_after for task in self.tasks)
        return -(-longest // timedelta(days=1))

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    # A key that a contract does not use stays out of both, so that a new key of the grammar retires no model.

    @property
    def data_fingerprint(self) -> str:
        """Changes when a model trained under the old contract must not be used under the new one."""
        return fingerprint(self.data_content)

    @property
    def data_content(self) -> dict[str, Any]:
        """What `data_fingerprint` is made from, in JSON values: columns, scenarios, tasks, features, time zone."""
        words = {"title", "description", "unit", "retired"}
        named = {"columns", "scenarios", "tasks", "features", "time_zone"}
        parts = self.model_dump(mode="json", include=named, exclude_defaults=True)
        for group in ("columns", "scenarios", "tasks"):
            parts[group] = [{key: value for key, value in one.items() if key not in words} for one in parts[group]]
        return parts

    @property
    def full_fingerprint(self) -> str:
        """Changes with anything in the contract: lineage."""
        return fingerprint(self.model_dump(mode="json", exclude_defaults=True))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = contradictions(self)
        if problems:
            raise ValueError("\n".join(problems))
        return self


def fingerprint(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def label_column(task: str) -> str:
    return f"label_{task}"


def known_us_column(task: str) -> str:
    return f"known_us_{task}"


def known_day_column(task: str) -> str:
    return f"known_day_{task}"
