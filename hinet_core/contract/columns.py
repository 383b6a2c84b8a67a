"""Where rows come from and what a column is: sources, columns, roles, types."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from hinet_core.contract.part import Part
from hinet_core.contract.values import (
    EPOCHS,
    Delimiter,
    Duration,
    Encoding,
    Mark,
    Name,
    Names,
    OneGroup,
    PathPattern,
    Pattern,
    TimeFormat,
    Written,
    as_written,
    is_number,
    time_zones,
)

ColumnType = Literal[
    "int8", "int16", "int32", "int64", "float32", "float64", "string", "bool", "timestamp", "date",
    "list<int64>", "list<float64>", "list<string>",
]  # fmt: skip
Role = Literal[
    "request", "user", "item", "scenario", "time", "position", "propensity", "outcome", "known_at", "feature", "plain",
]  # fmt: skip
DUCKDB_TYPES = {
    "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "float32": "FLOAT",
    "float64": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN", "timestamp": "TIMESTAMP", "date": "DATE",
    "list<int64>": "BIGINT[]", "list<float64>": "DOUBLE[]", "list<string>": "VARCHAR[]",
}  # fmt: skip
MAX_LIST_LENGTH = 100
LIST_LENGTH = 8  # items that a model reads where the contract does not say
RESERVED = (
    "day", "day_number", "hour", "exposed_us", "scenario_id", "source_file", "record_number", "reasons", "raw",
    "exposed_at", "scenario_value", "placed_day", "verdict", "nth",
)  # fmt: skip
RESERVED_STARTS = ("label_", "known_us_", "known_day_", "claimed_", "reported_", "matched_")


class Source(Part):
    """Files under landing/ of one kind. `log` rows are exposures, `side` tables are joined by key, and so are
    `outcomes`, which come later and may be dated up to `early` before their exposure (clocks differ). A side table says
    what was known at 00:00 of `as_of`: exposures before that day have none of it.
    `path_pattern` is a regular expression whose named groups become columns."""

    name: Name
    kind: Literal["log", "side", "outcomes"] = "log"
    files: str = Field(min_length=1)
    format: Literal["parquet", "csv", "ndjson"]
    delimiter: Delimiter = ","
    quote: str = Field(default='"', max_length=1)
    header: bool = True
    names: tuple[str, ...] = ()
    encoding: Encoding = "utf-8"
    null_values: tuple[str, ...] = ("",)
    path_pattern: PathPattern | None = None
    join: dict[str, str] = Field(default={})
    early: Duration = timedelta(0)
    as_of: date | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind != "log" and not self.join:
            raise ValueError(f"kind {self.kind!r} needs join = {{ contract_column = 'column of the file' }}")
        if self.early and self.kind != "outcomes":
            found = f"found {as_written(self.early)}"
            raise ValueError(f"early: {found}, allowed: only with kind = 'outcomes', found {self.kind!r}")
        if self.as_of and self.kind != "side":
            raise ValueError(f"as_of: found {self.as_of}, allowed: only with kind = 'side', found {self.kind!r}")
        if self.format == "csv" and not self.header and not self.names:
            raise ValueError("a csv without header needs names = ['first', 'second', …]")
        if self.files.startswith("/") or ".." in Path(self.files).parts:
            raise ValueError("files is a pattern inside the landing folder: no leading '/', no '..'")
        return self


class Spread(Part):
    """Rows without a time are dealt to `over_days` days by a hash of the columns `by`: the same on every machine."""

    over_days: int = Field(ge=1, le=36_500)
    by: Names = Field(min_length=1)


class Column(Part):
    """One column of `impressions`: where it comes from, its type, its role, its rules."""

    name: Name
    type: ColumnType
    role: Role = "plain"
    source: str | None = None
    from_: Names = Field(default=(), alias="from")
    optional: bool = False
    constant: Written | None = None
    null_values: tuple[Written, ...] = ()
    extract: OneGroup | None = None
    map: dict[str, Written] = Field(default={})
    spread: Spread | None = None
    parse: TimeFormat | None = None
    zone: str = "UTC"
    decimal: Literal[".", ","] = "."
    thousands: Mark = ""
    strip: str = ""
    separator: str = ","
    counted_by: str | None = None
    through: str | None = None
    also_in: str | None = None
    alike_to: str | None = None
    nullable: bool = False
    min: float | None = None
    max: float | None = None
    values: tuple[Any, ...] = ()
    pattern: Pattern | None = None
    encode: Literal["id", "number", "list"] | None = None
    min_count: int | None = Field(default=None, ge=1)
    length: int | None = Field(default=None, ge=0, le=MAX_LIST_LENGTH)
    newest: Literal["first", "last"] = "first"
    in_x: bool = True
    unit: str = ""
    description: str = ""

    @property
    def found_in(self) -> tuple[str, ...]:
        """The names of this column in its source; none where the contract itself says the value."""
        says = self.constant is not None or self.spread is not None
        return self.from_ if says else self.from_ or (self.name,)

    @property
    def is_input(self) -> bool:
        """Whether the column may become a model input; outcomes and times of outcomes never do."""
        return self.encode is not None

    @property
    def reads_list(self) -> bool:
        """Whether its cells hold lists: it is one, or a number of them."""
        return self.type.startswith("list") or self.is_of_lists

    @property
    def is_of_lists(self) -> bool:
        """Whether it is a number of all lists of its side table, and not of a cell of it."""
        return self.counted_by is not None or self.alike_to is not None

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
        if self.min_count is not None and self.encode not in ("id", "list"):
            raise ValueError(f"min_count: found {self.min_count}, allowed: none without encode = 'id' or 'list'")
        if not self.in_x and self.encode is None:
            raise ValueError("in_x: found false, allowed: with encode, since a column without it is no input anyway")
        for key, given in (("length", self.length is not None), ("newest", self.newest != "first")):
            if given and self.encode != "list":
                raise ValueError(f"{key}: found {getattr(self, key)!r}, allowed: none without encode = 'list'")
        if self.encode == "list" and self.type not in ("list<int64>", "list<string>"):
            raise ValueError(f"encode = 'list' needs type 'list<int64>' or 'list<string>', found {self.type!r}")
        if self.encode == "number" and not (self.is_number or self.type == "bool"):
            raise ValueError(f"encode = 'number' needs a numeric type, found {self.type!r}")
        if self.encode == "id" and self.type.startswith("list"):
            raise ValueError("a list is encoded as 'list', not 'id'")
        if self.zone not in time_zones():
            raise ValueError(f"zone: found {self.zone!r}, allowed: an IANA name such as 'Asia/Shanghai'")
        if self.parse is not None and self.type not in ("timestamp", "date"):
            raise ValueError(f"parse: found {self.parse!r}, allowed: none, since type {self.type!r} is no time")
        if self.parse in (*EPOCHS, "iso") and self.type == "date":
            raise ValueError(f"parse: found {self.parse!r}, allowed: a format such as '%Y%m%d', or none for 2026-03-01")
        for key, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and not self.is_number:
                raise ValueError(f"{key}: found {bound:g}, allowed: none, since type {self.type!r} is no number")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min: found {self.min:g}, allowed: at most max ({self.max:g})")
        return self

    @model_validator(mode="after")
    def _mapped(self) -> Self:
        if self.constant is not None and self.from_:
            raise ValueError(f"constant: found {self.constant!r} beside from, allowed: one of them")
        if self.optional and not (self.nullable or "" in self.map):
            raise ValueError("optional: found true, allowed: with nullable = true, or a map that says what '' means")
        if self.map and self.type.startswith("list"):
            raise ValueError(f"map: found one of a {self.type}, allowed: none, since it renames single values")
        if self.spread is not None and self.role != "time":
            raise ValueError(f"spread: found one of a column with role {self.role!r}, allowed: role 'time'")
        if self.counted_by is not None and not self.type.startswith("int"):
            raise ValueError(f"counted_by: found {self.counted_by!r}, allowed: with a whole type, found {self.type!r}")
        if self.through is not None and self.counted_by is None:
            raise ValueError(f"through: found {self.through!r}, allowed: with counted_by")
        if self.alike_to is not None and (self.counted_by is not None or not self.type.startswith("float")):
            raise ValueError(f"alike_to: found {self.alike_to!r}, allowed: without counted_by, with type float")
        if self.also_in is not None and self.counted_by is None:
            raise ValueError(f"also_in: found {self.also_in!r}, allowed: with counted_by")
        if self.thousands == self.decimal:
            raise ValueError(f"thousands: found {self.thousands!r}, allowed: another mark than that of decimals")
        wrong = [one for one in self.strip if one in f"0123456789+-{self.decimal}"]
        if wrong:
            raise ValueError(f"strip: found {wrong[0]!r}, allowed: no digit, sign or decimal mark")
        return self
