"""The columns that a contract computes from history, each with how a model reads it: no other room lists the kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hinet_core.contract.grammar import Contract, Entity

Kind = Literal["impressions", "count", "rate", "coec", "residual", "active_days", "recency", "recent"]
Encode = Literal["number", "list", "id"]
Transform = Literal["identity", "log1p", "logit"]

IMPRESSIONS = "impressions"
LIFETIME = "lifetime"


@dataclass(frozen=True)
class Computed:
    """One computed feature. What is counted over time has a window ('7d' or 'lifetime'), what is about a task names it.

    `encode` says what the column of `examples` becomes for a model; `transform` is that of a number. A list holds at
    most `length` values of the column `of`, so it can share that column's vocabulary.
    """

    name: str
    kind: Kind
    entity: str
    window: str = ""
    task: str = ""
    encode: Encode = "number"
    transform: Transform = "identity"
    of: str = ""
    length: int = 0


def computed_features(contract: "Contract") -> tuple[Computed, ...]:
    """Every computed feature of a contract, in the order of the columns of `examples`."""
    of_entities = (one for entity in contract.features.entities for one in entity_features(contract, entity))
    lists = (
        Computed(one.name, "recent", one.entity, task=one.task or "", encode="list", of=one.of, length=one.length)
        for one in contract.features.recent
    )
    return (*of_entities, *lists)


def rate_tasks(contract: "Contract", entity: "Entity") -> tuple[str, ...]:
    """The tasks whose smoothed rates an entity gives: those it names, else every task."""
    return tuple(task.name for task in contract.tasks) if entity.rates is None else entity.rates


def windows_of(contract: "Contract", entity: "Entity") -> list[str]:
    """The windows of an entity as they end the names of features."""
    return [*(f"{days}d" for days in contract.features.windows_days), *([LIFETIME] if entity.lifetime else [])]


def entity_features(contract: "Contract", entity: "Entity") -> Iterator[Computed]:
    name = entity.name
    for window in windows_of(contract, entity):
        for counted in entity.counts:
            if counted == IMPRESSIONS:
                yield Computed(f"{name}_impressions_{window}", "impressions", name, window, transform="log1p")
            else:
                yield Computed(f"{name}_{counted}_count_{window}", "count", name, window, counted, transform="log1p")
        for task in rate_tasks(contract, entity):
            yield Computed(f"{name}_{task}_rate_{window}", "rate", name, window, task, transform="logit")
        for task in entity.coec:
            yield Computed(f"{name}_{task}_coec_{window}", "coec", name, window, task, transform="log1p")
        for task in entity.residual:
            yield Computed(f"{name}_{task}_residual_{window}", "residual", name, window, task)
        if entity.days_active:
            yield Computed(f"{name}_active_days_{window}", "active_days", name, window, transform="log1p")
    if entity.recency:
        yield Computed(f"{name}_recency_days", "recency", name, transform="log1p")
