"""The grammar of a contract: one TOML file from which casts, rules, checks, features, heads and words are derived."""

import hashlib
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hinet_core.contract.checks import contradictions

ColumnType = Literal[
    "int8", "int16", "int32", "int64", "float32", "float64", "string", "bool", "timestamp", "date",
    "list<int64>", "list<string>",
]  # fmt: skip
Role = Literal[
    "request", "user", "item", "scenario", "time", "position", "propensity", "outcome", "known_at", "feature", "plain",
]  # fmt: skip
DUCKDB_TYPES = {
    "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "float32": "FLOAT",
    "float64": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN", "timestamp": "TIMESTAMP", "date": "DATE",
    "list<int64>": "BIGINT[]", "list<string>": "VARCHAR[]",
}  # fmt: skip
RESERVED = (
    "day", "day_number", "hour", "exposed_us", "scenario_id", "source_file", "record_number", "reasons", "raw",
    "exposed_at", "scenario_value", "placed_day", "verdict", "nth",
)  # fmt: skip
RESERVED_STARTS = ("label_", "known_us_", "known_day_", "claimed_", "matched_")
NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
DURATION = re.compile(r"^(\d+)(s|m|h|d)$")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class ContractError(ValueError):
    """A contract cannot be used; the text lists every mistake."""


def parse_duration(value: Any) -> timedelta:
    """'30m', '24h', '7d' as a timedelta."""
    if isinstance(value, timedelta):
        return value
    match = DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a whole number with s, m, h or d, such as '30m', '24h', '7d'")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def as_tuple(value: Any) -> Any:
    """One value where a list is allowed."""
    return value if isinstance(value, (list, tuple)) else (value,)


def is_number(value: Any) -> bool:
    """Whether a value of a contract can be compared with numbers: 1, 1.5, true, '1'."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Name = Annotated[str, Field(pattern=NAME)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Share = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Source(Part):
    """Files under landing/ of one kind. `log` rows are exposures, `side` tables are joined by key,
    `outcomes` are late labels. `path_pattern` is a regular expression whose named groups become columns."""

    name: Name
    kind: Literal["log", "side", "outcomes"] = "log"
    files: str = Field(min_length=1)
    format: Literal["parquet", "csv", "ndjson"]
    delimiter: str = Field(default=",", min_length=1)
    quote: str = Field(default='"', max_length=1)
    header: bool = True
    names: tuple[str, ...] = ()
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)
    path_pattern: str | None = None
    join: dict[str, str] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "side" and not self.join:
            raise ValueError("a side source needs join = { contract_column = 'column of the side file' }")
        if self.format == "csv" and not self.header and not self.names:
            raise ValueError("a csv without header needs names = ['first', 'second', …]")
        if self.files.startswith("/") or ".." in Path(self.files).parts:
            raise ValueError("files is a pattern inside the landing folder: no leading '/', no '..'")
        return self


class Column(Part):
    """One column of `impressions`: where it comes from, its type, its role, its rules."""

    name: Name
    type: ColumnType
    role: Role = "plain"
    source: str | None = None
    from_: Names = Field(default=(), alias="from")
    parse: str | None = None
    zone: str = "UTC"
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = ""
    strip: str = ""
    separator: str = ","
    nullable: bool = False
    min: float | None = None
    max: float | None = None
    values: tuple[Any, ...] = ()
    pattern: str | None = None
    encode: Literal["id", "number", "list"] | None = None
    unit: str = ""
    description: str = ""

    @property
    def found_in(self) -> tuple[str, ...]:
        """The names of this column in its source."""
        return self.from_ or (self.name,)

    @property
    def is_input(self) -> bool:
        """Whether the column may become a model input; outcomes and times of outcomes never do."""
        return self.encode is not None

    @property
    def is_number(self) -> bool:
        return self.type.startswith(("int", "float"))

    @property
    def duckdb_type(self) -> str:
        return DUCKDB_TYPES[self.type]

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.name.lower() in RESERVED or self.name.lower().startswith(RESERVED_STARTS):
            raise ValueError(
                f"the name {self.name!r} is kept for the platform; choose another and give the log's name in from"
            )
        if self.role in ("time", "known_at") and self.type != "timestamp":
            raise ValueError(f"a column with role {self.role!r} has type 'timestamp', found {self.type!r}")
        if self.role == "scenario" and not (self.type.startswith("int") or self.type in ("string", "bool")):
            raise ValueError(f"a column with role 'scenario' has a whole, text or bool type, found {self.type!r}")
        if self.is_number and not all(is_number(one) for one in self.values):
            raise ValueError(f"values of a column of type {self.type!r} are numbers, found {list(self.values)!r}")
        if self.role == "feature" and self.encode is None:
            raise ValueError("a feature says how it is encoded: encode = 'id', 'number' or 'list'")
        if self.encode and self.role in ("outcome", "known_at", "propensity", "position"):
            raise ValueError(f"a column with role {self.role!r} can never be an input: remove encode")
        if self.encode == "list" and not self.type.startswith("list"):
            raise ValueError(f"encode = 'list' needs type 'list<int64>' or 'list<string>', found {self.type!r}")
        if self.encode == "number" and self.type in ("string", "timestamp", "date", "list<int64>", "list<string>"):
            raise ValueError(f"encode = 'number' needs a numeric type, found {self.type!r}")
        if self.encode == "id" and self.type.startswith("list"):
            raise ValueError("a list is encoded as 'list', not 'id'")
        if self.zone not in available_timezones():
            raise ValueError(f"zone: found {self.zone!r}, allowed: an IANA name such as 'Asia/Shanghai'")
        return self


class Scenario(Part):
    """A place in the app. `values` are what the log writes for it; several values are merged into one."""

    id: str = Field(min_length=1)
    values: Annotated[tuple[Any, ...], BeforeValidator(as_tuple)] = ()
    modelled: bool = True
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

    @model_validator(mode="after")
    def _single(self) -> Self:
        if sum([self.equals is not None, bool(self.one_of), self.at_least is not None]) > 1:
            raise ValueError("a condition has one of equals, one_of, at_least")
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
            raise ValueError(f"matures_after ({self.matures_after}) is never shorter than window ({self.window})")
        return self


class Dedupe(Part):
    """Rows with equal `key` within `horizon_days` are one exposure; the earliest read is kept."""

    key: tuple[str, ...]
    horizon_days: int = Field(default=0, ge=0)


class Entity(Part):
    """What daily aggregates are kept for: one or several columns whose values form a key."""

    name: Name
    keys: tuple[str, ...] = Field(min_length=1)


class Features(Part):
    windows_days: tuple[Annotated[int, Field(ge=1)], ...] = (1, 7, 30)
    burn_in_days: int = Field(default=0, ge=0)
    prior_impressions: float = Field(default=20.0, gt=0)
    min_token_count: int = Field(default=5, ge=1)
    entities: tuple[Entity, ...] = ()


class Rates(Part):
    """Bounds of a task's positive rate per scenario and day."""

    low: Share = 0.0
    high: Share = 1.0


class Quality(Part):
    """Bounds of a day; what crosses a critical one keeps the day out (docs/operations.md)."""

    min_rows: int = Field(default=1, ge=0)
    max_quarantined_share: Share = 0.05
    max_duplicate_share: Share = 0.2
    max_unknown_scenario_share: Share = 0.0
    max_null_share: dict[str, Share] = {}
    scenario_min_rows: dict[str, int] = {}
    task_rates: dict[str, Rates] = {}


class Split(Part):
    """Training uses `train_days` before the validation day; a model is judged on `judged_days` from its as_of."""

    train_days: int = Field(default=30, ge=1)
    judged_days: int = Field(default=2, ge=1)


class LiftSection(Part):
    """Which two models the lift compares, and by which task's orders."""

    baseline: str = "shared_bottom"
    challenger: str = "hinet"


class Schedule(Part):
    retrain_at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "03:00"


class Contract(Part):
    """All that the platform knows of a log. Passed as a value, never looked up."""

    name: Name
    version: int = 1
    title: str = ""
    description: str = ""
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
    lift: LiftSection = LiftSection()
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
    def modelled(self) -> tuple[Scenario, ...]:
        return tuple(one for one in self.scenarios if one.modelled)

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that may enter a model."""
        return tuple(column for column in self.columns if column.is_input)

    @property
    def maturity_days(self) -> int:
        """m: whole days after which every task of a day is settled."""
        longest = max(task.matures_after for task in self.tasks)
        return -(-longest // timedelta(days=1))

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def data_fingerprint(self) -> str:
        """Changes when a model trained under the old contract must not be used under the new one."""
        words = {"title", "description", "unit"}
        parts = self.model_dump(mode="json", include={"columns", "scenarios", "tasks", "features", "time_zone"})
        for group in ("columns", "scenarios", "tasks"):
            parts[group] = [{key: value for key, value in one.items() if key not in words} for one in parts[group]]
        return fingerprint(parts)

    @property
    def full_fingerprint(self) -> str:
        """Changes with anything in the contract: lineage."""
        return fingerprint(self.model_dump(mode="json"))

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
