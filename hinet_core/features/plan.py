"""Which features a contract asks for, each with how a model should read it: no other room knows a list of kinds."""

from dataclasses import dataclass
from typing import Literal

from hinet_core.contract import Contract

Kind = Literal["impressions", "rate", "recency"]
Encode = Literal["number", "list", "id"]
Transform = Literal["identity", "log1p", "logit"]


@dataclass(frozen=True)
class Computed:
    """One computed feature: a count and a rate have a window, a rate also has a task.

    `encode` says what the column of `examples` becomes for a model; `transform` is that of a number. A list holds at
    most `length` values of the column `of`, so it can share that column's vocabulary.
    """

    name: str
    kind: Kind
    entity: str
    window_days: int = 0
    task: str = ""
    encode: Encode = "number"
    transform: Transform = "identity"
    of: str = ""
    length: int = 0


def computed_features(contract: Contract) -> tuple[Computed, ...]:
    """Every computed feature of a contract, in the order of the columns of `examples`."""
    found = []
    for entity in contract.features.entities:
        for days in contract.features.windows_days:
            name = f"{entity.name}_impressions_{days}d"
            found.append(Computed(name, "impressions", entity.name, days, transform="log1p"))
            for task in contract.tasks:
                name = f"{entity.name}_{task.name}_rate_{days}d"
                found.append(Computed(name, "rate", entity.name, days, task.name, transform="logit"))
        found.append(Computed(f"{entity.name}_recency_days", "recency", entity.name, transform="log1p"))
    return tuple(found)
