"""The counting columns of `entity_daily`, all of them whole numbers: sums over days do not depend on their order."""

from hinet_core.contract import Contract, Entity
from hinet_core.contract.computed import IMPRESSIONS

# Days on which an entity was shown: 1 on each such day.
ACTIVE_DAYS = "active_days"
# Expected outcomes are counted in millionths of an outcome.
MICRO = 1_000_000


def known_column(task: str) -> str:
    """Outcomes that became known on the day."""
    return f"known_{task}"


def at_slot_column(task: str) -> str:
    """Outcomes that the impressions' scenarios and slots let expect, in millionths."""
    return f"at_slot_{task}"


def in_scenario_column(task: str) -> str:
    """Outcomes that the impressions' scenarios let expect, in millionths."""
    return f"in_scenario_{task}"


def expected_counters(*entities: Entity) -> list[str]:
    """The expected outcomes that these entities ask for."""
    found = [at_slot_column(task) for entity in entities for task in entity.coec]
    found += [in_scenario_column(task) for entity in entities for task in entity.residual]
    return list(dict.fromkeys(found))


def counters(contract: Contract) -> list[str]:
    """Every counter of a contract; an expected one is NULL for the entities that do not ask for it."""
    known = [known_column(task.name) for task in contract.tasks]
    return [IMPRESSIONS, *known, *expected_counters(*contract.features.entities)]
