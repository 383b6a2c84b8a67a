"""Lift of architectures per scenario and pooled, from what every seed's ranking is worth. M seeds, R requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from hinet_core.contract import Contract
from hinet_core.lift.architecture import KIND, METHOD, ArchitectureLift, architecture_lift, require_seeds
from hinet_core.lift.expected import relative
from hinet_core.lift.judgement import Judgement
from hinet_core.lift.policies import POLICIES, Floats
from hinet_core.lift.scopes import adjust, estimated, scopes
from hinet_core.lift.statistics.samples import NotEstimableError
from hinet_core.lift.tables import Row, blank_row
from hinet_core.world.truth import World


@dataclass(frozen=True)
class Compared:
    """A row of the table `lift`, and what it was made from; None where it is refused, with the reason in the row."""

    row: Row
    found: ArchitectureLift | None = None


@dataclass(frozen=True)
class Pair:
    """Two architectures; `a_M`, `b_M` name the rankers of a judgement that are their seeds."""

    contract: Contract
    as_of: date
    model_a: str
    model_b: str
    a_M: Sequence[str]
    b_M: Sequence[str]

    def compare(self, world: World, judgement: Judgement) -> list[Compared]:
        """Pooled first, then every modelled scenario, which are adjusted as one family."""
        found = [self._in_scope(*scope) for scope in scopes(self.contract, world, judgement)]
        adjust([one.row for one in found])
        return found

    def too_few_seeds(self) -> Compared | None:
        """The pooled row with the reason, before anything is ranked; None where there are enough."""
        try:
            require_seeds(min(len(self.a_M), len(self.b_M)))
        except NotEstimableError as error:
            return self._refused(None, str(error))
        return None

    def _in_scope(self, scenario_id: str | None, judgement: Judgement, weight_R: Floats) -> Compared:
        a_MR, b_MR = (np.stack([judgement.value_R[one] for one in seeds]) for seeds in (self.a_M, self.b_M))
        try:
            found = architecture_lift(a_MR, b_MR, judgement.user_R, weight_R)
        except NotEstimableError as error:
            return self._refused(scenario_id, str(error))
        mean_R = a_MR.mean(axis=0)
        references = {f"{name}_lift": relative(judgement.value_R[name], mean_R, weight_R) for name in POLICIES}
        return Compared(self._blank(scenario_id) | references | estimated(found, METHOD), found)

    def _refused(self, scenario_id: str | None, reason: str) -> Compared:
        return Compared(self._blank(scenario_id) | {"status": "not_estimable", "reason": reason})

    def _blank(self, scenario_id: str | None) -> Row:
        mine = {"kind": KIND, "model_a": self.model_a, "model_b": self.model_b, "n_seeds": len(self.b_M)}
        return blank_row(self.contract, self.as_of, scenario_id) | mine
