"""Policies that a log lets one ask about: their probability of every item at a slot, or of the shown rows alone.

    uniform              every item of the scenario equally likely at every slot; items = those seen in the scenario
    shown:COLUMN=VALUE   as often as these rows of the log showed the item at the slot: a policy that ran beside the
                         logger, averaged over time; its shares are themselves estimates and widen the interval
    column:NAME          the log's own column with the target's probability of the shown item at its slot
    logger               what was logged
"""

from dataclasses import dataclass

import numpy as np

from hinet_core.contract import POLICIES, Contract
from hinet_core.lift.expected import NotEstimableError
from hinet_core.lift.off_policy.lake_log import Condition, LakeLog, condition, known_column
from hinet_core.lift.off_policy.logged import Codes, Floats


@dataclass(frozen=True)
class Choice:
    """Which policy: `kind` as above, with the column or the condition that it names."""

    kind: str
    column: str = ""
    shown_by: Condition | None = None

    def __str__(self) -> str:
        return {"column": f"column:{self.column}", "shown": f"shown:{self.shown_by}"}.get(self.kind, self.kind)


def choice(contract: Contract, text: str) -> Choice:
    kind, _, rest = text.partition(":")
    if kind in ("uniform", "logger") and not rest:
        return Choice(kind)
    if kind == "column" and rest:
        return Choice("column", column=number_column(contract, rest))
    if kind == "shown" and rest:
        return Choice("shown", shown_by=condition(contract, rest))
    raise ValueError(f"found {text!r}, allowed: {POLICIES}")


def number_column(contract: Contract, name: str) -> str:
    column = next(one for one in contract.columns if one.name == known_column(contract, name))
    if not column.is_number:
        raise ValueError(f"found column {name!r}, which is {column.type}, allowed: one of probabilities")
    return name


@dataclass(frozen=True)
class ItemShares:
    """chance_LI: probability of every item in every slot; a slot L is one position of one scenario (`cell_of`)."""

    chance_LI: Floats
    counted_L: Codes | None = None  # rows that the shares were counted on; None: known exactly


@dataclass(frozen=True)
class Slots:
    """The (scenario, position) pairs of a log, numbered."""

    keys: tuple[tuple[str, int], ...]

    def cell_of(self, log: LakeLog) -> Codes:
        number = {key: n for n, key in enumerate(self.keys)}
        pairs = zip(log.scenario_N.tolist(), log.slot_N.tolist(), strict=True)
        return np.array([number[key] for key in pairs], dtype=np.int64)


def slots_in(log: LakeLog) -> Slots:
    return Slots(tuple(sorted(set(zip(log.scenario_N.tolist(), log.slot_N.tolist(), strict=True)))))


def shares(chosen: Choice, whole: LakeLog, slots: Slots, mask: str = "shown_by") -> ItemShares | None:
    """The policy's probabilities of all items, None where only shown rows' are known; `mask`: rows that it showed."""
    n_items = int(whole.item_N.max()) + 1
    if chosen.kind == "uniform":
        seen = {one: np.unique(whole.item_N[whole.scenario_N == one]) for one, _ in slots.keys}
        chance = np.zeros((len(slots.keys), n_items))
        for row, (scenario, _) in enumerate(slots.keys):
            chance[row, seen[scenario]] = 1 / len(seen[scenario])
        return ItemShares(chance)
    if chosen.kind == "shown":
        rows = whole.of(mask)
        if not len(rows):
            raise NotEstimableError(f"no row of the log has {chosen.shown_by}")
        count = np.zeros((len(slots.keys), n_items))
        np.add.at(count, (slots.cell_of(rows), rows.item_N), 1.0)
        total = count.sum(axis=1).astype(np.int64)
        return ItemShares(count / np.maximum(total, 1)[:, None], total)
    return None
