"""What the [features] section owes the rest of a contract: names that exist, keys known before the exposure."""

from typing import TYPE_CHECKING

from hinet_core.contract.computed import IMPRESSIONS, computed_features

if TYPE_CHECKING:
    from hinet_core.contract.grammar import Contract

Use = tuple[str, str, set[str]]


def feature_references(contract: "Contract") -> list[Use]:
    """Every name that the section uses: where it stands, the name, the names that exist."""
    tasks = {one.name for one in contract.tasks}
    keyed = {one.name for one in contract.columns} | {"scenario_id"}
    uses: list[Use] = []
    for entity in contract.features.entities:
        where = f"features.entities.{entity.name}"
        uses += [(f"{where}.keys", name, keyed) for name in entity.keys]
        uses += [(f"{where}.counts", name, tasks | {IMPRESSIONS}) for name in entity.counts]
        for key in ("rates", "coec", "residual"):
            uses += [(f"{where}.{key}", name, tasks) for name in getattr(entity, key) or ()]
    return uses


def check_entity_keys(contract: "Contract") -> list[str]:
    """Aggregates are keyed by what is known before the exposure."""
    return [
        problem
        for entity in contract.features.entities
        for key in entity.keys
        for problem in no_key(contract, f"features.entities.{entity.name}.keys", key)
    ]


def no_key(contract: "Contract", where: str, name: str) -> list[str]:
    """Why a column cannot say who or what was shown: it is an outcome, or no single value."""
    column = next((one for one in contract.columns if one.name == name), None)
    if column is None:
        return []
    if column in contract.late_columns or column.role in ("outcome", "known_at", "propensity"):
        return [f"{where}: {name!r} has role {column.role!r}; an outcome cannot be a key"]
    if column.type.startswith("list"):
        return [f"{where}: {name!r} has type {column.type!r}, allowed: a column of single values"]
    return []


def check_positions(contract: "Contract") -> list[str]:
    """What is expected of a slot needs the slot."""
    return [
        f"features.entities.{entity.name}.coec: found {list(entity.coec)}, allowed: none, since no column has role "
        "'position'; residual needs scenarios only"
        for entity in contract.features.entities
        if entity.coec and contract.column_for("position") is None
    ]


def check_computed_names(contract: "Contract") -> list[str]:
    """A computed feature is a column of `examples` and needs a name of its own there."""
    names = [one.name for one in computed_features(contract)]
    columns = {one.name.lower(): one.name for one in contract.columns}
    problems = [
        f"features: {name!r} is the name of {names.count(name)} computed features; rename an entity"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    return problems + [
        f"columns.{columns[name.lower()]}: found the name of a computed feature, allowed: another one "
        "(give the log's name in from)"
        for name in dict.fromkeys(names)
        if name.lower() in columns
    ]


FEATURE_CHECKS = (check_entity_keys, check_positions, check_computed_names)
