"""Fields made of other columns: numbers of numbers and lists, a number by its buckets, columns as one id; and what
they owe the rest."""

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from hinet_core.contract.columns import Column
from hinet_core.contract.computed import Computed, computed_features
from hinet_core.contract.part import Part
from hinet_core.contract.values import Name

if TYPE_CHECKING:
    from hinet_core.contract.grammar import Contract

# Id fields that every log has, beside its columns.
GIVEN = ("scenario_id", "hour", "weekday")
MOST_BUCKETS = 100

Bound = Annotated[float, Field(allow_inf_nan=False)]


class MadeNumber(Part):
    """(of + prior * base) / (per + prior), where a list stands for its length; without `per`, `of` itself.

    With `equal_to`, `of` is a list and stands for how many of its items are the row's value of that column; with
    `also_in`, for how many stand in that other list, too.
    """

    name: Name
    of: str
    equal_to: str | None = None
    also_in: str | None = None
    per: str | None = None
    prior: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    base: float = Field(default=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        for key in ("prior", "base"):
            if self.per is None and getattr(self, key):
                raise ValueError(f"{key}: found {getattr(self, key):g}, allowed: none without per")
        if self.base and not self.prior:
            raise ValueError(f"base: found {self.base:g}, allowed: with a prior, which says what it weighs")
        if self.equal_to and self.also_in:
            raise ValueError(f"also_in: found {self.also_in!r} beside equal_to, allowed: one of them")
        return self


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
    made = {one.name for one in contract.features.numbers}
    return {one.name for one in declared(contract) if one.encode == "number"} | made


def list_names(contract: "Contract") -> set[str]:
    """What can be counted in."""
    return {one.name for one in declared(contract) if one.encode == "list"}


def id_names(contract: "Contract") -> set[str]:
    """What can be crossed: single values that are ids, or numbers by their buckets."""
    ids = {one.name for one in declared(contract) if one.encode == "id"}
    return ids | who_and_what(contract) | {*GIVEN} | {one.name for one in contract.features.buckets}


def who_and_what(contract: "Contract") -> set[str]:
    """The columns of the user and the item, encoded or not: every row of `examples` has them."""
    return {column.name for role in ("user", "item") for column in contract.columns_with(role)}  # type: ignore[arg-type]


def field_references(contract: "Contract") -> list[tuple[str, str, set[str]]]:
    """Every name that buckets and crosses use: where it stands, the name, the names that exist."""
    numbers, ids, lists = number_names(contract), id_names(contract), list_names(contract)
    # Numbers are not made of made ones: then no order matters.
    given = {one.name for one in declared(contract) if one.encode == "number"} | lists
    single = {one.name for one in declared(contract) if one.encode == "id"} | who_and_what(contract) | {"scenario_id"}
    uses = []
    for one in contract.features.numbers:
        where = f"features.numbers.{one.name}"
        uses.append((f"{where}.of", one.of, lists if one.equal_to or one.also_in else given))
        uses += [(f"{where}.per", one.per, given)] if one.per else []
        uses += [(f"{where}.equal_to", one.equal_to, single)] if one.equal_to else []
        uses += [(f"{where}.also_in", one.also_in, lists)] if one.also_in else []
    uses += [(f"features.buckets.{one.name}.of", one.of, numbers) for one in contract.features.buckets]
    return uses + [
        (f"features.crosses.{one.name}.columns", name, ids) for one in contract.features.crosses for name in one.columns
    ]


def check_field_names(contract: "Contract") -> list[str]:
    """A field is found by its name; a cross of a column with itself is that column."""
    made = [("numbers", one.name) for one in contract.features.numbers]
    made += [("buckets", one.name) for one in contract.features.buckets]
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
