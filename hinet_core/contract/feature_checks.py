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
    for recent in contract.features.recent:
        where = f"features.recent.{recent.name}"
        uses.append((f"{where}.entity", recent.entity, {one.name for one in contract.features.entities}))
        uses.append((f"{where}.of", recent.of, keyed))
        uses += [(f"{where}.task", recent.task, tasks)] if recent.task is not None else []
    return uses


def check_keys(contract: "Contract") -> list[str]:
    """Aggregates are keyed by what is known before the exposure, and lists hold nothing else."""
    keys = [(f"features.entities.{one.name}.keys", key) for one in contract.features.entities for key in one.keys]
    keys += [(f"features.recent.{one.name}.of", one.of) for one in contract.features.recent]
    return [problem for where, key in keys for problem in no_key(contract, where, key)]


def no_key(contract: "Contract", where: str, name: str) -> list[str]:
    """Why a column cannot say who or what was shown: it is known later, or holds no single value."""
    column = next((one for one in contract.columns if one.name == name), None)
    if column is None:
        return []
    if column in contract.late_columns or column.role in ("outcome", "known_at", "propensity"):
        return [f"{where}: {name!r} has role {column.role!r}, allowed: what is known before the exposure"]
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
        f"features: {name!r} is the name of {names.count(name)} computed features; rename an entity or a list"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    return problems + [
        f"columns.{columns[name.lower()]}: found the name of a computed feature, allowed: another one "
        "(give the log's name in from)"
        for name in dict.fromkeys(names)
        if name.lower() in columns
    ]


FEATURE_CHECKS = (check_keys, check_positions, check_computed_names)
