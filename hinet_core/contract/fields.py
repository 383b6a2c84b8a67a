"""Id fields made of other columns: a number by its buckets, two or three columns as one. What they owe the rest."""

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from hinet_core.contract.columns import Column, Part
from hinet_core.contract.computed import Computed, computed_features
from hinet_core.contract.values import Name

if TYPE_CHECKING:
    from hinet_core.contract.grammar import Contract

# Id fields that every log has, beside its columns.
GIVEN = ("scenario_id", "hour", "weekday")
MOST_BUCKETS = 100

Bound = Annotated[float, Field(allow_inf_nan=False)]


class Buckets(Part):
    """A number as an id field: bucket k holds what is at least the k-th bound, or an equal share of the rows."""

    name: Name
    of: str
    bounds: tuple[Bound, ...] = Field(default=(), max_length=MOST_BUCKETS)
    quantiles: int | None = Field(default=None, ge=2, le=MOST_BUCKETS)
    min_count: int | None = Field(default=None, ge=1)
    keep_number: bool = True

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.bounds) == (self.quantiles is not None):
            raise ValueError("buckets have either bounds = [10, 50] or quantiles = 10")
        if any(low >= high for low, high in pairwise(self.bounds)):
            raise ValueError(f"bounds: found {list(self.bounds)}, allowed: rising numbers")
        return self


class Cross(Part):
    """Two or three columns as one id field: a token for each combination that occurs."""

    name: Name
    columns: tuple[str, ...] = Field(min_length=2, max_length=3)
    min_count: int | None = Field(default=None, ge=1)


def declared(contract: "Contract") -> tuple[Column | Computed, ...]:
    """Everything that may enter a model: columns of the log, then computed features."""
    return (*contract.inputs, *computed_features(contract))


def number_names(contract: "Contract") -> set[str]:
    """What can be put into buckets."""
    return {one.name for one in declared(contract) if one.encode == "number"}


def id_names(contract: "Contract") -> set[str]:
    """What can be crossed: single values that are ids, or numbers by their buckets."""
    ids = {one.name for one in declared(contract) if one.encode == "id"}
    who_and_what = {column.name for role in ("user", "item") for column in contract.columns_with(role)}  # type: ignore[arg-type]
    return ids | who_and_what | {*GIVEN} | {one.name for one in contract.features.buckets}


def field_references(contract: "Contract") -> list[tuple[str, str, set[str]]]:
    """Every name that buckets and crosses use: where it stands, the name, the names that exist."""
    numbers, ids = number_names(contract), id_names(contract)
    uses = [(f"features.buckets.{one.name}.of", one.of, numbers) for one in contract.features.buckets]
    return uses + [
        (f"features.crosses.{one.name}.columns", name, ids) for one in contract.features.crosses for name in one.columns
    ]


def check_field_names(contract: "Contract") -> list[str]:
    """A field is found by its name; a cross of a column with itself is that column."""
    made = [("buckets", one.name) for one in contract.features.buckets]
    made += [("crosses", one.name) for one in contract.features.crosses]
    taken = {one.name.lower() for one in contract.columns} | {one.name.lower() for one in declared(contract)} | {*GIVEN}
    names = [name.lower() for _, name in made]
    problems = [
        f"features.{kind}.{name}: the name is taken, allowed: one that no column, computed feature or other field bears"
        for kind, name in made
        if name.lower() in taken or names.count(name.lower()) > 1
    ]
    return problems + [
        f"features.crosses.{one.name}.columns: found {list(one.columns)}, allowed: different columns"
        for one in contract.features.crosses
        if len(set(one.columns)) < len(one.columns)
    ]
