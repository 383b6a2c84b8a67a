"""Rankings by name: models as trained as of the newest judged day, and policies that need no model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinet_core.contract import Contract
from hinet_core.evaluation.run import newest_judged_as_of, trained_runs
from hinet_core.lake import Lake, connect
from hinet_core.lift.ab_test.shown import Scorers
from hinet_core.lift.judgement import Rankers
from hinet_core.lift.policies import SCORES, Judged
from hinet_core.lift.run import ready_days
from hinet_core.world.load import load
from hinet_core.world.observed import candidate_table
from hinet_core.world.truth import World


@dataclass(frozen=True)
class Contest:
    """A world, the days whose requests are ranked, and what ranks them; `as_of` and `versions` of the models."""

    world: World
    days: list[date]
    scorers: Scorers
    as_of: date | None
    versions: Mapping[str, str]

    def test_days(self, n_days: int) -> list[date]:
        """The days of an online test: those that follow; with models the judged days in turn, which have features."""
        if self.versions:
            return [self.days[number % len(self.days)] for number in range(n_days)]
        return [self.days[0] + timedelta(days=number) for number in range(n_days)]


@contextmanager
def contest(
    contract: Contract, lake: Lake, models_root: Path, names: tuple[str, str], as_of: date | None = None
) -> Iterator[Contest]:
    """Both rankings, ready to score; ValueError for a log without a world and for names that nothing has.

    Models are those as of the newest judged day if no `as_of` is given.
    """
    if contract.world is None:
        raise ValueError(
            f"{contract.name} is a log without a simulated world, so what another ranking is worth there is not "
            "known. `hinet off-policy` estimates it from logged propensities, `hinet ab` analyses a test of your own"
        )
    wanted = sorted(set(names) - set(SCORES))
    as_of = as_of or newest_judged_as_of(contract, lake)
    require_known(contract, lake, as_of, wanted)
    world = load(contract)
    if not wanted or as_of is None:
        yield Contest(world, world.traffic.days()[-contract.split.judged_days :], from_policies, None, {})
        return
    from hinet_core.lift.scoring import ModelRankers

    con = connect()
    try:
        versions = {run["model"]: run["version"] for run in trained_runs(con, contract, lake, as_of, wanted)}
        folders = {name: models_root / version for name, version in versions.items()}
        rankers = ModelRankers(con, contract, lake, folders)
        days = ready_days(contract, lake, as_of)
        yield Contest(world, days, with_models(world, contract, rankers), as_of, versions)
    finally:
        con.close()


def require_known(contract: Contract, lake: Lake, as_of: date | None, wanted: list[str]) -> None:
    """Every name is a policy's or that of a model trained as of the day; else one sentence with those there are."""
    steps = [step for step in lake.steps() if step.startswith("train/")]
    trained = [] if as_of is None else sorted(
        step.removeprefix("train/") for step in steps if lake.manifest(step, as_of) is not None
    )  # fmt: skip
    unknown = [name for name in wanted if name not in trained]
    if not unknown:
        return
    found = ", ".join(trained) if trained else "none"
    day = "no day can be judged yet" if as_of is None else f"trained as of {as_of}"
    raise ValueError(
        f"expected models or policies, found {', '.join(unknown)}; models of {contract.name} ({day}): {found}; "
        f"policies: {', '.join(SCORES)}. `make run` trains the models"
    )


def from_policies(truth: Judged) -> dict[str, NDArray[np.floating]]:
    return {name: score(truth) for name, score in SCORES.items()}


def with_models(world: World, contract: Contract, rankers: Rankers) -> Scorers:
    """Models' scores beside the policies', all of the same candidates."""

    def scorers(truth: Judged) -> dict[str, NDArray[np.floating]]:
        candidates = candidate_table(world, contract, truth.requests)
        found = rankers(candidates, truth.requests.day)
        return from_policies(truth) | {name: one.reshape(truth.worth_RC.shape) for name, one in found.items()}

    return scorers
